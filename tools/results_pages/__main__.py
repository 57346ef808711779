"""Write the pages of results, of the leaderboard and of the networks from the records of `eval.py`: `python tools/results_pages`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from interp.core.command_line import Parser, run
from interp.core.errors import InputError

PAGES = [
    Path(f"{page}.md")
    for page in ("docs/results", "docs/leaderboard", "docs/evaluating", "networks/README", "networks/seeds/README")
]


def parser() -> Parser:
    """The command line."""
    parser = Parser("python tools/results_pages", __doc__)
    parser.add_argument(
        "--records",
        type=Path,
        nargs="+",
        default=[Path("docs/results")],
        help="directories that eval.py wrote with --out, or that hold such ones (default: docs/results)",
    )
    parser.add_argument(
        "--networks-dir", type=Path, default=Path("networks"), help="directory of the networks (default: networks)"
    )
    parser.add_argument(
        "--pages",
        type=Path,
        nargs="+",
        default=PAGES,
        help=f"pages whose tables are written anew (default: {' '.join(map(str, PAGES))})",
    )
    parser.add_argument("--rows", type=Path, help="also write the rows of the leaderboard into this file (JSON)")
    parser.add_argument("--plot", type=Path, help="also draw the leaderboard into this file")
    parser.add_argument("--cards", type=Path, help="also write a card of each network into this directory")
    parser.add_argument(
        "--stamp", action="store_true", help="also put measured accuracies into the metadata of the networks"
    )
    parser.add_argument("--pictures", type=Path, help="also draw the pictures into this directory")
    parser.add_argument("--data-dir", type=Path, help="directory of datasets (default: INTERP_DATA_DIR)")
    return parser


def write_pages(arguments: argparse.Namespace) -> int:
    """Fill in the tables of the pages; return the exit code. Without one of their records no page or picture is written."""
    from interp.core.files import write_text
    from interp.report.markdown import fill_marks
    from results_pages.evidence import Sources, find_results
    from results_pages.leaderboard_tables import draw_leaderboard, rows_text
    from results_pages.measured_figures import stamp_networks
    from results_pages.page_tables import make_table

    if not arguments.networks_dir.is_dir():
        raise InputError(f"{arguments.networks_dir} is no directory: correct --networks-dir")
    sources = Sources(find_results(arguments.records), arguments.networks_dir)
    if arguments.stamp:
        for name in stamp_networks(sources):
            print(f"measured figures put into {name}")
    texts = {}
    for page in arguments.pages:
        try:
            text = page.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot read the page {page}: {error.strerror}; correct --pages") from error
        texts[page] = fill_marks(text, lambda words: make_table(sources, words))
    if arguments.cards is not None:
        from results_pages.model_cards import model_cards

        texts |= {arguments.cards / f"{name}.md": text for name, text in model_cards(sources).items()}
    if arguments.rows is not None:
        texts[arguments.rows] = rows_text(sources)
    if arguments.pictures is not None:
        from results_pages.page_pictures import draw_pictures

        for path in draw_pictures(sources, arguments.pictures, arguments.data_dir):
            print(f"wrote {path}")
    if arguments.plot is not None and draw_leaderboard(sources, arguments.plot):
        print(f"wrote {arguments.plot}")
    for page, text in texts.items():
        write_text(page, text)
        print(f"wrote {page}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it from the command line."""
    return run(parser().parse_args, write_pages, arguments)


if __name__ == "__main__":
    # Python puts this directory on the path; the package results_pages is in the one above.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    sys.exit(main())

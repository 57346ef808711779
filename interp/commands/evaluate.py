"""Evaluate the networks of a numbered experiment: 1 the main one, 2 the additional one, 3 the saliency suite."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.commands.command_line import Parser, run, whole_number
from interp.commands.experiments.sections import DESCRIPTIONS, SECTIONS
from interp.core.errors import ComputationError, InputError, check_choice

if TYPE_CHECKING:
    from interp.commands.experiments.choice import Chosen
    from interp.commands.experiments.results import Results
    from interp.commands.experiments.sections import Section
    from interp.commands.tasks.setting import Outcome
    from interp.commands.used_data import UsedData
    from interp.commands.used_files import UsedFiles


def parser() -> argparse.ArgumentParser:
    """The command line of `eval.py`."""
    parser = Parser(
        "eval.py",
        __doc__,
        (
            "1 --only pgd aai --networks mnist_smallgap_normal_20 mnist_smallgap_int_20",
            "1 --only validity --dataset mnist --num-image 1000 --out gen_images/validity",
            "3 --dataset digits --networks gen_images/demo/digits_smallgap_int_40.safetensors",
            "3 --only roar kar --dataset mnist --task-options '--ratios 0.5,0.9 --seeds 2'",
        ),
    )
    what = parser.add_argument_group("what")
    what.add_argument("number", type=int, help=", ".join(f"{key}: {text}" for key, text in DESCRIPTIONS.items()))
    sections = "; ".join(
        f"{name} ({number}): {section.help}" for number, group in SECTIONS.items() for name, section in group.items()
    )
    what.add_argument("--only", nargs="+", metavar="SECTION", help=sections)
    what.add_argument(
        "--networks", nargs="+", metavar="NAME", help="names or paths; all networks of the training scripts without it"
    )
    what.add_argument(
        "--any-dataset",
        "--any_dataset",
        action="store_true",
        help="also evaluate networks that say they were trained on another dataset; the results are flagged",
    )
    what.add_argument("--dataset", help="only networks on this one: digits, mnist, cifar10 or restimagenet")
    how = parser.add_argument_group("how")
    how.add_argument("--num-image", type=whole_number(1), help="test images for each; that of the task without it")
    how.add_argument("--seed", type=whole_number(0), default=99, help="of the sample and of random starts")
    how.add_argument(
        "--workers", type=whole_number(1), help="processes that retrain in roar and kar; one a core without it"
    )
    how.add_argument("--ray", metavar="ADDRESS", help="of a Ray cluster that retrains; local starts one here")
    how.add_argument(
        "--task-options", default="", metavar="OPTIONS", help="further ones of eval_cmd.py for each section, in quotes"
    )
    where = parser.add_argument_group("where")
    where.add_argument(
        "--networks-dir", type=Path, help="folder of networks; INTERP_NETWORKS_DIR and networks/ without it"
    )
    where.add_argument("--data-dir", type=Path, help="folder of datasets; INTERP_DATA_DIR without it")
    where.add_argument("--out", type=Path, help="folder of results; gen_images/eval_NUMBER without it")
    return parser


def evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate what is there and not yet evaluated; return 0, or 1 if a network was missing or failed."""
    from interp.commands.experiments.choice import is_left_out, named_networks, networks_of
    from interp.commands.experiments.report import write_report
    from interp.commands.experiments.results import Results
    from interp.commands.experiments.task_options import with_options
    from interp.commands.used_data import UsedData
    from interp.core.files import check_writable, locked
    from interp.data import ALIASES, DATASETS

    if arguments.number not in SECTIONS:
        raise InputError(
            f"no experiment {arguments.number}: {', '.join(f'{key} = {text}' for key, text in DESCRIPTIONS.items())}"
        )
    listed = SECTIONS[arguments.number]
    names = [check_choice("section", name, listed) for name in arguments.only or listed]
    group = {name: with_options(listed[name], arguments.task_options) for name in names}
    if arguments.dataset is not None:
        check_choice("--dataset", arguments.dataset, [*DATASETS, *ALIASES])
    for option, folder in (("--networks-dir", arguments.networks_dir), ("--data-dir", arguments.data_dir)):
        if folder is not None and not folder.is_dir():
            raise InputError(f"{option} came as {folder}, which is no folder: correct it")
    named = (
        named_networks(arguments.networks, arguments.dataset, arguments.networks_dir) if arguments.networks else None
    )
    folder = arguments.out or Path(f"gen_images/eval_{arguments.number}")
    check_writable(folder)
    missing: dict[str, None] = {}
    failed: dict[str, str] = {}
    data = UsedData(arguments.data_dir)
    with locked(folder / ".lock"):
        settings = {"number": arguments.number, "num_image": arguments.num_image, "seed": arguments.seed}
        results = Results(folder, settings)
        for name in names:
            if named is None:
                chosen, absent = networks_of(group[name], arguments.dataset, arguments.networks_dir)
                missing |= dict.fromkeys(absent)
            else:
                chosen = [network for network in named if not is_left_out(network.name, group[name])]
            _evaluate_section(name, group[name], chosen, results, data, arguments, failed)
        report = write_report(folder / "report.html", arguments.number, results)
    print(f"\nwrote {report}")
    for what, reason in failed.items():
        print(f"failed: {what}: {reason}", file=sys.stderr)
    if missing:
        print(f"missing, train.py makes them: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing or failed else 0


def _evaluate_section(
    name: str,
    section: "Section",
    chosen: "list[Chosen]",
    results: "Results",
    data: "UsedData",
    arguments: argparse.Namespace,
    failed: dict[str, str],
) -> None:
    from interp.commands.command_line import progress_bar
    from interp.commands.experiments.results import OtherResults
    from interp.commands.networks import find_used
    from interp.commands.used_files import UsedFiles
    from interp.data import ALIASES

    print(f"\n{name}: {section.help}")
    with progress_bar(name, len(chosen)) as tick:
        for network in chosen:
            try:
                splits = data.identities(network.dataset, section.task)
                results.check_data(ALIASES.get(network.dataset, network.dataset), splits)
                made_of = {
                    "dataset": network.dataset,
                    "file": network.path.name,
                    "section": asdict(section),
                    "data": splits,
                }
                # JSON has lists only.
                made_of = json.loads(json.dumps(made_of))
                find = partial(find_used, network.path, section.arguments, networks_dir=arguments.networks_dir)
                if results.read(name, network.name, made_of, find) is None:
                    files = UsedFiles()
                    record = _evaluate_network(name, section, network, results.folder, data, files, arguments)
                    results.keep(name, network.name, made_of, files, record)
            except OtherResults:
                raise
            except (InputError, ComputationError) as error:
                failed[f"{name} of {network.name}"] = str(error)
            tick()
    _show(name, results)


def _evaluate_network(
    name: str,
    section: "Section",
    network: "Chosen",
    folder: Path,
    data: "UsedData",
    files: "UsedFiles",
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Run the task of a section in all its variants on one network and return its record."""
    from interp.commands.evaluate_network import tasks
    from interp.commands.experiments.task_options import parse
    from interp.commands.networks import check_dataset, network_stem, open_network
    from interp.commands.records import with_flags
    from interp.commands.tasks.listing import LISTING
    from interp.commands.tasks.setting import Setting
    from interp.core.files import replacing, write_bytes
    from interp.core.provenance import describe_run
    from interp.evaluation import sample_images
    from interp.report import note_source

    task_arguments, method = parse(section, network.dataset, str(network.path), arguments.seed)
    for option in ("networks_dir", "data_dir", "workers", "ray", "any_dataset"):
        setattr(task_arguments, option, getattr(arguments, option))
    # What takes long is kept beside the results, shared by sections that need the same.
    task_arguments.output_dir = folder
    test = data.test(network.dataset)
    count = arguments.num_image or min(LISTING[section.task].images, len(test))
    sample, targets = sample_images(test, count, seed=arguments.seed)
    model = open_network(files.add(network.path), sample)
    flags = check_dataset(network.path, model, network.dataset, any_dataset=arguments.any_dataset)
    outcomes: list[tuple[int, Outcome]] = []
    for value in section.values:
        if section.option is not None:
            setattr(task_arguments, section.option, value)
        setting = Setting(
            network_stem(network.path.name),
            network.path,
            model,
            sample,
            targets,
            method,
            task_arguments,
            quiet=True,
            files=files,
            flags=flags,
        )
        outcomes.append((value, tasks()[section.task](setting)))
    pictures = []
    for value, outcome in outcomes:
        for shown, figure in outcome.pictures.items():
            variant = f"_{section.option}{value}" if section.option else ""
            pictures.append(f"{network.name}_{shown}{variant}.png")
            with replacing(folder / name / pictures[-1]) as temporary:
                note_source(figure, sample.source).savefig(temporary, dpi=130)
    last = outcomes[-1][1]
    gallery = []
    for place, entry in enumerate(last.gallery, 1):
        file = f"{network.name}_gallery_{place}.webp"
        write_bytes(folder / name / file, entry.picture)
        gallery.append({"image": entry.image, "method": entry.method, "caption": entry.caption, "file": file})
    lead = [section.option] if section.option else []
    return {
        **describe_run(vars(arguments)),
        "data": sample.source,
        "images": len(sample),
        "caption": "; ".join(dict.fromkeys(outcome.table.caption for _, outcome in outcomes)),
        "header": [*lead, *last.table.header],
        "rows": [[*([value] if lead else []), *row] for value, outcome in outcomes for row in outcome.table.rows],
        **last.record,
        **with_flags(last.record, flags),
        "pictures": pictures,
        **({"gallery": gallery} if gallery else {}),
    }


def _show(name: str, results: "Results") -> None:
    """Print the section's table, of all networks evaluated so far, and write it with its pictures."""
    from interp.commands.experiments.pictures import PICTURES, families
    from interp.commands.experiments.tables import captions, remarks, section_table, shown_table, sources
    from interp.core.files import replacing
    from interp.report import note_source

    records = results.all(name)
    if not records:
        print("no network of this section was evaluated")
        return
    table = section_table(records)
    written = [results.write_table(name, list(table.header), [list(row) for row in table.rows])]
    for family, group in families(records).items() if name in PICTURES else ():
        written.append(results.folder / f"{name}_{family}.png")
        with replacing(written[-1]) as temporary:
            note_source(PICTURES[name](group), "; ".join(sources(group))).savefig(temporary, dpi=130)
    for caption in captions(records):
        print(caption)
    print(shown_table(table).text())
    for line in remarks(records):
        print(line)
    for path in written:
        print(f"wrote {path}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `eval.py` from the command line."""
    return run(parser(), evaluate, arguments)

"""The tables of the leaderboard, and its rows for the package, from the records of the task `leaderboard`."""

import json
from pathlib import Path

from interp.core.errors import InputError
from interp.core.files import replacing, visible_files
from interp.core.tables import NOTHING, markdown_table, radius_text
from interp.core.used_files import fingerprint
from interp.evaluation import LeaderboardRow, MovedExplanation
from interp.evaluation.statistics import mean_of
from interp.report.leaderboard import TASK, Leaderboard, in_order, leaderboard_groups, recorded_rows
from interp.report.leaderboard_figure import compared, leaderboard_figure
from interp.report.record_format import read_record
from results_pages.cells import plus_minus
from results_pages.evidence import Sources
from results_pages.network_tables import trained

EMPTY = "No network has been measured yet."
# Digits of a digest that tell weights apart.
DIGITS = 12
# Below the directory of the records: a directory for each further seed of training, of records of networks of the same names.
SEEDS = "seeds"


def measured_rows(sources: Sources) -> Leaderboard:
    """The rows of all records, none where no network was measured. Raises InputError for a damaged record."""
    return in_order([row for folder in _folders(sources) for row in recorded_rows(folder)])


def leaderboard(sources: Sources, picture: str) -> list[str]:
    """Two tables for each dataset and architecture, the best accuracy first; above them the `picture`, where it shows something."""
    board = measured_rows(sources)
    if not board.rows:
        return [EMPTY]
    shown = f"![Kendall tau of maps against accuracy, both under the strong protocols]({picture})"
    lines = [shown, ""] if compared(board) else []
    for title, rows in leaderboard_groups(board).items():
        lines += [f"### {title}", "", *_tables(rows), "", _small(rows), ""]
    return lines[:-1]


def seeds(sources: Sources) -> list[str]:
    """Every figure of the networks that were trained with several seeds: by seed, and its mean with the standard error over seeds.

    Raises InputError where there are none, or two of a network have one seed.
    """
    found: dict[str, dict[int, LeaderboardRow]] = {}
    protocols, folders, others = [], _folders(sources), _seed_folders(sources)
    for row in in_order([row for folder in (*folders, *others) for row in recorded_rows(folder)]).rows:
        path = Path(row.record or "")
        seed = read_record(path).get("network", {}).get("seed")
        if seed is None:
            # A network of elsewhere.
            continue
        if seed in found.setdefault(row.facts.name, {}):
            raise InputError(f"{path} is of seed {seed}, as another record of {row.facts.name} is: remove one")
        found[row.facts.name][seed] = row
    several = {name: by_seed for name, by_seed in found.items() if len(by_seed) > 1}
    if not several:
        raise InputError(f"no network was measured with several seeds in {', '.join(map(str, folders))}")
    columns, lines = sorted({seed for by_seed in several.values() for seed in by_seed}), []
    for name, by_seed in several.items():
        protocols += [row.measured for row in by_seed.values()]
        figures = {seed: _means(row) for seed, row in by_seed.items()}
        for figure in dict.fromkeys(figure for each in figures.values() for figure in each):
            values = {seed: each[figure] for seed, each in figures.items() if figure in each}
            shown = [plus_minus(values.get(seed, NOTHING)) for seed in columns]
            over = mean_of(value for value in values.values() if value is not None)
            lines.append((f"`{name}`", figure, *shown, plus_minus(*over.cells)))
    header = ("network", "figure", *(f"seed {seed}" for seed in columns), "mean")
    where = f"records: {', '.join(folder.as_posix() for folder in (*folders, *others))}"
    return [*markdown_table(header, lines), "", f"<small>{' / '.join([*dict.fromkeys(protocols), where])}</small>"]


def seed_networks(sources: Sources) -> list[str]:
    """The tables of the leaderboard for the networks of further seeds, in a part of its own for each seed.

    Raises InputError where there are none, or the weights of one were not measured.
    """
    rows = {(row.facts.name, row.weights): row for folder in _seed_folders(sources) for row in recorded_rows(folder)}
    lines: list[str] = []
    for folder in sorted((sources.networks_dir / SEEDS).glob("*/")):
        found, commands = [], []
        for path in visible_files(folder, ".safetensors"):
            row = rows.get((path.stem, fingerprint(path)))
            if row is None:
                raise InputError(f"no record of {TASK} of the weights in {path}: run eval.py 1 --only {TASK} on it")
            found.append(row)
            commands.append(f"`{trained(path)[1].run.arguments.line()}`")
        if found:
            made = f"Trained by {', '.join(commands)}, each with `--networks-dir {folder.as_posix()}`."
            tables = _tables(list(in_order(found).rows))
            lines += [f"## Seed {folder.name}", "", *tables, "", made, "", _small(found), ""]
    if not lines:
        raise InputError(f"no network in {sources.networks_dir / SEEDS}: train one, or take the mark from the page")
    return lines[:-1]


def rows_text(sources: Sources) -> str:
    """The rows as the package ships them, JSON. Raises InputError."""
    return json.dumps(measured_rows(sources).to_json(), indent=1, allow_nan=False) + "\n"


def draw_leaderboard(sources: Sources, path: Path) -> bool:
    """Draw the rows into a file, where there are networks to compare; return whether there are. Raises InputError."""
    board = measured_rows(sources)
    if not compared(board):
        return False
    with replacing(path) as temporary:
        # Without the version of the library, so that the same rows give the same file.
        leaderboard_figure(board).savefig(temporary, dpi=110, format="png", metadata={"Software": None})
    return True


def _folders(sources: Sources) -> list[Path]:
    return [folder for folder in sources.records if (folder / TASK).is_dir()]


def _seed_folders(sources: Sources) -> list[Path]:
    return [other for folder in _folders(sources) for other in sorted(folder.glob(f"{SEEDS}/*/"))]


def _means(row: LeaderboardRow) -> dict[str, float | None]:
    """The figures of a row without their errors, by name."""
    taus = {moved.explanation: moved.worst_case.value for moved in row.explanations}
    return {"clean": row.clean.value, "strong": row.strong.value, **taus}


def _small(rows: list[LeaderboardRow]) -> str:
    """How the rows were measured, and where their records are, in small print."""
    folders = dict.fromkeys(Path(row.record or "").parent.as_posix() for row in rows)
    told = [*dict.fromkeys(row.measured for row in rows), f"records: {', '.join(folders)}, a file a network"]
    return f"<small>{' / '.join(told)}</small>"


def _tables(rows: list[LeaderboardRow]) -> list[str]:
    """What counts, and in a second table noise and how each network was made: one table of both is too wide for a page."""
    names = list(dict.fromkeys(moved.explanation for row in rows for moved in row.explanations))
    figures: list[tuple[str, ...]] = []
    facts: list[tuple[str, ...]] = []
    for row in rows:
        name, moved = f"`{row.facts.name}`", {each.explanation: _cells(each) for each in row.explanations}
        maps = [moved.get(name, (NOTHING, NOTHING)) for name in names]
        accuracies = plus_minus(*row.clean.cells), plus_minus(*row.strong.cells)
        flags = ", ".join(dict.fromkeys(flag.kind for flag in row.flags)) or NOTHING
        figures.append((name, row.facts.method, *accuracies, *(attacked for attacked, _ in maps), flags))
        minutes = NOTHING if row.facts.minutes is None else f"{row.facts.minutes:.1f}"
        made = row.facts.trained_by, radius_text(row.epsilon), f"{row.strong.count}", minutes
        facts.append((name, *(noise for _, noise in maps), *made, f"`{(row.weights or NOTHING)[:DIGITS]}`"))
    noises = (f"{name}: noise" for name in names)
    return [
        *markdown_table(("network", "method", "clean", "strong", *names, "flagged"), figures),
        "",
        "*The same networks: Kendall tau under noise alone, in the ball and at its corners, and how each network was made.*",
        "",
        *markdown_table(("network", *noises, "trained by", "eps", "images", "minutes", "weights"), facts),
    ]


def _cells(moved: MovedExplanation) -> tuple[str, str]:
    """Kendall tau under attack, and under noise in the ball and at its corners."""
    noise = f"{plus_minus(moved.noise.value)}, {plus_minus(moved.corner_noise.value)}"
    return plus_minus(*moved.worst_case.cells), noise

"""The tables of the leaderboard, and its rows for the package, from the records of the task `leaderboard`."""

import json
from pathlib import Path

from interp.core.files import replacing
from interp.core.tables import NOTHING, markdown_table, radius_text
from interp.evaluation import LeaderboardRow, MovedExplanation
from interp.report.leaderboard import TASK, Leaderboard, in_order, leaderboard_groups, recorded_rows
from interp.report.leaderboard_figure import compared, leaderboard_figure
from results_pages.cells import plus_minus
from results_pages.evidence import Sources

EMPTY = "No network has been measured yet."
# Digits of a digest that tell weights apart.
DIGITS = 12


def measured_rows(sources: Sources) -> Leaderboard:
    """The rows of all records, none where no network was measured. Raises InputError for a damaged record."""
    folders = [folder for folder in sources.records if (folder / TASK).is_dir()]
    return in_order([row for folder in folders for row in recorded_rows(folder)])


def leaderboard(sources: Sources, picture: str) -> list[str]:
    """Two tables for each dataset and architecture, the best accuracy first; above them the `picture`, where it shows something."""
    board = measured_rows(sources)
    if not board.rows:
        return [EMPTY]
    shown = f"![Kendall tau of maps against accuracy, both under the strong protocols]({picture})"
    lines = [shown, ""] if compared(board) else []
    for title, rows in leaderboard_groups(board).items():
        lines += [f"### {title}", "", *_tables(rows), ""]
        folders = dict.fromkeys(Path(row.record or "").parent.as_posix() for row in rows)
        told = [*dict.fromkeys(row.measured for row in rows), f"records: {', '.join(folders)}, a file a network"]
        lines += [f"<small>{' / '.join(told)}</small>", ""]
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

"""The tables of the leaderboard, and its rows for the package, from the records of the task `leaderboard`."""

import json
from pathlib import Path

from interp.core.files import replacing
from interp.core.tables import NOTHING, markdown_table
from interp.evaluation import LeaderboardRow, MovedExplanation
from interp.report.leaderboard import TASK, Leaderboard, in_order, leaderboard_groups, recorded_rows
from interp.report.leaderboard_figure import compared, leaderboard_figure
from results_pages.cells import plus_minus, radius_text
from results_pages.evidence import Sources

EMPTY = "No network has been measured yet."
# Digits of a digest that tell weights apart.
DIGITS = 12


def measured_rows(sources: Sources) -> Leaderboard:
    """The rows of all records, none where no network was measured. Raises InputError for a damaged record."""
    folders = [folder for folder in sources.records if (folder / TASK).is_dir()]
    return in_order([row for folder in folders for row in recorded_rows(folder)])


def leaderboard(sources: Sources, picture: str) -> list[str]:
    """A table for each dataset and architecture, the best accuracy first; above them the `picture`, where it shows something."""
    board = measured_rows(sources)
    if not board.rows:
        return [EMPTY]
    shown = f"![Kendall tau of maps against accuracy, both under the strong protocols]({picture})"
    lines = [shown, ""] if compared(board) else []
    for (dataset, architecture), rows in leaderboard_groups(board).items():
        lines += [f"### {dataset}, {architecture}", "", *_table(rows), ""]
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


def _table(rows: list[LeaderboardRow]) -> list[str]:
    names = list(dict.fromkeys(moved.explanation for row in rows for moved in row.explanations))
    body = []
    for row in rows:
        facts, moved = row.facts, {each.explanation: each for each in row.explanations}
        body.append(
            (
                f"`{facts.name}`",
                facts.method,
                facts.trained_by,
                plus_minus(*row.clean.cells),
                plus_minus(*row.strong.cells),
                *(cell for name in names for cell in _cells(moved.get(name))),
                ", ".join(dict.fromkeys(flag.kind for flag in row.flags)) or NOTHING,
                radius_text(row.epsilon),
                f"{row.strong.count}",
                NOTHING if facts.minutes is None else f"{facts.minutes:.1f}",
                f"`{(row.weights or NOTHING)[:DIGITS]}`",
            )
        )
    maps = (column for name in names for column in (name, f"{name}: noise"))
    last = ("flagged", "eps", "images", "minutes", "weights")
    return markdown_table(("network", "method", "trained by", "clean", "strong", *maps, *last), body)


def _cells(moved: MovedExplanation | None) -> tuple[str, str]:
    """Kendall tau under attack, and under noise in the ball and at its corners."""
    if moved is None:
        return NOTHING, NOTHING
    noise = f"{plus_minus(moved.noise.value)}, {plus_minus(moved.corner_noise.value)}"
    return plus_minus(*moved.worst_case.cells), noise

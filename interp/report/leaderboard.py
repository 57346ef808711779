"""The leaderboard: networks whose predictions and explanations were attacked by the strong protocols, shipped ones and one's own."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from interp.core.checks import check_instance
from interp.core.errors import InputError
from interp.core.files import visible_files
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell, counted, radius_text
from interp.evaluation import LeaderboardRow
from interp.evaluation.leaderboard_row import FIRST, LAST
from interp.report.record_format import read_object, read_record
from interp.report.records import SETTINGS

# The rows that come with the package, written by tools/results_pages.
SHIPPED = Path(__file__).with_suffix(".json")
# The task, whose name begins those of its tables.
TASK = "leaderboard"


@dataclass(frozen=True)
class Leaderboard(Result):
    """Networks whose predictions and explanations were attacked by the strong protocols.

    Attributes:
        rows: What the protocols left of each network, by dataset, norm and radius, and then by accuracy under the
            strong protocol, the best first.
    """

    rows: tuple[LeaderboardRow, ...] = field(metadata={"json": "networks"})

    def columns(self) -> dict[str, list[Cell]]:
        """A network a row; an explanation that was not attacked on it has no figures. The last columns name its record and its weights."""
        cells = [row.cells for row in self.rows]
        maps = dict.fromkeys(name for row in self.rows for moved in row.explanations for name in moved.cells)
        return {name: [row.get(name, NOTHING) for row in cells] for name in (*FIRST, *maps, *LAST)}

    @property
    def caption(self) -> str:
        """How many networks there are."""
        return f"{counted(len(self.rows), 'network')}; accuracies and Kendall tau are those of the strong protocols"

    @property
    def notes(self) -> tuple[str, ...]:
        """How and on which images the rows were measured, each once."""
        return tuple(dict.fromkeys(f"{row.facts.dataset}: {row.measured}" for row in self.rows))


def leaderboard(*folders: str | Path) -> Leaderboard:
    """Return the rows that come with the package, and those of the records in `folders`.

    Args:
        folders: Directories that `eval_cmd.py --task leaderboard` was given as --output-dir, or `eval.py` as --out.

    Returns:
        A Leaderboard, by dataset, ball and accuracy under the strong protocol; columns(), to_dataframe() and a view in
        notebooks as any result.

    Raises:
        InputError: What came is no folder, it has no such records, or a record is damaged.

    Example:
        ```python
        board = interp.leaderboard("gen_images/tables")
        print(interp.report.render(board.table(), "csv"))
        ```
    """
    for folder in folders:
        check_instance("a folder of records", folder, (str, Path), "'gen_images/tables'")
    rows = [*shipped_rows(), *(row for folder in folders for row in recorded_rows(Path(folder)))]
    return in_order(rows)


def in_order(rows: Sequence[LeaderboardRow]) -> Leaderboard:
    """The leaderboard of these rows."""

    def place(row: LeaderboardRow) -> tuple[str, str, float, float, str]:
        return row.facts.dataset, row.norm, row.epsilon, -(row.strong.value or 0.0), row.facts.name

    return Leaderboard(tuple(sorted(rows, key=place)))


def leaderboard_groups(board: Leaderboard) -> dict[str, list[LeaderboardRow]]:
    """The rows that tables and pictures compare: those of a dataset, architecture and ball, by a title that names them."""
    groups: dict[str, list[LeaderboardRow]] = {}
    for row in sorted(board.rows, key=lambda row: (row.facts.dataset, row.facts.architecture, row.norm, row.epsilon)):
        # Radii that are written alike, such as 8/255 and its rounding in single precision, are one ball.
        title = f"{row.facts.dataset}, {row.facts.architecture}, {row.norm} {radius_text(row.epsilon)}"
        groups.setdefault(title, []).append(row)
    return {
        title: sorted(rows, key=lambda row: (-(row.strong.value or 0.0), row.facts.name))
        for title, rows in groups.items()
    }


def shipped_rows() -> tuple[LeaderboardRow, ...]:
    """The rows that come with the package. Raises InputError where their file is missing or damaged."""
    found = read_object(SHIPPED, "leaderboard of the package", "install the package again")
    return Leaderboard.from_json(found).rows


def recorded_rows(folder: Path) -> list[LeaderboardRow]:
    """The rows of the records in a directory, by table and network. Raises InputError where there are none, or one is damaged."""
    tables = [path for path in sorted(folder.glob(f"{TASK}*/")) if path.is_dir()]
    # A directory of eval.py may have the name of a table.
    files = [path for table in tables for path in visible_files(table, ".json") if path.name != SETTINGS]
    if not files:
        raise InputError(
            f"{folder} holds no records of the leaderboard: write them with eval_cmd.py --task {TASK} --output-dir {folder}, or correct it"
        )
    return [read_row(path) for path in files]


def read_row(path: Path) -> LeaderboardRow:
    """The row of a record, which it then names, with the digest of the network's weights. Raises InputError for a damaged one."""
    record = read_record(path)
    try:
        row = LeaderboardRow.from_json(record)
        if row.facts.file not in record["files"]:
            raise InputError(f"it does not say the digest of {row.facts.file[:80]}")
    except InputError as error:
        raise InputError(f"{path} is no row of the leaderboard: {error}; remove it") from error
    return replace(row, record=path.as_posix(), weights=record["files"][row.facts.file])

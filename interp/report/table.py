"""Tables of results: on the terminal, and as tab-separated values."""

from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | int | float | None
# For a cell that nothing belongs into; None is for a figure that should be there and is not defined.
NOTHING = "-"


@dataclass(frozen=True)
class Table:
    """Rows under a header; the caption says how they were measured. None stands for a figure that is not defined."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    def texts(self) -> list[tuple[str, ...]]:
        """The cells as people read them."""
        return [tuple(short_text(cell) for cell in row) for row in self.rows]

    def text(self) -> str:
        """The table in columns, numbers to the right, the caption above."""
        cells = [self.header, *self.texts()]
        widths = [max(len(line[column]) for line in cells) for column in range(len(self.header))]
        words = [any(_is_word(row[column]) for row in self.rows) for column in range(len(self.header))]

        def line(row: Sequence[str]) -> str:
            padded = (
                cell.ljust(width) if left else cell.rjust(width)
                for cell, width, left in zip(row, widths, words, strict=True)
            )
            return "  ".join(padded).rstrip()

        rule = "  ".join("-" * width for width in widths)
        return "\n".join([*([self.caption] if self.caption else []), line(cells[0]), rule, *map(line, cells[1:])])


def spread(table: Table, column: str, value: str) -> Table:
    """The same figures with the values of one column across: a row for each combination of what stands left of it."""
    at, of = table.header.index(column), table.header.index(value)
    across = list(dict.fromkeys(row[at] for row in table.rows))
    lines: dict[tuple[Cell, ...], dict[Cell, Cell]] = {}
    for row in table.rows:
        lines.setdefault(row[:at], {})[row[at]] = row[of]
    rows = tuple((*lead, *(cells.get(key, NOTHING) for key in across)) for lead, cells in lines.items())
    return Table((*table.header[:at], *(f"{column} {short_text(key)}" for key in across)), rows, table.caption)


def tab_separated(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Header and rows as lines of tab-separated values, numbers in full; an undefined figure is an empty cell."""

    def cell(value: Cell) -> str:
        return "" if value is None else repr(value) if isinstance(value, float) else str(value)

    def line(row: Sequence[Cell]) -> str:
        # Whatever separates cells or lines somewhere would be read as such.
        return "\t".join(" ".join(cell(value).splitlines()).replace("\t", " ") for value in row) + "\n"

    return "".join(map(line, [header, *rows]))


def _is_word(value: Cell) -> bool:
    return isinstance(value, str) and value != NOTHING


def short_text(value: Cell) -> str:
    """A cell as people read it."""
    if value is None:
        return "none qualified"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""Tables of results, and the formats that people and programs read them in."""

import csv
import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from interp.core.errors import InputError, check_choice

Cell = str | int | float | None
# For a cell that nothing belongs into; None is for a figure that should be there and is not defined.
NOTHING = "-"


@dataclass(frozen=True)
class Table:
    """Rows under a header; None stands for a figure that is not defined.

    Args:
        header: Names of the columns.
        rows: Cells of each row, one for each column.
        caption: How the figures were measured.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    def texts(self) -> list[tuple[str, ...]]:
        """The cells as people read them."""
        return [tuple(map(cell_text, row)) for row in self.rows]

    def to_dataframe(self) -> Any:
        """Return a pandas.DataFrame of the columns; a cell that nothing belongs into is missing. Raises InputError without pandas."""
        try:
            import pandas
        except ImportError as error:
            raise InputError("a data frame needs pandas, which is not installed: pip install pandas") from error
        columns = zip(*self.rows, strict=True) if self.rows else ((),) * len(self.header)
        return pandas.DataFrame(
            {
                name: [None if cell == NOTHING else cell for cell in cells]
                for name, cells in zip(self.header, columns, strict=True)
            }
        )

    def _repr_html_(self) -> str:
        return render(self, "html")

    def __str__(self) -> str:
        return self.text()

    def text(self) -> str:
        """The table in columns, numbers to the right, the caption above."""
        cells = [self.header, *self.texts()]
        widths = [max(len(line[column]) for line in cells) for column in range(len(self.header))]
        words = self.of_words()

        def line(row: Sequence[str]) -> str:
            padded = (
                cell.ljust(width) if left else cell.rjust(width)
                for cell, width, left in zip(row, widths, words, strict=True)
            )
            return "  ".join(padded).rstrip()

        rule = "  ".join("-" * width for width in widths)
        return "\n".join([*([self.caption] if self.caption else []), line(cells[0]), rule, *map(line, cells[1:])])

    def of_words(self) -> list[bool]:
        """Which columns hold words, so that they are aligned to the left."""
        return [any(_is_word(row[column]) for row in self.rows) for column in range(len(self.header))]


def render(table: Table, format: str) -> str:
    """Return the table in one format.

    Args:
        table: What is shown. Programs read numbers in full and an undefined figure as an empty cell (tsv, csv); people
            read four digits, and words for an undefined figure (text, markdown, html, latex).
        format: "text", "tsv", "csv", "markdown", "html" or "latex". tsv and csv leave the caption out and end with a
            newline; latex is a table of the package booktabs.

    Returns:
        The text; of html a <table> whose texts are escaped.

    Raises:
        InputError: The format is unknown.
    """
    return _RENDERERS[check_choice("format of a table", format, FORMATS)](table)


def format_of(path: Path) -> str:
    """The format of a table that the suffix of a file names. Raises InputError."""
    named = {suffix: format for format, suffix in SUFFIXES.items()}
    if path.suffix.lower() not in named:
        raise InputError(f"{path.name} names no format of a table: expected a name that ends in {', '.join(named)}")
    return named[path.suffix.lower()]


def pivot(table: Table, column: str, value: str) -> Table:
    """Return the same figures with the values of one column across.

    Args:
        table: The table; it has a row for each combination of what stands left of the column, and value of the column.
        column: Name of the column whose values become columns.
        value: Name of the column that holds the figures.

    Returns:
        A Table: a row for each combination of what stands left of the column, "-" where it has no figure.

    Raises:
        InputError: The table has no such column.
    """
    for name in (column, value):
        check_choice("column", name, table.header)
    at, of = table.header.index(column), table.header.index(value)
    across = list(dict.fromkeys(row[at] for row in table.rows))
    shown = [cell_text(key) for key in across]
    # In full where four digits are not enough.
    named = [text if shown.count(text) == 1 else _in_full(key) for key, text in zip(across, shown, strict=True)]
    lines: dict[tuple[Cell, ...], dict[Cell, Cell]] = {}
    for row in table.rows:
        lines.setdefault(row[:at], {})[row[at]] = row[of]
    rows = tuple((*lead, *(cells.get(key, NOTHING) for key in across)) for lead, cells in lines.items())
    return Table((*table.header[:at], *(f"{column} {key}" for key in named)), rows, table.caption)


def tab_separated(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return header and rows as lines of tab-separated values.

    Args:
        header: Names of the columns.
        rows: Cells of each row, one for each column.

    Returns:
        The text, numbers in full; an undefined figure is an empty cell.
    """

    def line(row: Sequence[Cell]) -> str:
        # Whatever separates cells or lines somewhere would be read as such.
        return "\t".join(_one_line(_in_full(value)).replace("\t", " ") for value in row) + "\n"

    return "".join(map(line, [header, *rows]))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    """The lines of a table of Markdown; all columns after the first are aligned to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    lines = ([_one_line(cell_text(cell)).replace("|", r"\|") for cell in row] for row in (header, rule, *rows))
    return [f"| {' | '.join(line)} |" for line in lines]


def cells_of(values: np.ndarray) -> list[Cell]:
    """The cells of an array (n,): words for booleans, an undefined figure for NaN."""
    if values.dtype == bool:
        return ["yes" if value else "no" for value in values]
    if values.dtype.kind == "f":
        return [None if np.isnan(value) else float(value) for value in values]
    return [int(value) if values.dtype.kind in "iu" else str(value) for value in values]


def radius_text(epsilon: float) -> str:
    """A radius as people write it: those of colour images over 255."""
    level = 255 * epsilon
    return f"{round(level)}/255" if 0 < epsilon < 0.05 and abs(level - round(level)) < 1e-6 else f"{epsilon:g}"


def counted(number: int, what: str, plural: str = "") -> str:
    """So many things in words: "1 image", "2 images", "2 classes" with the `plural` classes."""
    return f"{number} {what if number == 1 else plural or f'{what}s'}"


def cell_text(value: Cell) -> str:
    """A cell as people read it: four digits of a number, words for a figure that is not defined."""
    if value is None:
        return "none qualified"
    return f"{value:.4g}" if _is_real(value) else str(value)


def _csv(table: Table) -> str:
    buffer = io.StringIO()
    # With the usual end of lines, which is what gets a cell that holds such a character quoted.
    writer = csv.writer(buffer)
    writer.writerows([table.header, *([_in_full(value) for value in row] for row in table.rows)])
    return buffer.getvalue()


def _markdown(table: Table) -> str:
    lines = markdown_table(table.header, table.rows)
    return "\n".join([_one_line(table.caption), "", *lines] if table.caption else lines)


def _html(table: Table) -> str:
    caption = f"<caption>{html.escape(table.caption)}</caption>" if table.caption else ""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in table.header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.texts())
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_LATEX = {character: rf"\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # In LaTeX's default encoding of fonts these three are other characters.
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    # After the end of a row it would begin an argument, and a star would belong to that end and not be printed.
    "[": "{[}",
    "*": "{*}",
}


def _latex(table: Table) -> str:
    def line(row: Sequence[str]) -> str:
        return " & ".join(map(escaped, row)) + r" \\"

    def escaped(text: str) -> str:
        return _one_line(text).translate({ord(character): replaced for character, replaced in _LATEX.items()})

    columns = "".join("l" if left else "r" for left in table.of_words())
    caption = [rf"\caption{{{escaped(table.caption)}}}"] if table.caption else []
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            *caption,
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            line(table.header),
            r"\midrule",
            *map(line, table.texts()),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


_RENDERERS: dict[str, Callable[[Table], str]] = {
    "text": Table.text,
    "tsv": lambda table: tab_separated(table.header, table.rows),
    "csv": _csv,
    "markdown": _markdown,
    "html": _html,
    "latex": _latex,
}
FORMATS = tuple(_RENDERERS)
# Of files, by the format.
SUFFIXES = {"text": ".txt", "tsv": ".tsv", "csv": ".csv", "markdown": ".md", "html": ".html", "latex": ".tex"}


def _in_full(value: Cell) -> str:
    # A number of NumPy is a float whose repr names its type.
    return "" if value is None else repr(float(value)) if _is_real(value) else str(value)


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _is_word(value: Cell) -> bool:
    return isinstance(value, str) and value != NOTHING


def _is_real(value: Cell) -> TypeGuard[float]:
    return isinstance(value, (float, np.floating))

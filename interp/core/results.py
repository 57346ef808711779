"""What a measurement returns: a table by its columns, and values of JSON from which it can be read again."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from interp.core.checks import check_instance
from interp.core.errors import InputError
from interp.core.files import write_text
from interp.core.json_fields import read_fields, to_values
from interp.core.tables import Cell, Table, format_of, render


class Tabular(ABC):
    """Something with a table, which print() and notebooks show; see Result for what goes into records too."""

    @abstractmethod
    def columns(self) -> dict[str, list[Cell]]:
        """The columns of the table by name, all of one length."""

    @property
    def caption(self) -> str:
        """On what and how the figures of the table were measured."""
        return ""

    def table(self) -> Table:
        """The table of the columns."""
        columns = self.columns()
        return Table(tuple(columns), tuple(zip(*columns.values(), strict=True)), self.caption)

    def to_dataframe(self) -> Any:
        """Return a pandas.DataFrame of the columns; a cell that nothing belongs into is missing. Raises InputError without pandas."""
        return self.table().to_dataframe()

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return render(self.table(), "html")


class Result(Tabular):
    """A result of a measurement. Subclasses are frozen dataclasses; print() and notebooks show them as a table.

    to_json() goes into a record and from_json() reads it again, by the types of the fields (interp.core.json_fields).
    """

    @property
    def notes(self) -> tuple[str, ...]:
        """What else there is to say, a sentence each."""
        return ()

    def to_json(self) -> dict[str, Any]:
        """Return the fields, and what a record says besides, as values of JSON. Large arrays such as images are left out."""
        return {**to_values(self), **to_values(self._derived())}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the result whose to_json() gave `values`.

        Args:
            values: an object of JSON, such as a record. Names that the result does not have are passed over, fields
                that are not there take their defaults.

        Raises:
            InputError: for what is missing, of the wrong kind or does not fit the rest.
        """
        return read_fields(cls, cls._completed(values) if isinstance(values, Mapping) else values, cls.__name__)

    def _derived(self) -> dict[str, Any]:
        """What a record says besides the fields, computed from them."""
        return {}

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values with the fields that older records lack."""
        return values

    def _expect(self, fits: bool, what: str) -> None:
        """Raise InputError unless the fields fit each other."""
        if not fits:
            raise InputError(f"the fields of {type(self).__name__} do not fit each other: expected {what}")


def write_table(shown: Tabular | Table, path: str | Path) -> Path:
    """Write a table, complete or not at all, in the format that the file's suffix names.

    Args:
        shown: Any result that has a table, or a table itself.
        path: Of the file: .csv or .tsv for programs; .tex (a table of LaTeX's booktabs), .md, .html or .txt for people.

    Returns:
        The path.

    Raises:
        InputError: For another suffix, for what has no table, and where the file cannot be written.

    Example:
        `interp.report.write_table(interp.leaderboard(), "leaderboard.tex")`.
    """
    check_instance("what is written", shown, (Tabular, Table), "a result such as interp.leaderboard(), or its table()")
    check_instance("the path of the table", path, (str, Path), "'table.csv'")
    file = Path(path)
    text = render(shown if isinstance(shown, Table) else shown.table(), format_of(file))
    write_text(file, text if text.endswith("\n") else f"{text}\n")
    return file

"""What a record of results has to hold. It is checked once, where it is read; tables, pages and figures take it as it is."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interp.core.errors import InputError
from interp.core.json_fields import MOST, Count, read_fields, wrong
from interp.core.json_values import parse_json
from interp.core.tables import NOTHING, counted


@dataclass(frozen=True)
class _Flag:
    text: str
    kind: str = ""
    eps: float | None = None


@dataclass(frozen=True)
class _Picture:
    image: str
    method: str
    caption: str
    file: str


@dataclass(frozen=True)
class _Table:
    """A table, and what else is said of it."""

    caption: str
    header: tuple[str, ...]
    flags: tuple[_Flag, ...] = ()
    notes: tuple[str, ...] = ()
    protocol: str = ""
    standard_error: float | None = None
    file: str = ""


@dataclass(frozen=True)
class _Record(_Table):
    """The record of a network."""

    images: Count = 0
    data: str = ""
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    pictures: tuple[str, ...] = ()
    gallery: tuple[_Picture, ...] = ()
    right: tuple[str, ...] = ()


# Radii beyond this are mistakes.
LARGEST = 1e6
# Columns that are drawn or computed with, each with its range; what stands in others is only shown.
RANGES = {
    **dict.fromkeys(("accuracy", "PGD", "random starts", "worst case"), (0, 1)),
    **dict.fromkeys(
        ("standard error", "its standard error", "Kendall tau", "tau of all", "discrepancy"), (-MOST, MOST)
    ),
    **dict.fromkeys(("top-k overlap", "area", "steps", "ratio", "budget"), (-MOST, MOST)),
    "eps": (0, LARGEST),
}
# Of those, figures that are always there.
DEFINED = ("steps", "ratio", "budget")


def is_plain_name(value: Any) -> bool:
    """Whether a value is the name of a file that shows itself, in the directory where it is looked up."""
    fits = isinstance(value, str) and Path(value).name == value and not value.startswith(".") and "\0" not in value
    # No file has a longer name.
    return fits and len(value.encode()) <= 255


def read_record(path: Path) -> dict[str, Any]:
    """The record of a network. Raises InputError that names the file and what is wrong with it."""
    record = read_object(path, "record of a result", "remove it")
    try:
        for name in ("images", "data", "files"):
            field(record, name, "a network")
        found = read_fields(_Record, record, "the record")
        for name in (*found.files, *found.pictures, *(each.file for each in found.gallery)):
            if not is_plain_name(name):
                raise wrong("the name of a file", name, "one beside the record, without a directory")
        for name in ("arguments", "made_of", "splits"):
            if not isinstance(record.get(name, {}), dict):
                raise wrong(name, record[name], "an object")
        _check_rows(record)
    except InputError as error:
        raise InputError(f"{path} is no record of a result: {error}; remove it") from error
    return record


def read_earlier_records(path: Path) -> dict[str, dict[str, Any]]:
    """The records that an earlier version of `eval_cmd.py` kept in one file, by network; none without it. Raises InputError."""
    if not path.exists():
        return {}
    records = read_object(path, "record of eval_cmd.py", "move it away")
    for name, record in records.items():
        try:
            read_fields(_Table, record, "the record")
            if not isinstance(record.get("arguments"), dict):
                raise wrong("arguments", record.get("arguments"), "an object")
            _check_rows(record)
        except InputError as error:
            raise InputError(f"{path} is no record of eval_cmd.py: of {name[:80]!r} {error}; move it away") from error
    return records


def read_object(path: Path, what: str, remedy: str) -> dict[str, Any]:
    """The JSON object in a file. Raises InputError, which ends with the remedy."""
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as {what}: {error}; {remedy}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is no {what}: it came as {str(found)[:40]!r}, expected an object; {remedy}")
    return found


def field(record: Mapping[str, Any], name: str, of: object) -> Any:
    """A field that not every record has. Raises InputError where it is missing."""
    if name not in record:
        raise InputError(f"the record of {of} has no {name!r}: evaluate it again")
    return record[name]


def _check_rows(record: Mapping[str, Any]) -> None:
    """Raise InputError where rows do not fit the header, or cells their column."""
    header, rows = record["header"], record.get("rows")
    if not header or len(set(header)) != len(header):
        raise wrong("header", header, "names of columns, each once")
    if not isinstance(rows, list) or not rows:
        raise wrong("rows", rows, "a list of rows, one at least")
    for place, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(header):
            raise wrong(f"rows[{place}]", row, f"a list of {counted(len(header), 'cell')}")
        for column, value in zip(header, row, strict=True):
            _check_cell(value, column, f"rows[{place}], {column[:40]!r},")


def _check_cell(value: Any, column: str, at: str) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if column not in RANGES:
        if not (value is None or isinstance(value, str) or (is_number and abs(value) < MOST)):
            raise wrong(at, value, "a text, a number or null")
        return
    low, high = RANGES[column]
    if (value is None or value == NOTHING) and column not in DEFINED:
        return
    if not (is_number and abs(value) < MOST and low <= value <= high):
        raise wrong(at, value, f"a number from {low:g} to {high:g}, null or {NOTHING!r}")

"""What a record of results has to hold. It is checked once, where it is read; tables, pages and figures take it as it is."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from interp.commands.command_line import LARGEST
from interp.core.errors import InputError
from interp.core.json_values import parse_json
from interp.report.table import NOTHING

# Raises _Wrong where a value of JSON is not of its kind; the text says where in the record it stands.
Kind = Callable[[Any, str], None]
# More images than this are no number of images.
MOST = 2**53


class _Wrong(ValueError):
    def __init__(self, at: str, value: object, expected: str) -> None:
        super().__init__(f"{at} came as {str(value)[:40]!r}, expected {expected}")


def _simple(expected: str, fits: Callable[[Any], bool]) -> Kind:
    def check(value: Any, at: str) -> None:
        if not fits(value):
            raise _Wrong(at, value, expected)

    return check


def _is_number(value: Any, low: float = -math.inf, high: float = math.inf) -> bool:
    # Whole numbers of JSON may be larger than any float.
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300 and low <= value <= high
    )


def _is_names(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def is_plain_name(value: Any) -> bool:
    """Whether a value is the name of a file that shows itself, in the folder where it is looked up."""
    fits = isinstance(value, str) and Path(value).name == value and not value.startswith(".") and "\0" not in value
    # No file has a longer name.
    return fits and len(value.encode()) <= 255


anything: Kind = _simple("anything", lambda value: True)
text: Kind = _simple("a text", lambda value: isinstance(value, str))
plain_name: Kind = _simple("the name of a file beside the record, without a folder", is_plain_name)
number: Kind = _simple("a number", _is_number)
figure: Kind = _simple(
    f"a number, null or {NOTHING!r}", lambda value: value is None or value == NOTHING or _is_number(value)
)
share: Kind = _simple(
    f"a number from 0 to 1, null or {NOTHING!r}",
    lambda value: value is None or value == NOTHING or _is_number(value, 0, 1),
)
radius: Kind = _simple(
    f"a number of at least 0, null or {NOTHING!r}",
    lambda value: value is None or value == NOTHING or _is_number(value, 0, LARGEST),
)
count: Kind = _simple("a whole number above 0", lambda value: isinstance(value, int) and _is_number(value, 1, MOST))
cell: Kind = _simple(
    "a text, a number or null", lambda value: value is None or isinstance(value, str) or _is_number(value)
)
share_alone: Kind = _simple("a number from 0 to 1", lambda value: _is_number(value, 0, 1))
number_or_null: Kind = _simple("a number or null", lambda value: value is None or _is_number(value))
index: Kind = _simple(
    "a whole number of at least 0", lambda value: isinstance(value, int) and _is_number(value, 0, MOST)
)
hex_digits: Kind = _simple(
    "hexadecimal digits", lambda value: isinstance(value, str) and set(value) <= set("0123456789abcdef")
)


def listing(kind: Kind, value: Any, at: str) -> None:
    """A list of values of one kind."""
    if not isinstance(value, list):
        raise _Wrong(at, value, "a list")
    for place, part in enumerate(value):
        kind(part, f"{at}[{place}]")


def mapping(names: Kind, kind: Kind, value: Any, at: str) -> None:
    """An object whose names are of one kind and whose values are of another."""
    if not isinstance(value, dict):
        raise _Wrong(at, value, "an object")
    for name, part in value.items():
        names(name, f"a name in {at}")
        kind(part, f"{at}.{name}")


def fields(needed: Mapping[str, Kind], possible: Mapping[str, Kind], value: Any, at: str) -> None:
    """An object of named fields; other fields are allowed."""
    if not isinstance(value, dict):
        raise _Wrong(at or "it", value, "an object")
    for name, kind in {**needed, **possible}.items():
        if name in value:
            kind(value[name], f"{at}.{name}".lstrip("."))
        elif name in needed:
            raise ValueError(f"it has no {name}")


# Columns that are drawn or computed with; what stands in others is only shown.
COLUMNS: dict[str, Kind] = {
    **dict.fromkeys(("accuracy", "PGD", "random starts", "worst case"), share),
    **dict.fromkeys(("standard error", "its standard error", "Kendall tau", "tau of all", "discrepancy"), figure),
    **dict.fromkeys(("top-k overlap", "area"), figure),
    **dict.fromkeys(("steps", "ratio", "budget"), number),
    "eps": radius,
}
OBJECT = partial(mapping, text, anything)
TEXTS = partial(listing, text)
FLAG = partial(fields, {"text": text}, {"kind": text, "eps": number})
PICTURE = partial(fields, {"image": text, "method": text, "caption": text, "file": plain_name}, {})
TABLE: dict[str, Kind] = {"caption": text, "header": TEXTS, "rows": partial(listing, partial(listing, cell))}
SAID: dict[str, Kind] = {
    "flags": partial(listing, FLAG),
    "notes": TEXTS,
    "protocol": text,
    "standard_error": number_or_null,
}
# A record of eval.py, and what eval_cmd.py keeps of each network.
RESULT = partial(
    fields,
    {**TABLE, "images": count, "data": text, "files": partial(mapping, plain_name, text)},
    {
        **SAID,
        "pictures": partial(listing, plain_name),
        "gallery": partial(listing, PICTURE),
        "right": partial(listing, hex_digits),
        "arguments": OBJECT,
        "made_of": OBJECT,
    },
)
NETWORK_RESULT = partial(
    fields, {**TABLE, "arguments": OBJECT}, {**SAID, "pictures": TEXTS, "file": text, "files": OBJECT, "splits": OBJECT}
)
# Of the smallest radii of each image, one for each that was broken.
BOUND: dict[str, Kind] = {
    "broken": partial(listing, index),
    **dict.fromkeys(("epsilons", "margins", "discrepancies"), partial(listing, number_or_null)),
}

# What train.py writes into a network, and results that `make results` adds.
_COMMAND = partial(fields, {"number": index, "profile": text, "only": _simple("names or null", _is_names)}, {})
_MEASURED: dict[str, Kind] = {
    **dict.fromkeys(("clean", "reference", "plain", "strong"), share_alone),
    "epsilon": number,
    "images": partial(fields, dict.fromkeys(("clean", "reference", "strong"), count), {}),
}
TRAINED = partial(
    fields,
    {
        "seconds": number,
        "seed": index,
        "data": text,
        "schedule": partial(fields, {"epsilon": number}, {}),
        "run": partial(fields, {"arguments": _COMMAND}, {}),
    },
    {"measured": partial(fields, _MEASURED, {}), "accuracy_per_class": partial(mapping, text, share_alone)},
)


def check_table(record: Mapping[str, Any]) -> None:
    """Raise ValueError where rows do not fit the header, or cells their column."""
    header, rows = record["header"], record["rows"]
    if not header or len(set(header)) != len(header):
        raise _Wrong("header", header, "names of columns, each once")
    if not rows:
        raise ValueError("it has no rows")
    for place, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"rows[{place}] has {len(row)} cells, the header {len(header)}")
        for column, value in zip(header, row, strict=True):
            COLUMNS.get(column, cell)(value, f"rows[{place}], {column},")


def read_object(path: Path, what: str, remedy: str) -> dict[str, Any]:
    """The JSON object in a file. Raises InputError, which ends with the remedy."""
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as {what}: {error}; {remedy}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is no {what}: it came as {str(found)[:40]!r}, expected an object; {remedy}")
    return found


def read_result(path: Path) -> dict[str, Any]:
    """A record of `eval.py`. Raises InputError that names the file and what is wrong with it."""
    record = read_object(path, "result of eval.py", "remove it")
    try:
        RESULT(record, "")
        check_table(record)
        if "margins" in record:
            fields(BOUND, {}, record, "")
            if len({len(record[name]) for name in BOUND}) != 1:
                raise ValueError(f"{', '.join(BOUND)} are of unequal lengths")
    except ValueError as error:
        raise InputError(f"{path} is no result of eval.py: {error}; remove it") from error
    return record


def read_network_results(path: Path) -> dict[str, dict[str, Any]]:
    """The records of `eval_cmd.py` in a file, by network; none if there is no file. Raises InputError."""
    if not path.exists():
        return {}
    records = read_object(path, "record of eval_cmd.py", "move it away")
    for name, record in records.items():
        try:
            NETWORK_RESULT(record, "")
            check_table(record)
        except ValueError as error:
            raise InputError(f"{path} is no record of eval_cmd.py: of {name[:80]!r} {error}; move it away") from error
    return records


def field(record: Mapping[str, Any], name: str, of: object) -> Any:
    """A field that not every record has. Raises InputError where this one lacks it."""
    if name not in record:
        raise InputError(f"the record of {of} has no {name!r}: evaluate it again")
    return record[name]

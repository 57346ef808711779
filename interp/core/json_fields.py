"""Dataclasses as values of JSON, and back by the types of their fields.

A field says by its metadata what it is in JSON: `{"json": "name"}` another name, `{"json": False}` nothing, and then it needs a
default. A field of None whose default is None is left out.
"""

import dataclasses
import types
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from interp.core.bits import bits_of_hex, hex_bits
from interp.core.errors import InputError
from interp.core.json_values import json_values

T = TypeVar("T")
# Beyond these, whole numbers and others are not kept exactly by a float, or overrun it.
MOST_WHOLE, MOST = 2**53, 1e300


@dataclasses.dataclass(frozen=True)
class Within:
    """Marks a number that is read only between `low` and `high`, both included."""

    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Bits:
    """Marks an array of booleans: hexadecimal digits in JSON, a text for each row.

    Rows are as long as the field `width` says, or as the rows of that field are.
    """

    width: str


Share = Annotated[float, Within(0, 1)]
# Of things that there may be none of, and of things that there is one of at least.
Number = Annotated[int, Within(0, MOST_WHOLE)]
Count = Annotated[int, Within(1, MOST_WHOLE)]
# An array of whole numbers of at least 0.
Places = Annotated[np.ndarray, "whole"]


def to_values(value: Any) -> Any:
    """A value as JSON has it: numbers that are not finite become None, arrays lists, booleans of an array hexadecimal digits."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            key: to_values(part)
            for each, key in _stored(type(value))
            if (part := getattr(value, each.name)) is not None or each.default is not None
        }
    if isinstance(value, np.ndarray):
        return _hex(value) if value.dtype == bool else json_values(value.tolist())
    if isinstance(value, np.generic):
        return json_values(value.item())
    if isinstance(value, Mapping):
        return {key: to_values(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_values(part) for part in value]
    return json_values(value)


def from_values(kind: Any, value: Any, at: str) -> Any:
    """Read a value of JSON, which may be damaged or foreign.

    Args:
        kind: the type of a field: bool, int, float, str, one of them or None, tuples, mappings, arrays, dataclasses, and those
            marked with Within.
        value: the value of JSON.
        at: where it stands, for messages.

    Returns:
        The value of that kind; an instance of a dataclass is taken as it is.

    Raises:
        InputError: for a value of another kind.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if kind == Places:
        return _array(value, at, whole=True)
    if origin is Annotated:
        found = from_values(parts[0], value, at)
        limits = next(mark for mark in parts[1:] if isinstance(mark, Within))
        if not limits.low <= found <= limits.high:
            raise wrong(at, value, f"a number from {limits.low:g} to {limits.high:g}")
        return found
    if origin in (Union, types.UnionType):
        others = [part for part in parts if part is not types.NoneType]
        return None if value is None else from_values(others[0], value, at)
    if origin is tuple:
        return _tuple(parts, value, at)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise wrong(at, value, "an object")
        return {
            from_values(parts[0], key, f"a name in {at}"): from_values(parts[1], part, f"{at}[{str(key)[:40]!r}]")
            for key, part in value.items()
        }
    if kind is np.ndarray:
        return _array(value, at)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return value if isinstance(value, kind) else read_fields(kind, value, at)
    return _simple(kind, value, at)


def read_fields(kind: type[T], values: Any, at: str) -> T:
    """An instance of the dataclass `kind` from an object of JSON; unknown names are passed over. Raises InputError."""
    if not isinstance(values, Mapping):
        raise wrong(at, values, "an object")
    hints, found = _hints(cast(Any, kind)), {}
    # Rows of bits last: their length stands in another field.
    for each, key in sorted(_stored(cast(Any, kind)), key=lambda pair: _bits(hints[pair[0].name]) is not None):
        if key in values:
            bits, place = _bits(hints[each.name]), f"{at}.{key}"
            if bits is None:
                found[each.name] = from_values(hints[each.name], values[key], place)
            else:
                found[each.name] = _rows(values[key], found[bits.width], place)
        elif each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
            raise InputError(f"{at} has no {key!r}")
    return kind(**found)


def wrong(at: str, value: Any, expected: str) -> InputError:
    """The error of a value that is of another kind than expected, in one line."""
    try:
        came = repr(value)[:40]
    except (ValueError, RecursionError):
        # A whole number of thousands of digits, or lists in lists without end.
        came = type(value).__name__
    return InputError(f"{at} came as {came}, expected {expected}")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


@cache
def _stored(kind: Any) -> list[tuple[dataclasses.Field[Any], str]]:
    """The fields that stand in JSON, each with its name there."""
    named = [(each, each.metadata.get("json", each.name)) for each in dataclasses.fields(kind)]
    return [(each, key) for each, key in named if key is not False]


def _bits(hint: Any) -> Bits | None:
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((mark for mark in marks if isinstance(mark, Bits)), None)


def _simple(kind: Any, value: Any, at: str) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float:
        # False for NaN, too.
        if not is_number or not abs(value) < MOST:
            raise wrong(at, value, "a number")
        return float(value)
    if kind is int:
        if not is_number or not isinstance(value, int) or abs(value) > MOST_WHOLE:
            raise wrong(at, value, "a whole number")
        return value
    names = {bool: "true or false", str: "a text"}
    if kind not in names:
        raise TypeError(f"{at} is of the type {kind}, of which no values are read")
    if not isinstance(value, kind):
        raise wrong(at, value, names[kind])
    return value


def _tuple(parts: tuple[Any, ...], value: Any, at: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise wrong(at, value, "a list")
    kinds = [parts[0]] * len(value) if parts[-1] is Ellipsis else list(parts)
    if len(kinds) != len(value):
        raise wrong(at, value, f"a list of {len(kinds)}")
    return tuple(
        from_values(kind, part, f"{at}[{place}]") for place, (kind, part) in enumerate(zip(kinds, value, strict=True))
    )


def _array(value: Any, at: str, *, whole: bool = False) -> np.ndarray:
    """An array of numbers from lists in lists; null is NaN."""

    def read(value: Any, at: str) -> Any:
        if isinstance(value, (list, tuple)):
            return [read(part, f"{at}[{place}]") for place, part in enumerate(value)]
        if whole:
            return from_values(Number, value, at)
        return np.nan if value is None else _simple(float, value, at)

    if not isinstance(value, (list, tuple)):
        raise wrong(at, value, "a list")
    try:
        return np.array(read(value, at), np.int64 if whole else np.float64)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{at} came with rows of several lengths, expected equal ones") from error


def _hex(values: np.ndarray) -> Any:
    return hex_bits(values) if values.ndim == 1 else [_hex(row) for row in values]


def _rows(value: Any, width: Any, at: str) -> np.ndarray:
    """Booleans (rows, width) of hexadecimal digits."""
    count = width.shape[-1] if isinstance(width, np.ndarray) else width
    texts = from_values(tuple[str, ...], value, at)
    if not texts:
        return np.zeros((0, 0), bool)
    rows = []
    for place, text in enumerate(texts):
        try:
            rows.append(bits_of_hex(text, count))
        except InputError as error:
            raise InputError(f"{at}[{place}]: {error}") from error
    return np.array(rows)

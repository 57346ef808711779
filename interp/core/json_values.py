"""JSON that is checked: what comes from files may be damaged or foreign, and what goes into them must be JSON."""

import json
import math
from collections.abc import Mapping
from typing import Any

# Deeper values are no records of ours, and overrun the stack of code that walks through them.
DEEPEST = 32


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises ValueError for NaN, infinities, numbers that no float can hold, broken characters and very deep values.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite, parse_int=_bounded)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _check(value, 0)
    return value


def json_values(value: Any) -> Any:
    """The same value with None for numbers that are not finite: figures that are not defined, or overran float32.

    Bytes of names of files that are no UTF-8 are spelt out, as a record that holds them could not be read again.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {json_values(key): json_values(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_values(part) for part in value]
    return value


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(value, str):
        # A lone half of a character pair cannot be written again; UnicodeEncodeError is a ValueError.
        value.encode()
    elif isinstance(value, dict):
        for key, part in value.items():
            _check(key, depth)
            _check(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _check(part, depth + 1)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _bounded(text: str) -> int:
    # Longer ones are no float either, which a later computation would find out.
    if len(text) > 300:
        raise ValueError(f"{text[:20]} is too large a number")
    return int(text)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

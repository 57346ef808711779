"""Short names for arrays, the same wherever and however they were loaded, and for code that is not of this package."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from types import CodeType, FunctionType
from typing import Any

import numpy as np

# Rows at a time: images that stay on disk until they are looked at need not fit into memory.
ROWS = 1000


def digest(arrays: Sequence[Any]) -> str:
    """A short hash of arrays, or of what reads as one row by row, and of their shapes and types."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.shape} {array.dtype}".encode())
        rows = array if array.ndim else array[None]
        for first in range(0, len(rows), ROWS):
            found.update(np.ascontiguousarray(rows[first : first + ROWS]).tobytes())
    return found.hexdigest()[:16]


def code_digest(*described: Any) -> dict[str, str]:
    """{"code": a short hash of the methods of classes outside of this package}, of objects and of those in their fields; {} without any.

    Settings alone do not tell a class from what it was before it was defined anew under its name.
    """
    told = [repr(each) for thing in described for each in _own_code(thing)]
    return {"code": hashlib.sha256("".join(told).encode()).hexdigest()[:16]} if told else {}


def _own_code(described: Any) -> Iterator[Any]:
    if not is_dataclass(described) or isinstance(described, type):
        return
    for kind in type(described).__mro__:
        if kind.__module__.partition(".")[0] not in ("interp", "abc", "builtins"):
            for name, value in sorted(vars(kind).items()):
                function = getattr(value, "fget", getattr(value, "__func__", value))
                if isinstance(function, FunctionType):
                    yield name, _instructions(function.__code__)
    for each in fields(described):
        yield from _own_code(getattr(described, each.name))


def _instructions(code: CodeType) -> tuple[Any, ...]:
    """What code does, wherever it stands."""
    constants = (_instructions(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.co_code, code.co_names, *constants

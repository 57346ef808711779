"""Short names for arrays, the same wherever and however they were loaded, and for code that is not of this package."""

import dis
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cached_property
from types import CellType, CodeType, FunctionType
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
    """{"code": a short hash of what classes outside of this package do}, of objects and of those in their fields; {} without any.

    Settings alone do not tell a class from what it was before it was defined anew under its name: with another body, constant or default,
    or beside another helper. Of functions and classes that it names those of its own package are looked into.
    """
    told = [repr(each) for thing in described for each in _own_code(thing)]
    return {"code": hashlib.sha256("".join(told).encode()).hexdigest()[:16]} if told else {}


def _own_code(described: Any) -> Iterator[Any]:
    if not is_dataclass(described) or isinstance(described, type):
        return
    for kind in type(described).__mro__:
        if _package(kind) not in ("interp", "abc", "builtins"):
            yield _told(kind, _package(kind), set())
    for each in fields(described):
        yield from _own_code(getattr(described, each.name))


def _package(thing: Any) -> str:
    return str(getattr(thing, "__module__", "")).partition(".")[0]


def _told(value: Any, package: str, seen: set[int]) -> Any:
    """What a value in code is, the same in any process; what a function or class of the `package` does is told once."""
    if isinstance(value, property):
        value = value.fget
    elif isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    elif isinstance(value, cached_property):
        value = value.func
    if isinstance(value, (FunctionType, type)) and _package(value) != package:
        return value.__qualname__
    if isinstance(value, (FunctionType, type, list, dict, set)):
        # Functions call themselves, lists may hold themselves. What is made here is a tuple, as ids of what is gone come again.
        if id(value) in seen:
            return type(value).__name__
        seen.add(id(value))
    if isinstance(value, (FunctionType, type)):
        return _told(_of_class(value) if isinstance(value, type) else _of_function(value), package, seen)
    if isinstance(value, CodeType):
        return value.co_code, value.co_names, _told(value.co_consts, package, seen)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return digest([value])
    if isinstance(value, (tuple, list)):
        return [_told(each, package, seen) for each in value]
    if isinstance(value, (set, frozenset)):
        # In another process they come in another order.
        return sorted(repr(_told(each, package, seen)) for each in value)
    if isinstance(value, dict):
        return [(repr(key), _told(each, package, seen)) for key, each in value.items()]
    plain = (bool, int, float, complex, str, bytes, type(None), np.generic)
    return value if isinstance(value, plain) else type(value).__name__


def _of_class(kind: type) -> tuple[Any, ...]:
    parts = sorted(vars(kind).items())
    return tuple((name, value) for name, value in parts if callable(value) or not name.startswith(("__", "_abc_")))


def _of_function(function: FunctionType) -> tuple[Any, ...]:
    named = (function.__globals__.get(name) for name in _names(function.__code__))
    closure = map(_content, function.__closure__ or ())
    return function.__code__, function.__defaults__, function.__kwdefaults__, tuple(named), tuple(closure)


def _names(code: CodeType) -> list[str]:
    """The global names that code reads, and that functions inside it read."""
    own = [each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL"]
    return [*own, *(name for each in code.co_consts if isinstance(each, CodeType) for name in _names(each))]


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        # A name that has no value yet.
        return None

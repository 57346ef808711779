"""Reading arrays out of untrusted pickles without running anything in them.

A pickle is a program for a stack machine that may call any function it names. This is another machine: it knows the few
instructions that pickled lists, tuples and dicts of NumPy arrays need and the four names those use, builds the arrays itself from
checked shapes, types and bytes, and refuses everything else. Work and memory are bounded by the size of the file.
"""

import math
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from interp.core.errors import InputError

_TYPES = {"f2", "f4", "f8", "u1", "i1", "i2", "i4", "i8"}
_NAMES = {
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    # NumPy 2 moved these two.
    "numpy.core.multiarray _reconstruct": "reconstruct",
    "numpy._core.multiarray _reconstruct": "reconstruct",
    "numpy.core.multiarray scalar": "scalar",
    "numpy._core.multiarray scalar": "scalar",
}
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_IGNORED = {"PROTO", "FRAME"}


class _Name:
    """One of the four names, as a value on the stack."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class _Type:
    """A numeric type, complete once its byte order has come."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype


class _Unbuilt:
    """An array whose state has not come yet, and where the memo refers to it."""

    def __init__(self) -> None:
        self.memo_keys: list[int] = []


_MARK = object()


def read_array_pickle(path: str | Path) -> Any:
    """Read a pickle of lists, tuples and dicts of numeric NumPy arrays; nothing in the file is run.

    Raises InputError, naming the file, for anything else: other names, objects, structured types, truncation.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    try:
        return _Machine().run(content)
    except InputError as error:
        raise InputError(f"{path} is refused: {error}") from None
    # What stack, memo and the standard library's parser raise on bytes that make no sense.
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, MemoryError) as error:
        raise InputError(
            f"{path} is not a readable pickle of arrays: it is damaged or cut off; get it again"
        ) from error


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        for instruction, argument, _ in pickletools.genops(content):
            name = instruction.name
            if name == "STOP":
                value = self.stack.pop()
                if self.stack or isinstance(value, (_Name, _Type, _Unbuilt)) or value is _MARK:
                    raise InputError("it holds no finished value")
                return value
            self._step(name, argument)
        raise InputError("it has no end")

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case _ if name in _VALUES:
                stack.append(argument)
            case _ if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case _ if name in _IGNORED:
                pass
            case "MARK":
                stack.append(_MARK)
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                values = tuple(stack[-count:])
                if len(values) < count or any(value is _MARK for value in values):
                    raise InputError("it is damaged")
                stack[-count:] = [values]
            case "TUPLE":
                stack.append(tuple(self._pop_to_mark()))
            case "LIST":
                stack.append(self._pop_to_mark())
            case "APPEND":
                value = stack.pop()
                self._top(list).append(value)
            case "APPENDS":
                values_to_add = self._pop_to_mark()
                self._top(list).extend(values_to_add)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._set(key, value)
            case "SETITEMS":
                pairs = self._pop_to_mark()
                for key, value in zip(pairs[::2], pairs[1::2], strict=True):
                    self._set(key, value)
            case "BINPUT" | "LONG_BINPUT" | "MEMOIZE":
                key = len(self.memo) if name == "MEMOIZE" else argument
                self.memo[key] = stack[-1]
                if isinstance(stack[-1], _Unbuilt):
                    stack[-1].memo_keys.append(key)
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                stack.append(_name(argument))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                stack.append(_name(f"{module} {attribute}"))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_call(function, arguments))
            case "BUILD":
                state, target = stack.pop(), stack.pop()
                stack.append(self._build(target, state))
            case _:
                raise InputError(f"it uses the instruction {name}, which arrays do not need and which could run code")

    def _pop_to_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise InputError("it is damaged")
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    def _top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise InputError("it is damaged")
        return self.stack[-1]

    def _set(self, key: Any, value: Any) -> None:
        if type(key) is not str:
            raise InputError("it holds a dict whose keys are no texts")
        self._top(dict)[key] = value

    def _build(self, target: Any, state: Any) -> Any:
        if isinstance(target, _Type):
            target.dtype = _with_byte_order(target.dtype, state)
            return target
        if not isinstance(target, _Unbuilt) or type(state) is not tuple or len(state) != 5:
            raise InputError("it sets the state of something that is no array")
        array = _array(*state[1:])
        for key in target.memo_keys:
            self.memo[key] = array
        return array


def _name(text: Any) -> _Name:
    if text not in _NAMES:
        shown = repr(str(text).replace(" ", ".", 1))[1:81]
        raise InputError(f"it names {shown}, which could run code; only NumPy arrays are read")
    return _Name(_NAMES[text])


def _call(function: Any, arguments: Any) -> Any:
    kind = function.kind if isinstance(function, _Name) else None
    if type(arguments) is not tuple:
        raise InputError("it is damaged")
    if kind == "dtype" and arguments:
        if type(arguments[0]) is not str or arguments[0] not in _TYPES:
            raise InputError("it holds values that are no plain numbers")
        return _Type(np.dtype(arguments[0]))
    if kind == "reconstruct":
        return _Unbuilt()
    if kind == "scalar" and len(arguments) == 2:
        return _array((), arguments[0], False, arguments[1])
    raise InputError("it calls something that makes no array")


def _with_byte_order(dtype: np.dtype[Any], state: Any) -> np.dtype[Any]:
    plain = type(state) is tuple and len(state) >= 5 and all(part is None for part in state[2:5])
    if not plain or type(state[1]) is not str or state[1] not in ("<", ">", "|", "="):
        raise InputError("it holds a structured type, expected plain numbers")
    return dtype if state[1] == "|" else np.dtype(state[1] + dtype.str[1:])


def _array(shape: Any, dtype: Any, fortran: Any, data: Any) -> np.ndarray:
    # Python 2 wrote bytes as its str, which the parser decodes as latin1, and truth as 0 or 1.
    data = data.encode("latin1") if type(data) is str else data
    sides = type(shape) is tuple and len(shape) <= 8 and all(type(side) is int and side >= 0 for side in shape)
    if not sides or not isinstance(dtype, _Type) or type(fortran) not in (bool, int) or type(data) is not bytes:
        raise InputError("it holds an array of objects, expected plain numbers")
    expected = math.prod(shape) * dtype.dtype.itemsize
    if len(data) != expected:
        raise InputError(f"it holds an array with {len(data)} bytes, its shape needs {expected}"[:120])
    return np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if fortran else "C")

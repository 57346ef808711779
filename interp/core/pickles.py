"""Reading arrays out of untrusted pickles without running anything in them.

A pickle is a program for a stack machine that may call any function it names. This is another machine: it knows the few
instructions that pickled lists, tuples and dicts of NumPy arrays need and the names those use, builds the arrays itself from
checked shapes, types and bytes, and refuses everything else. Work and memory are bounded by the size of the file: an instruction
does no more than the file paid for it, and what is shared is never copied, printed, compared or walked through.
"""

import codecs
import io
import math
import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from interp.core.errors import InputError

# Far more than the largest files of arrays need: one instruction may cost a hundred bytes of memory.
MOST_INSTRUCTIONS = 1_000_000
# Deeper values are no arrays of ours, and overrun the stack of code that walks through them.
DEEPEST = 8
# Longer keys cost time whenever they are compared.
LONGEST_KEY = 200

_TYPES = {"f2", "f4", "f8", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"}
_NAMES = {
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    # NumPy 2 moved these.
    **{f"numpy.{core}.multiarray _reconstruct": "reconstruct" for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray scalar": "scalar" for core in ("core", "_core")},
    **{f"numpy.{core}.numeric _frombuffer": "frombuffer" for core in ("core", "_core")},
    # Bytes in the protocols that have no instruction for them.
    "_codecs encode": "encode",
    "__builtin__ bytes": "bytes",
    "builtins bytes": "bytes",
}
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_VALUES = {
    *("INT", "LONG", "FLOAT", "STRING", "UNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_STEPS = {
    *("MARK", "EMPTY_LIST", "EMPTY_DICT", "LIST", "DICT", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *(
        "APPEND",
        "APPENDS",
        "SETITEM",
        "SETITEMS",
        "PUT",
        "BINPUT",
        "LONG_BINPUT",
        "MEMOIZE",
        "GET",
        "BINGET",
        "LONG_BINGET",
    ),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "PROTO", "FRAME", "STOP"),
}
_INSTRUCTIONS = {instruction.code: instruction for instruction in pickletools.opcodes}
_KNOWN = {*_CONSTANTS, *_VALUES, *_STEPS}
_PLAIN = (type(None), bool, int, float, str, bytes, np.ndarray)


class _Name:
    """One of the names, as a value on the stack."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class _Type:
    """A numeric type, complete once its byte order has come."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype


class _Unbuilt:
    """An array whose state has not come yet; the memo finds the array here when it has."""

    def __init__(self) -> None:
        self.array: np.ndarray | None = None


_MARK = object()


def read_array_pickle(path: str | Path) -> Any:
    """Read a pickle, of any protocol, of lists, tuples and dicts of numeric NumPy arrays; nothing in the file is run.

    Raises InputError, naming the file, for anything else: other names, objects, structured types, truncation.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    try:
        return _Machine(content).run()
    except InputError as error:
        raise InputError(f"{path} is refused: {error}") from None
    # What stack, memo and the standard library's parser raise on bytes that make no sense.
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, MemoryError) as error:
        raise InputError(
            f"{path} is not a readable pickle of arrays: it is damaged or cut off; get it again"
        ) from error


class _Machine:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        # Bytes that may still be made from texts, which the file may refer to as often as it likes.
        self.spare = len(content)

    def run(self) -> Any:
        for count, (name, argument) in enumerate(_instructions(self.content)):
            if count >= MOST_INSTRUCTIONS:
                raise InputError(f"it takes more than {MOST_INSTRUCTIONS:,} instructions, which arrays do not need")
            if name == "STOP":
                value = self.stack.pop()
                if self.stack:
                    raise InputError("it holds no finished value")
                _check_finished(value)
                return value
            self._step(name, argument)
        raise InputError("it has no end")

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case _ if name in _VALUES:
                if type(argument) is int and not -(2**63) <= argument < 2**64:
                    raise InputError("it holds a number of more than 64 bits")
                stack.append(argument)
            case _ if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
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
            case "DICT":
                pairs = self._pop_to_mark()
                stack.append({})
                self._set(pairs)
            case "APPEND":
                value = stack.pop()
                self._top(list).append(value)
            case "APPENDS":
                values_to_add = self._pop_to_mark()
                self._top(list).extend(values_to_add)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._set([key, value])
            case "SETITEMS":
                self._set(self._pop_to_mark())
            case "PUT" | "BINPUT" | "LONG_BINPUT" | "MEMOIZE":
                self.memo[len(self.memo) if name == "MEMOIZE" else argument] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                value = self.memo[argument]
                if isinstance(value, _Unbuilt):
                    if value.array is None:
                        raise InputError("it uses an array before its values")
                    value = value.array
                stack.append(value)
            case "GLOBAL":
                stack.append(_name(argument))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                if type(module) is not str or type(attribute) is not str:
                    raise InputError("it is damaged")
                # Only as much of them as the longest name has: texts may be long, and used often.
                stack.append(_name(f"{module[:80]} {attribute[:80]}"))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(self._call(function, arguments))
            case "BUILD":
                state, target = stack.pop(), stack.pop()
                stack.append(self._build(target, state))

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

    def _set(self, pairs: list[Any]) -> None:
        target = self._top(dict)
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if type(key) not in (str, bytes) or len(key) > LONGEST_KEY:
                raise InputError("it holds a dict whose keys are no short texts")
            target[key] = value

    def _call(self, function: Any, arguments: Any) -> Any:
        kind = function.kind if isinstance(function, _Name) else None
        if type(arguments) is not tuple:
            raise InputError("it is damaged")
        match kind, arguments:
            case "dtype", (str() as name, *_):
                if name not in _TYPES:
                    raise InputError("it holds values that are no plain numbers")
                return _Type(np.dtype(name))
            case "reconstruct", _:
                return _Unbuilt()
            case "scalar", (dtype, data):
                return self._array((), dtype, False, data)
            case "frombuffer", (data, dtype, shape, str() as order) if order in ("C", "F"):
                return self._array(shape, dtype, order == "F", data)
            case "frombuffer", (data, dtype, shape, str() as order, tuple() as axes) if order == "K":
                array = self._array(shape, dtype, False, data)
                if len(axes) != array.ndim or any(type(axis) is not int for axis in axes):
                    raise InputError("it is damaged")
                return array.transpose(axes)
            case "encode", (str() as text, str() as coding) if coding == "latin1":
                return self._encoded(text)
            case "bytes", ():
                return b""
        raise InputError("it calls something that makes no array")

    def _build(self, target: Any, state: Any) -> Any:
        if isinstance(target, _Type):
            target.dtype = _with_byte_order(target.dtype, state)
            return target
        if not isinstance(target, _Unbuilt) or type(state) is not tuple or len(state) != 5:
            raise InputError("it sets the state of something that is no array")
        target.array = self._array(*state[1:])
        return target.array

    def _array(self, shape: Any, dtype: Any, fortran: Any, data: Any) -> np.ndarray:
        # Python 2 wrote bytes as its str, which the parser decodes as latin1, and truth as 0 or 1.
        data = self._encoded(data) if type(data) is str else data
        sides = type(shape) is tuple and len(shape) <= 8 and all(type(side) is int and side >= 0 for side in shape)
        if (
            not sides
            or not isinstance(dtype, _Type)
            or type(fortran) not in (bool, int)
            or type(data) not in (bytes, bytearray)
        ):
            raise InputError("it holds an array of objects, expected plain numbers")
        expected = math.prod(shape) * dtype.dtype.itemsize
        if len(data) != expected:
            raise InputError(f"it holds an array with {len(data)} bytes, its shape needs {expected}"[:120])
        return np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if fortran else "C")

    def _encoded(self, text: str) -> bytes:
        self.spare -= len(text)
        if self.spare < 0:
            raise InputError("it uses the same text for more arrays than its size allows")
        return text.encode("latin1")


def _instructions(content: bytes) -> Iterator[tuple[str, Any]]:
    """Name and argument of each instruction, those that arrays need."""
    file = io.BytesIO(content)
    while code := file.read(1):
        instruction = _INSTRUCTIONS.get(code.decode("latin1"))
        if instruction is None:
            raise InputError("it is damaged")
        if instruction.name not in _KNOWN:
            raise InputError(
                f"it uses the instruction {instruction.name}, which arrays do not need and which could run code"
            )
        if instruction.name == "STRING":
            yield "STRING", _python_2_string(file.readline())
        else:
            yield instruction.name, None if instruction.arg is None else instruction.arg.reader(file)


def _python_2_string(line: bytes) -> str:
    """The characters of an 8-bit string, as Python 2 prints it; the parser of the standard library knows ASCII only."""
    if len(line) < 3 or line[:1] not in (b"'", b'"') or line[-2:] != line[:1] + b"\n":
        raise InputError("it is damaged")
    return codecs.escape_decode(line[1:-2])[0].decode("latin1")


def _check_finished(value: Any) -> None:
    """Refuse what is no plain value, and values too deep for code that walks through them."""
    level = [value]
    for _ in range(DEEPEST + 1):
        inside: dict[int, Any] = {}
        for part in level:
            if type(part) in (list, tuple, dict):
                inside[id(part)] = part
            elif type(part) not in _PLAIN:
                raise InputError("it holds no finished value")
        if not inside:
            return
        # What is shared is looked at once a level.
        level = [part for each in inside.values() for part in (each.values() if type(each) is dict else each)]
    raise InputError(f"it holds lists or tuples in one another, more than {DEEPEST} deep")


def _name(text: str) -> _Name:
    if text not in _NAMES:
        shown = repr(text[:81].replace(" ", ".", 1))[1:81]
        raise InputError(f"it names {shown}, which could run code; only NumPy arrays are read")
    return _Name(_NAMES[text])


def _with_byte_order(dtype: np.dtype[Any], state: Any) -> np.dtype[Any]:
    plain = type(state) is tuple and len(state) >= 5 and all(part is None for part in state[2:5])
    if not plain or type(state[1]) is not str or state[1] not in ("<", ">", "|", "="):
        raise InputError("it holds a structured type, expected plain numbers")
    return dtype if state[1] == "|" else np.dtype(state[1] + dtype.str[1:])

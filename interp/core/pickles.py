"""Reading arrays out of untrusted pickles without running anything in them.

A pickle is a program that may call any function it names. This reader answers the four names that pickled
NumPy arrays need with inert stand-ins of its own, refuses every other name, and builds the arrays itself
from the checked shape, dtype and bytes; not even NumPy's own unpickling code sees the file.
"""

import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from interp.core.errors import InputError

_DTYPES = {"f2", "f4", "f8", "u1", "i1", "i2", "i4", "i8"}


class _Dtype:
    """Stands in for numpy.dtype: remembers a plain numeric type."""

    def __init__(self, *arguments: Any) -> None:
        if not arguments or not isinstance(arguments[0], str) or arguments[0] not in _DTYPES:
            raise InputError(f"it holds values of type {str(arguments[:1])[1:-2] or 'none'!s}, expected plain numbers")
        self.dtype = np.dtype(arguments[0])

    def __setstate__(self, state: Any) -> None:
        if (
            not isinstance(state, tuple)
            or len(state) < 5
            or state[1] not in ("<", ">", "|", "=")
            or any(part is not None for part in state[2:5])
        ):
            raise InputError("it holds a structured type, expected plain numbers")
        self.dtype = self.dtype.newbyteorder(state[1]) if state[1] != "|" else self.dtype


class _Array:
    """Stands in for a numpy.ndarray under construction; `value` is the finished array."""

    def __init__(self, *_: Any) -> None:
        self.value: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        try:
            _, shape, dtype, fortran, data = state
        except (TypeError, ValueError):
            raise InputError("it holds an array whose state is malformed") from None
        plain = (
            isinstance(shape, tuple)
            and all(type(side) is int and side >= 0 for side in shape)
            and type(fortran) is bool
        )
        # Python 2 wrote bytes as its str, which arrives decoded as latin1.
        data = data.encode("latin1") if isinstance(data, str) else data
        if not plain or not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
            raise InputError("it holds an array of objects, expected plain numbers")
        if len(data) != math.prod(shape) * dtype.dtype.itemsize:
            raise InputError(
                f"it holds an array of shape {shape} with {len(data)} bytes, expected {math.prod(shape) * dtype.dtype.itemsize}"
            )
        self.value = np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if fortran else "C")


def _scalar(dtype: Any, data: Any = None) -> _Array:
    array = _Array()
    array.__setstate__((1, (), dtype, False, data))
    return array


# Protocol 2 pickles name ndarray only as an argument of _reconstruct; called itself it would be an empty array.
_STAND_INS: dict[tuple[str, str], Any] = {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Dtype}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _STAND_INS[_module, "_reconstruct"] = _Array
    _STAND_INS[_module, "scalar"] = _scalar


# What the unpickler raises on bytes that are not a pickle at all.
_GARBAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, ImportError, AssertionError)


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise InputError(f"it names {module}.{name}, which could run code; only NumPy arrays are read") from None


def _finish(value: Any, depth: int = 0) -> Any:
    """Replace stand-ins by arrays; anything but lists, tuples, dicts, arrays, numbers and texts is refused."""
    if depth > 8:
        raise InputError("it is nested too deeply, expected lists of arrays")
    if isinstance(value, _Array):
        if value.value is None:
            raise InputError("it holds an unfinished array")
        return value.value
    if isinstance(value, list):
        return [_finish(part, depth + 1) for part in value]
    if isinstance(value, tuple):
        return tuple(_finish(part, depth + 1) for part in value)
    if isinstance(value, dict):
        return {_finish(key, depth + 1): _finish(part, depth + 1) for key, part in value.items()}
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    raise InputError(f"it holds an object of type {type(value).__name__.strip('_')}, expected arrays")


def read_array_pickle(path: str | Path) -> Any:
    """Read a pickle of lists, tuples and dicts of numeric NumPy arrays; nothing in the file is run.

    Raises InputError, naming the file, for anything else: other globals, object arrays, truncation.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    try:
        # Texts of Python 2 pickles (CIFAR-10's batches) are bytes; latin1 keeps every byte.
        return _finish(_ArrayUnpickler(io.BytesIO(content), encoding="latin1").load())
    except InputError as error:
        raise InputError(f"{path} is refused: {error}") from None
    except (pickle.UnpicklingError, EOFError, MemoryError, OverflowError, RecursionError, *_GARBAGE) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is damaged"
        raise InputError(f"{path} is not a readable pickle of arrays ({reason}): get the file again") from None

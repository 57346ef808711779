"""A .npy file that grows row by row, so that a set larger than memory can be written."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from interp.core.errors import InputError


@contextmanager
def growing_npy(
    path: Path, row_shape: tuple[int, ...], dtype: type[np.generic]
) -> Iterator[Callable[[np.ndarray | np.generic], None]]:
    """Give a function that adds one row to `path`; when the block ends well, the header gets the final count.

    Raises InputError for a row of another shape or type. Errors of the disk come as OSError.
    """
    count = 0

    def append(row: np.ndarray | np.generic) -> None:
        nonlocal count
        if row.shape != row_shape or row.dtype != dtype:
            raise InputError(f"a row came as {row.dtype} {row.shape}, expected {np.dtype(dtype)} {row_shape}")
        file.write(row.tobytes())
        count += 1

    with open(path, "wb") as file:
        start = _write_header(file, (0, *row_shape), dtype)
        yield append
        file.seek(0)
        # NumPy pads headers so that the first axis can grow to any count in place.
        if _write_header(file, (count, *row_shape), dtype) != start:
            raise InputError(f"{count} rows do not fit the header of {path}: write fewer")
        file.flush()
        os.fsync(file.fileno())


def _write_header(file: IO[bytes], shape: tuple[int, ...], dtype: type[np.generic]) -> int:
    """Write a header and return where the data begins."""
    description = np.lib.format.dtype_to_descr(np.dtype(dtype))
    np.lib.format.write_array_header_1_0(file, {"descr": description, "fortran_order": False, "shape": shape})
    return file.tell()

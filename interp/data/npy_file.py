"""A .npy file that grows row by row, so that a set larger than memory can be written."""

import os
from pathlib import Path
from types import TracebackType

import numpy as np

from interp.core.errors import InputError


class GrowingNpy:
    """Writes rows of one shape and type to `path`; on closing, the header gets the final count.

    Raises InputError for a row of another shape or type. Errors of the disk come as OSError.
    """

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        self.count = 0
        self._shape = row_shape
        self._dtype = np.dtype(dtype)
        self._file = open(path, "wb")
        self._start = self._write_header()

    def append(self, row: np.ndarray | np.generic) -> None:
        """Add one row."""
        if row.shape != self._shape or row.dtype != self._dtype:
            raise InputError(f"a row came as {row.dtype} {row.shape}, expected {self._dtype} {self._shape}")
        self._file.write(row.tobytes())
        self.count += 1

    def __enter__(self) -> "GrowingNpy":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                self._file.seek(0)
                # NumPy pads headers so that the first axis can grow to any count in place.
                if self._write_header() != self._start:
                    raise InputError(f"{self.count} rows do not fit the header that was reserved")
                self._file.flush()
                os.fsync(self._file.fileno())

    def _write_header(self) -> int:
        """Write the header for the rows so far and return where the data begins."""
        shape = (self.count, *self._shape)
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        return self._file.tell()

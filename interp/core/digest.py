"""A short name for arrays, the same wherever and however they were loaded."""

import hashlib
from collections.abc import Sequence
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

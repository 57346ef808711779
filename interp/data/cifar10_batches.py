"""Reading one official CIFAR-10 batch of 10,000 images, binary or pickled by Python."""

from pathlib import Path
from typing import Any

import numpy as np

from interp.core.errors import InputError
from interp.core.pickles import read_array_pickle

IMAGES = 10000
_PIXELS = 3 * 32 * 32
_AGAIN = "get the official file again"


def read_binary(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images (10000, 32, 32, 3) uint8 and labels (10000,) of a .bin batch; raises InputError naming it."""
    try:
        size = path.stat().st_size
        if size != IMAGES * (1 + _PIXELS):
            raise InputError(f"{path} holds {size} bytes, expected {IMAGES * (1 + _PIXELS)}: {_AGAIN}")
        records = np.fromfile(path, np.uint8).reshape(IMAGES, 1 + _PIXELS)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return _batch(path, records[:, 1:], records[:, 0])


def read_python(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images (10000, 32, 32, 3) uint8 and labels (10000,) of a pickled batch, running nothing in it.

    Raises InputError naming the file if it is anything but a batch.
    """
    content = read_array_pickle(path)
    entries = content.items() if isinstance(content, dict) else ()
    # Python 2 wrote its keys as 8-bit strings, which some read, and wrote again, as bytes.
    batch = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in entries}
    if not {"data", "labels"} <= batch.keys() or len(batch) != len(entries):
        raise InputError(f"{path} is no CIFAR-10 batch, expected a dictionary with 'data' and 'labels': {_AGAIN}")
    data, numbers = batch["data"], _numbers(batch["labels"])
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != (IMAGES, _PIXELS):
        raise InputError(
            f"{path} holds data {getattr(data, 'dtype', type(data).__name__)} of shape {getattr(data, 'shape', ())}, "
            f"expected uint8 ({IMAGES}, {_PIXELS}): {_AGAIN}"
        )
    if numbers is None or numbers.shape != (IMAGES,):
        raise InputError(f"{path} holds no list of {IMAGES} whole-numbered labels: {_AGAIN}")
    return _batch(path, data, numbers)


def _numbers(labels: Any) -> np.ndarray | None:
    """Whole numbers (n,) from a list or an array of them, also from one number a row; None for anything else."""
    if isinstance(labels, (list, tuple)):
        rows = [row[0] if isinstance(row, (list, tuple)) and len(row) == 1 else row for row in labels]
        if not all(type(row) is int or (isinstance(row, np.ndarray) and row.size == 1) for row in rows):
            return None
        labels = np.concatenate([np.reshape(row, 1) for row in rows] or [np.empty(0)])
    if not isinstance(labels, np.ndarray) or not np.issubdtype(labels.dtype, np.integer):
        return None
    return labels.reshape(-1) if labels.ndim and labels.size == len(labels) else None


def _batch(path: Path, planes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn rows of red, green and blue planes into images, and check that labels are 0 to 9."""
    if labels.min() < 0 or labels.max() > 9:
        raise InputError(f"{path} holds labels in [{labels.min()}, {labels.max()}], expected 0 to 9: {_AGAIN}")
    images = np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return images, labels.astype(np.int64)

"""Images that stay bytes on disk and become float32 when they are looked at."""

from typing import Any

import numpy as np

from interp.core.errors import InputError


def scale(pixels: Any) -> np.ndarray:
    """Return bytes 0 to 255 of any shape as float32 in [0, 1]."""
    return np.asarray(np.divide(pixels, np.float32(255), dtype=np.float32))


class ScaledPixels:
    """A uint8 array (n, h, w, c), usually a memory-mapped file, that reads as float32 in [0, 1].

    Indexing with an integer, a slice or an index array loads just that part.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, pixels: np.ndarray) -> None:
        """Wrap `pixels`; raises InputError for anything but bytes (n, h, w, c)."""
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 4:
            raise InputError(
                f"pixels came as {getattr(pixels, 'dtype', type(pixels).__name__)} of shape "
                f"{getattr(pixels, 'shape', ())}, expected uint8 (n, height, width, channels)"
            )
        self._pixels = pixels

    @property
    def shape(self) -> tuple[int, ...]:
        return self._pixels.shape

    @property
    def ndim(self) -> int:
        return self._pixels.ndim

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: Any) -> np.ndarray:
        return scale(self._pixels[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Load everything."""
        if copy is False:
            raise ValueError("scaled pixels cannot become an array without a copy")
        return scale(self._pixels).astype(dtype or self.dtype, copy=False)

    def first(self, count: int) -> "ScaledPixels":
        """Return the first `count` images, nothing loaded."""
        return ScaledPixels(self._pixels[:count])

"""Images that stay bytes on disk and become float32 when they are looked at."""

from typing import Any

import numpy as np

from interp.core.errors import InputError


def scale(pixels: Any) -> np.ndarray:
    """Return bytes 0 to 255 of any shape as float32 in [0, 1]."""
    return np.asarray(np.divide(pixels, np.float32(255), dtype=np.float32))


class ScaledPixels:
    """Bytes (n, height, width, channels), usually a memory-mapped file, that read as float32 in [0, 1].

    Indexing with an integer, a slice or an array of places loads just that part.

    Args:
        pixels: uint8 (n, height, width, channels).
        chosen: Places (m,) of the images that belong to it, in order (default: all).

    Raises:
        InputError: `pixels` are no bytes of that shape.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, pixels: np.ndarray, chosen: np.ndarray | None = None) -> None:
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 4:
            raise InputError(
                f"pixels came as {getattr(pixels, 'dtype', type(pixels).__name__)} of shape "
                f"{getattr(pixels, 'shape', ())}, expected uint8 (n, height, width, channels)"
            )
        self._pixels = pixels
        self._chosen = chosen

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self._pixels.shape[1:])

    @property
    def ndim(self) -> int:
        return self._pixels.ndim

    def __len__(self) -> int:
        return len(self._pixels if self._chosen is None else self._chosen)

    def __getitem__(self, index: Any) -> np.ndarray:
        if self._chosen is None:
            return scale(self._pixels[index])
        if not isinstance(index, tuple):
            return scale(self._pixels[self._chosen[index]])
        # Of several axes only the first is that of the places.
        first, *rest = index or (slice(None),)
        if isinstance(first, slice):
            return scale(self._pixels[self._chosen[first]][:, *rest])
        if isinstance(first, (int, np.integer)):
            return scale(self._pixels[self._chosen[np.array([first])]][0, *rest])
        return scale(self._pixels[self._chosen][index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Load everything."""
        if copy is False:
            raise ValueError("scaled pixels cannot become an array without a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    def first(self, count: int) -> "ScaledPixels":
        """Take the first images; nothing is loaded.

        Args:
            count: Number of images.

        Returns:
            ScaledPixels of these.
        """
        if self._chosen is None:
            return ScaledPixels(self._pixels[:count])
        return ScaledPixels(self._pixels, self._chosen[:count])

    def rows(self, indices: np.ndarray) -> "ScaledPixels":
        """Take images by their places; nothing is loaded.

        Args:
            indices: Places (m,) from 0.

        Returns:
            ScaledPixels of these, in that order.
        """
        return ScaledPixels(self._pixels, indices if self._chosen is None else self._chosen[indices])

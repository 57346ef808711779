"""Random crops and flips of training images."""

import numpy as np

PADDING = 4


def crop_and_flip(images: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
    """Return images (n, height, width, channels) shifted by up to 4 pixels, zeros moving in, and half of them mirrored.

    The draw depends on `seed` (training, step) alone.
    """
    generator = np.random.default_rng(seed)
    count, height, width, _ = images.shape
    padded = np.pad(images, [(0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0)])
    top = generator.integers(2 * PADDING + 1, size=(count, 1, 1))
    left = generator.integers(2 * PADDING + 1, size=(count, 1, 1))
    mirrored = generator.random((count, 1, 1)) < 0.5
    rows = top + np.arange(height)[None, :, None]
    columns = np.arange(width)[None, None, :]
    columns = left + np.where(mirrored, width - 1 - columns, columns)
    return padded[np.arange(count)[:, None, None], rows, columns]

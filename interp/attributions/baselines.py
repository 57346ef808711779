"""Images that stand for no information: what a path starts from, and what hidden pixels are filled with."""

from typing import Any

import numpy as np
import tensorflow as tf

from interp.core.checks import check_number
from interp.core.errors import InputError, check_choice

# Made of the image itself: its mean in each channel, and the image without its details.
NAMED = ("mean", "blur")
# Standard deviation of the blur in shares of each side: 22 pixels of 224, and 2.8 of 28, below which digits stay readable.
BLUR = 0.1

# A number, an image (h, w, c), several of them (k, h, w, c), or a name.
Baseline = np.ndarray | str


def check_baseline(what: str, baseline: Any) -> Baseline:
    """Return a name of NAMED, or a number, an image (height, width, channels) or several (k, height, width, channels) as float32 in [0, 1].

    Raises InputError.
    """
    if isinstance(baseline, str):
        return check_choice(what, baseline, NAMED)
    try:
        array = np.asarray(baseline)
    except ValueError as error:
        raise InputError(f"{what} cannot be read as one array: stack its images first") from error
    if array.ndim == 0:
        check_number(what, array.item(), minimum=0)
    elif array.ndim not in (3, 4) or not np.issubdtype(array.dtype, np.floating) or not array.size:
        raise InputError(
            f"{what} came as {array.dtype} of shape {array.shape}, expected a number, {' or '.join(NAMED)}, or floats: an image (height, "
            "width, channels) or several (k, height, width, channels)"
        )
    array = array.astype(np.float32)
    if not ((array >= 0) & (array <= 1)).all():
        raise InputError(f"{what} came with values in [{array.min():.4g}, {array.max():.4g}], expected [0, 1]")
    return array


def count_baselines(baseline: Baseline) -> int:
    """How many images a checked baseline stands for."""
    return len(baseline) if isinstance(baseline, np.ndarray) and baseline.ndim == 4 else 1


def baseline_images(what: str, baseline: Baseline, images: tf.Tensor) -> tf.Tensor:
    """The k images of a checked baseline for each of the `images` (n, h, w, c): (n, k, h, w, c), or (1, k, h, w, c) where all share them.

    Raises InputError for a baseline of another shape than the images.
    """
    if isinstance(baseline, str):
        found = tf.reduce_mean(images, (1, 2), keepdims=True) if baseline == "mean" else blurred(images)
        return tf.broadcast_to(found, tf.shape(images))[:, None]
    shape = images.shape[1:]
    array = tf.cast(baseline, images.dtype)
    if array.shape.rank and not array.shape[-3:].is_compatible_with(shape):
        raise InputError(
            f"the {what} came with shape {tuple(array.shape)}, the images have {tuple(shape)}: give images of that shape, a number, or "
            f"{' or '.join(NAMED)}"
        )
    return tf.broadcast_to(array, [1, count_baselines(baseline), *shape])


def blurred(images: tf.Tensor) -> tf.Tensor:
    """Images (n, height, width, channels) after a Gaussian blur of a tenth of each side, mirrored at the edges."""
    rows, columns = (tf.constant(_blur(side, BLUR * side), images.dtype) for side in images.shape[1:3])
    return tf.einsum("yi,xj,nijc->nyxc", rows, columns, images)


def _blur(side: int, deviation: float) -> np.ndarray:
    """The matrix (side, side) of a Gaussian blur along one axis."""
    reach = int(np.ceil(4 * deviation))
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-(offsets**2) / (2 * deviation**2))
    matrix = np.zeros((side, side))
    # d c b a | a b c d | d c b a
    folded = (np.arange(side)[:, None] + offsets) % (2 * side)
    np.add.at(matrix, (np.arange(side)[:, None], np.minimum(folded, 2 * side - 1 - folded)), kernel / kernel.sum())
    return matrix

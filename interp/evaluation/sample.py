"""The images an evaluation looks at, the same for every network."""

from dataclasses import replace

import numpy as np

from interp.core.checks import check_instance, check_number
from interp.core.errors import InputError
from interp.data import Dataset
from interp.data.pixels import ScaledPixels


def sample_indices(total: int, count: int, *, seed: int = 99) -> np.ndarray:
    """Return the indices (count,) of the images that `sample_images` takes out of `total`."""
    return _draw(total, count, seed)[1]


def sample_images(data: Dataset, count: int, *, seed: int = 99) -> tuple[Dataset, np.ndarray]:
    """Draw images of a dataset, and a target class for each that is not the true one.

    The draw is that of the paper's code: NumPy's legacy generator, a permutation of all images, then the targets. So on the official order
    of a test set it gives the paper's sample.

    Args:
        data: The dataset.
        count: Number of images.
        seed: Seed of the draw; that of the paper is 99.

    Returns:
        A Dataset of these images, and integers (count,), the target classes.

    Raises:
        InputError: The dataset has fewer images, or an argument is not as described.
    """
    check_instance("data", data, Dataset, "data.load('digits', 'test')")
    check_number("number of images", count, minimum=1, whole=True)
    check_number("seed", seed, minimum=0, whole=True)
    if count > len(data):
        raise InputError(f"{count} images were asked for, {data.name} {data.split} has {len(data)}: ask for fewer")
    generator, chosen = _draw(len(data), count, seed)
    # What stays on disk stays there: all images together may not fit into memory.
    images = data.images.rows(chosen) if isinstance(data.images, ScaledPixels) else data.images[chosen]
    labels = data.labels[chosen]
    shift = generator.randint(data.classes - 1, size=count)
    return replace(data, images=images, labels=labels), (labels + 1 + shift) % data.classes


def _draw(total: int, count: int, seed: int) -> tuple[np.random.RandomState, np.ndarray]:
    """The indices (count,) of a sample, and the generator that drew them."""
    generator = np.random.RandomState(seed)
    return generator, generator.permutation(total)[:count]

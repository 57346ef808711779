"""The images an evaluation looks at, the same for every network."""

import numpy as np

from interp.core.checks import check_instance, check_number
from interp.core.errors import InputError
from interp.data import Dataset


def sample_images(data: Dataset, count: int, *, seed: int = 99) -> tuple[Dataset, np.ndarray]:
    """Return `count` images of `data` and a target class (count,) for each, never the true one.

    The draw is that of the paper's code: NumPy's legacy generator, a permutation of all images, then the targets, so on the official
    order of a test set it gives the paper's sample. Raises InputError.
    """
    check_instance("data", data, Dataset, "data.load('digits', 'test')")
    check_number("number of images", count, minimum=1, whole=True)
    check_number("seed", seed, minimum=0, whole=True)
    if count > len(data):
        raise InputError(f"{count} images were asked for, {data.name} {data.split} has {len(data)}: ask for fewer")
    generator = np.random.RandomState(seed)
    sample = data.take(generator.permutation(len(data))[:count])
    shift = generator.randint(data.classes - 1, size=count)
    return sample, (sample.labels + 1 + shift) % data.classes

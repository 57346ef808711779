"""Splits that are drawn: the same shares of every class, by a seed."""

from collections.abc import Mapping, Sequence

import numpy as np

from interp.core.errors import InputError
from interp.core.tables import counted

# A tenth of each class, and one image at least, is for validation, as much for test.
SHARE = 0.1


def check_seed(seed: object) -> int:
    """Return the seed of a drawing. Raises InputError unless it is a whole number in [0, 2**32)."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise InputError(f"seed came as {seed!r}, expected a whole number from 0 to {2**32 - 1}")
    return int(seed)


def draw_splits(labels: np.ndarray, names: Sequence[str], drawn: Sequence[str], seed: int) -> Mapping[str, np.ndarray]:
    """Draw splits from one set of images.

    Args:
        labels: (n,) whole numbers.
        names: of the classes.
        drawn: the splits that get a tenth of each class each, such as ("validation", "test"); "train" gets the rest.
        seed: of the drawing.

    Returns:
        The rows of each split, in an order of that seed.

    Raises:
        InputError: a class has too few images.
    """
    generator = np.random.RandomState(check_seed(seed))
    parts: dict[str, list[np.ndarray]] = {split: [] for split in ("train", *drawn)}
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        if len(rows) <= len(drawn):
            raise InputError(
                f"the class {names[label]} has {counted(len(rows), 'image')}, expected at least {len(drawn) + 1}, one for each of "
                f"{', '.join(parts)}, which are drawn: add some, or give the splits yourself"
            )
        each, first = max(1, round(SHARE * len(rows))), 0
        for split in drawn:
            parts[split].append(rows[first : first + each])
            first += each
        parts["train"].append(rows[first:])
    return {split: generator.permutation(np.concatenate(rows)) for split, rows in parts.items()}

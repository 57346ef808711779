"""Means that say what they rest on, and other figures that several results share."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from interp.core.json_fields import Number
from interp.core.tables import NOTHING, Cell

# Names of fields in records: how many images a result is of, and the radius that it, or a flag, is of.
IMAGES, EPS = {"json": "images"}, {"json": "eps"}
# What captions say of protocols that attack all images, as published ones do: figures may then exceed the clean accuracy.
ALL_COUNT = "images that are wrong without an attack are attacked, too, and count where that makes them right"
# A gain of one search over another counts from so many images on, above so many standard errors.
FEWEST_IMAGES, STANDARD_ERRORS = 20, 2.0


@dataclass(frozen=True)
class Mean:
    """A mean of several values, with what it rests on.

    Attributes:
        value: The mean; None where there are no values.
        standard_error: Its standard error; None where there are fewer than two values.
        count: Number of values.
    """

    value: float | None
    standard_error: float | None
    count: Number

    def __str__(self) -> str:
        return "none qualified" if self.value is None else f"{self.value:.3f}"

    @property
    def cells(self) -> tuple[Cell, Cell]:
        """Mean and standard error in a table; of one value there is no error to state."""
        return self.value, NOTHING if self.standard_error is None else self.standard_error


def mean_of(values: Iterable[float]) -> Mean:
    """Take the mean of the values that are finite; NaN stands for an undefined one and does not count.

    Args:
        values: Numbers.

    Returns:
        A Mean.
    """
    kept = np.asarray(list(values), np.float64)
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        return Mean(None, None, 0)
    error = float(kept.std(ddof=1) / np.sqrt(len(kept))) if len(kept) > 1 else None
    return Mean(float(kept.mean()), error, len(kept))


def mean_of_points(values: np.ndarray) -> Mean:
    """The mean over images of each image's mean over its points, `values` (points, images)."""
    return mean_of(values.mean(0)) if values.size else mean_of([])


def binomial_error(share: float, count: int) -> float:
    """Standard error of a share of `count` images."""
    return float(np.sqrt(share * (1 - share) / count))


def clear_gain(differences: np.ndarray, least: float) -> tuple[float, float] | None:
    """Say whether one search found more than another on the same images, by more than chance explains.

    The standard error is that of the differences and of two more, 0 and 1. So it is never 0: that a few images agree proves nothing.

    Args:
        differences: What it found more on each image (n,).
        least: A mean of this or less is no gain.

    Returns:
        The mean difference and its standard error; None below 20 images, and where it is not above `least` and two standard errors.
    """
    values = np.asarray(differences, np.float64)
    if len(values) < FEWEST_IMAGES:
        return None
    more = np.append(values, [0.0, 1.0])
    gain, error = float(values.mean()), float(more.std(ddof=1) / np.sqrt(len(more)))
    return (gain, error) if gain > max(least, STANDARD_ERRORS * error) else None


def wilson_interval(share: float, count: int, deviations: float = 1.96) -> tuple[float, float]:
    """The interval of Wilson (1927) for a share of `count` images, 95% with 1.96 `deviations`: of some width also at 0 and 1."""
    weight = deviations**2 / count
    middle = (share + weight / 2) / (1 + weight)
    half = deviations / (1 + weight) * float(np.sqrt(share * (1 - share) / count + weight / (4 * count)))
    return max(0.0, middle - half), min(1.0, middle + half)

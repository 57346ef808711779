"""Deletion and insertion (Petsiuk et al. 2018): the label's probability as pixels go, or come, in the order of the map."""

from dataclasses import dataclass

import numpy as np

from interp.core.checks import check_number
from interp.evaluation.faithfulness.explained import Explained
from interp.evaluation.faithfulness.replacement import Replace, Replacement, check_fill, filling
from interp.evaluation.patches import Patches


@dataclass(frozen=True, kw_only=True)
class _Area(Replacement):
    """The area under the curve over shares from 0 to 1, in `steps` steps, of squares of `patch` pixels a side."""

    steps: int = 20
    patch: int = 1
    fill: str
    sigma: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("steps", self.steps, minimum=1, whole=True)
        check_number("patch", self.patch, minimum=1, whole=True)
        check_fill(self.fill, self.sigma)

    @property
    def shares(self) -> tuple[float, ...]:
        """From 0 to 1."""
        return tuple(step / self.steps for step in range(self.steps + 1))

    def patches(self, sides: tuple[int, int]) -> Patches:
        check_number("patch", self.patch, minimum=1, whole=True, maximum=min(sides))
        return Patches.of_side(*sides, self.patch)

    def summed_up(self, curve: np.ndarray) -> np.ndarray:
        # The trapezoid rule over equal steps.
        return (curve.sum(0) - (curve[0] + curve[-1]) / 2) / self.steps


@dataclass(frozen=True, kw_only=True)
class Deletion(_Area):
    """Area under the probability of the label while the strongest pixels are replaced, the strongest first (Petsiuk et al. 2018).

    The lower the area, the better. Of equally strong pixels one that is drawn by the seed goes first.

    Args:
        ranking: How pixels are ranked: "signed", by the sum over the channels, or "magnitude", by that of magnitudes.
        steps: Number of steps from no pixel to all of them.
        patch: Side in pixels of the squares that are replaced together.
        fill: What replaces pixels: "black", "mean" (the mean colour of the image) or "blur" (the blurred image).
        sigma: Standard deviation of the blur in pixels (default: a tenth of the longer side).

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    higher_is_better = False
    asks = "does the probability of the class fall when the strongest pixels go"

    fill: str = "black"

    def replacing(self, explained: Explained) -> Replace:
        filled = filling(explained.images, self.fill, self.sigma)
        return lambda gone: np.where(gone[..., None], filled, explained.images)


@dataclass(frozen=True, kw_only=True)
class Insertion(_Area):
    """Area under the probability of the label while pixels come back, the strongest first (Petsiuk et al. 2018).

    The higher the area, the better. Of equally strong pixels one that is drawn by the seed comes first.

    Args:
        ranking: How pixels are ranked: "signed", by the sum over the channels, or "magnitude", by that of magnitudes.
        steps: Number of steps from no pixel to all of them.
        patch: Side in pixels of the squares that come back together.
        fill: What stands in place of missing pixels: "black", "mean" (the mean colour of the image) or "blur" (the blurred image).
        sigma: Standard deviation of the blur in pixels (default: a tenth of the longer side).

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    higher_is_better = True
    asks = "does the probability of the class rise when the strongest pixels come"

    fill: str = "blur"

    def replacing(self, explained: Explained) -> Replace:
        filled = filling(explained.images, self.fill, self.sigma)
        return lambda here: np.where(here[..., None], explained.images, filled)

"""Pointing game (Zhang et al. 2018): is the strongest point of the map on the object?"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from interp.core.checks import check_number
from interp.core.errors import InputError, check_choice
from interp.core.names import RANKINGS
from interp.evaluation.faithfulness.explained import Explained
from interp.evaluation.faithfulness.measure import Measure, Measured


@dataclass(frozen=True, kw_only=True)
class PointingGame(Measure):
    """Whether the strongest pixel of a map lies on the object: 1 or 0, of several equally strong ones the share (Zhang et al. 2018).

    The higher, the better. Needs masks; an image without an object has no value.

    Args:
        ranking: How pixels are ranked: "signed", by the sum over the channels, or "magnitude", by that of magnitudes.
        tolerance: Distance in pixels from the mask that still counts as a hit (Zhang et al. take 15 of 224 or more).

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    higher_is_better = True
    asks = "is the strongest pixel on the object"
    needs_masks = True

    ranking: str = "signed"
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        check_choice("ranking", self.ranking, RANKINGS)
        check_number("tolerance", self.tolerance, minimum=0)

    def by_chance(self, sides: tuple[int, int], masks: np.ndarray | None) -> float | None:
        if masks is None or not masks.any():
            return None
        return float(self._near(masks[masks.any((1, 2))]).mean())

    def measure(self, explained: Explained) -> Measured:
        if explained.masks is None:
            raise InputError("the pointing game needs to know where the object is: give masks (n, height, width)")
        scores = explained.scores(self.ranking)
        strongest = scores == scores.max((1, 2), keepdims=True)
        hits = (strongest & self._near(explained.masks)).sum((1, 2)) / strongest.sum((1, 2))
        return Measured(np.where(explained.masks.any((1, 2)), hits, np.nan))

    def _near(self, masks: np.ndarray) -> np.ndarray:
        if not self.tolerance:
            return masks
        return np.stack([mask if not mask.any() else distance_transform_edt(~mask) <= self.tolerance for mask in masks])

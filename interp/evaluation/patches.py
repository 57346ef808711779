"""Images cut into patches: which patch each pixel belongs to, sums over patches, and patches as pixels."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Patches:
    """Rows and columns of an image in groups: `rows` (height,) and `columns` (width,) say the group of each, 0 first, in rising order."""

    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def of_side(cls, height: int, width: int, side: int) -> "Patches":
        """Squares of `side` pixels a side, cut off at the right and lower edge."""
        return cls(np.arange(height) // side, np.arange(width) // side)

    @classmethod
    def of_grid(cls, height: int, width: int, cells: int) -> "Patches":
        """A grid of `cells` by `cells` patches, at most as many as there are pixels."""
        down, across = min(cells, height), min(cells, width)
        return cls(np.arange(height) * down // height, np.arange(width) * across // width)

    @property
    def count(self) -> int:
        """How many patches there are."""
        return int((self.rows[-1] + 1) * (self.columns[-1] + 1))

    @property
    def of_pixels(self) -> np.ndarray:
        """The patch of each pixel, (height, width)."""
        return self.rows[:, None] * (self.columns[-1] + 1) + self.columns

    def sums(self, scores: np.ndarray) -> np.ndarray:
        """Sums of scores (n, height, width) over each patch, (n, patches), in double precision."""
        starts = [np.searchsorted(groups, np.arange(groups[-1] + 1)) for groups in (self.rows, self.columns)]
        sums = np.add.reduceat(np.add.reduceat(scores.astype(np.float64), starts[0], 1), starts[1], 2)
        return sums.reshape(len(scores), -1)

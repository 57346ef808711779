"""ROAD (Rong et al. 2022): pixels are removed by noisy linear imputation, which hides the shape of what was removed."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from interp.core.checks import check_listed, check_number
from interp.core.errors import InputError
from interp.evaluation.faithfulness.explained import Explained
from interp.evaluation.faithfulness.replacement import Replace, Replacement
from interp.evaluation.patches import Patches

# Direct neighbours count twice as much as diagonal ones.
WEIGHTS = {
    (row, column): 1 / 12 if row and column else 1 / 6 for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column
}


@dataclass(frozen=True, kw_only=True)
class _Road(Replacement):
    """Mean of the label's probability over the `shares` of pixels removed.

    Args:
        ranking: how pixels are ranked, signed or magnitude.
        removed: shares of the pixels, each between 0 and 1.
        noise: standard deviation of the noise on what was imputed.

    Raises:
        InputError: for settings that cannot be.
    """

    removed: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    noise: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_listed("removed", self.removed, "(0.1, 0.5)")
        for share in self.removed:
            check_number("a share of removed", share, minimum=0)
            if share >= 1:
                raise InputError(f"a share of removed came as {share}, expected less than 1: something has to be left")
        # As the points of a curve, whatever order they were given in.
        object.__setattr__(self, "removed", tuple(sorted(self.removed)))
        check_number("noise", self.noise, minimum=0)

    @property
    def shares(self) -> tuple[float, ...]:
        """Those that were given, in rising order."""
        return self.removed

    def patches(self, sides: tuple[int, int]) -> Patches:
        return Patches.of_side(*sides, 1)

    def replacing(self, explained: Explained) -> Replace:
        generators = explained.generators()

        def replace(gone: np.ndarray) -> np.ndarray:
            rows = zip(explained.images, gone, generators, strict=True)
            return np.stack([self._imputed(*row) for row in rows])

        return replace

    def summed_up(self, curve: np.ndarray) -> np.ndarray:
        return curve.mean(0)

    def _imputed(self, image: np.ndarray, gone: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        draws = generator.standard_normal(image.shape)
        if gone.all():
            # Of a handful of pixels a large share rounds to all of them.
            raise InputError(
                f"removed came with a share that leaves nothing of {gone.size} pixels: choose smaller shares"
            )
        found = imputed(image, gone)
        return np.clip(np.where(gone[..., None], found + self.noise * draws, found), 0, 1).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class RoadMost(_Road):
    """ROAD (Rong et al. 2022), the strongest pixels first: mean probability of the label as a growing share of the pixels is imputed.

    A pixel that is removed becomes the weighted mean of its neighbours, plus noise. The lower, the better.

    Args:
        ranking: How pixels are ranked: "signed", by the sum over the channels, or "magnitude", by that of magnitudes.
        removed: Shares of the pixels that are removed, each in [0, 1).
        noise: Standard deviation of the noise, for images in [0, 1].

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    higher_is_better = False
    asks = "does the probability of the class fall when the strongest pixels are imputed"


@dataclass(frozen=True, kw_only=True)
class RoadLeast(_Road):
    """ROAD (Rong et al. 2022), the weakest pixels first: mean probability of the label as a growing share of the pixels is imputed.

    A pixel that is removed becomes the weighted mean of its neighbours, plus noise. The higher, the better.

    Args:
        ranking: How pixels are ranked: "signed", by the sum over the channels, or "magnitude", by that of magnitudes.
        removed: Shares of the pixels that are removed, each in [0, 1).
        noise: Standard deviation of the noise, for images in [0, 1].

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    higher_is_better = True
    strongest_first = False
    asks = "does the probability of the class stay when the weakest pixels are imputed"


def imputed(image: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """The image (height, width, channels) with each pixel that is `gone` (height, width) the weighted mean of its neighbours, float64.

    Those neighbours may be gone themselves: all of them solve one sparse linear system, which has one solution while a pixel is left.
    """
    found = image.astype(np.float64)
    rows, columns = np.nonzero(gone)
    if not len(rows):
        return found
    unknown = np.full(gone.shape, -1)
    unknown[rows, columns] = np.arange(len(rows))
    total, known = np.zeros(len(rows)), np.zeros((len(rows), image.shape[-1]))
    entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for (down, across), weight in WEIGHTS.items():
        to_row, to_column = rows + down, columns + across
        inside = np.flatnonzero(
            (to_row >= 0) & (to_row < gone.shape[0]) & (to_column >= 0) & (to_column < gone.shape[1])
        )
        total[inside] += weight
        to_row, to_column = to_row[inside], to_column[inside]
        places = unknown[to_row, to_column]
        is_known = places < 0
        known[inside[is_known]] += weight * found[to_row[is_known], to_column[is_known]]
        others = inside[~is_known]
        entries.append((others, places[~is_known], np.full(len(others), -weight)))
    across_rows, across_columns, values = (np.concatenate(part) for part in zip(*entries, strict=True))
    matrix = sparse.coo_matrix((values, (across_rows, across_columns)), shape=(len(rows),) * 2) + sparse.diags(total)
    found[rows, columns] = np.reshape(spsolve(matrix.tocsc(), known), known.shape)
    return found

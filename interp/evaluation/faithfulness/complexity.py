"""How few pixels a map names: the Gini index and the entropy of its magnitudes. Neither asks the model."""

from dataclasses import dataclass

import numpy as np

from interp.evaluation.faithfulness.explained import Explained
from interp.evaluation.faithfulness.measure import Measure, Measured


@dataclass(frozen=True, kw_only=True)
class Gini(Measure):
    """Gini index of the magnitudes of a map (Chalasani et al. 2020): 0 where all pixels have as much, near 1 where one pixel has all.

    The higher, the better; a map that is 0 everywhere has no value. The model is not asked.
    """

    higher_is_better = True
    asks = "is the attribution on few pixels (Gini index)"

    def by_chance(self, sides: tuple[int, int], masks: np.ndarray | None) -> float | None:
        # Of many uniform numbers.
        return 1 / 3

    def measure(self, explained: Explained) -> Measured:
        magnitudes = np.sort(_magnitudes(explained), -1)
        count, total = magnitudes.shape[-1], magnitudes.sum(-1)
        weighted = magnitudes @ (2.0 * np.arange(1, count + 1) - count - 1)
        return Measured(np.divide(weighted, count * total, out=np.full(len(total), np.nan), where=total > 0))


@dataclass(frozen=True, kw_only=True)
class Entropy(Measure):
    """Entropy, in nats, of the shares of the pixels in the magnitude of a map (Bhatt et al. 2020, complexity): 0 where one pixel has all.

    The lower, the better; a map that is 0 everywhere has no value. The model is not asked.
    """

    higher_is_better = False
    asks = "is the attribution on few pixels (entropy)"

    def by_chance(self, sides: tuple[int, int], masks: np.ndarray | None) -> float | None:
        # ln n - E[u ln u] / E[u] + ln E[u] of n uniform numbers u, for many of them.
        return float(np.log(sides[0] * sides[1]) + 0.5 - np.log(2))

    def measure(self, explained: Explained) -> Measured:
        magnitudes = _magnitudes(explained)
        total = magnitudes.sum(-1, keepdims=True)
        shares = np.divide(magnitudes, total, out=np.zeros_like(magnitudes), where=total > 0)
        terms = shares * np.log(np.where(shares > 0, shares, 1))
        return Measured(np.where(total[:, 0] > 0, -terms.sum(-1), np.nan))


def _magnitudes(explained: Explained) -> np.ndarray:
    scores = explained.scores("magnitude").astype(np.float64)
    return scores.reshape(len(scores), -1)

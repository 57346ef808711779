"""Images with a growing share of their pixels replaced, scored by the model: the loop of deletion, insertion and ROAD."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter

from interp.core.checks import check_number
from interp.core.errors import check_choice
from interp.core.names import RANKINGS
from interp.evaluation.faithfulness.explained import Explained
from interp.evaluation.faithfulness.measure import Measure, Measured
from interp.evaluation.patches import Patches

FILLS = ("black", "mean", "blur")
# Standard deviation of the blur, of the longer side of an image, where none is given.
BLUR = 0.1
Replace = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Replacement(Measure):
    """Patches are replaced in the order of their scores, `ranking` signed or magnitude; the label's probability is a curve."""

    # Whether the strongest patches are the first.
    strongest_first: ClassVar[bool] = True

    ranking: str = "signed"

    def __post_init__(self) -> None:
        check_choice("ranking", self.ranking, RANKINGS)

    @abstractmethod
    def patches(self, sides: tuple[int, int]) -> Patches:
        """What is replaced at a time."""

    @abstractmethod
    def replacing(self, explained: Explained) -> Replace:
        """A function from the pixels in question (n, height, width) to the images with those replaced."""

    @abstractmethod
    def summed_up(self, curve: np.ndarray) -> np.ndarray:
        """The value (n,) of each image's curve (points, n)."""

    def measure(self, explained: Explained) -> Measured:
        patches, replace = self.patches(explained.sides), self.replacing(explained)
        scores = patches.sums(explained.scores(self.ranking))
        ranks = explained.ranks(scores if self.strongest_first else -scores)

        def variants() -> Iterator[np.ndarray]:
            for share in self.shares:
                yield replace((ranks < round(share * patches.count))[:, patches.of_pixels])

        _, curve = explained.subject.scores.of_variants(variants(), explained.labels)
        return Measured(self.summed_up(curve), curve)


def filling(images: np.ndarray, fill: str, sigma: float | None = None) -> np.ndarray:
    """What stands in place of pixels, shaped as the images.

    Black, the mean colour of each image, or the image blurred by `sigma` pixels.
    """
    if fill == "black":
        return np.zeros_like(images)
    if fill == "mean":
        means = images.mean((1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
        return np.broadcast_to(means, images.shape)
    sigma = BLUR * max(images.shape[1:3]) if sigma is None else sigma
    return np.clip(gaussian_filter(images, (0, sigma, sigma, 0), mode="nearest"), 0, 1)


def check_fill(fill: str, sigma: float | None = None) -> None:
    """Raise InputError unless this is a filling, with a blur above 0 where one is given."""
    check_choice("fill", fill, FILLS)
    if sigma is not None:
        check_number("sigma", sigma, minimum=0, strict=True)

"""MuFidelity (Bhatt et al. 2020): do the pixels that the map gives much change the logit much?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from interp.core.checks import check_number
from interp.core.errors import InputError
from interp.discrepancy.agreement import pearson_r
from interp.evaluation.faithfulness.explained import Explained
from interp.evaluation.faithfulness.measure import Measure, Measured
from interp.evaluation.faithfulness.replacement import check_fill, filling
from interp.evaluation.patches import Patches


@dataclass(frozen=True, kw_only=True)
class MuFidelity(Measure):
    """Correlation of the attribution of random parts of the image with the drop of the logit without them (Bhatt et al. 2020).

    It is Pearson's, over subsets of the cells of a grid; the drop is that of the logit of the label when the cells are replaced. The
    higher, the better.

    Args:
        samples: Number of subsets of each image.
        share: Share of the cells in a subset.
        grid: Number of cells along each side of the grid, at most as many as there are pixels.
        fill: What replaces pixels: "black", "mean" (the mean colour of the image) or "blur" (the blurred image).

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    higher_is_better = True
    asks = "does the attribution in random parts of the image go with the drop of the logit without them"

    samples: int = 200
    share: float = 0.2
    grid: int = 7
    fill: str = "black"

    def __post_init__(self) -> None:
        check_number("samples", self.samples, minimum=2, whole=True)
        check_number("grid", self.grid, minimum=2, whole=True)
        check_number("share", self.share, minimum=0, strict=True)
        if self.share >= 1:
            raise InputError(f"share came as {self.share}, expected a share of the image below 1, such as 0.2")
        check_fill(self.fill)

    def by_chance(self, sides: tuple[int, int], masks: np.ndarray | None) -> float | None:
        # A map and its mirror image around 1/2 are equally likely, and their correlations have opposite signs; but where cells differ in
        # size, larger ones have more of any map.
        return 0.0 if all(side % min(self.grid, side) == 0 for side in sides) else None

    def measure(self, explained: Explained) -> Measured:
        patches = Patches.of_grid(*explained.sides, self.grid)
        # One at least is in the subset, and one is not.
        size = min(max(1, round(self.share * patches.count)), patches.count - 1)
        subsets = np.stack([_subsets(each, self.samples, patches.count, size) for each in explained.generators()], 1)
        filled = filling(explained.images, self.fill)

        def variants() -> Iterator[np.ndarray]:
            yield explained.images
            for chosen in subsets:
                yield np.where(chosen[:, patches.of_pixels][..., None], filled, explained.images)

        logits, _ = explained.subject.scores.of_variants(variants(), explained.labels)
        attributed = np.einsum("snp,np->ns", subsets.astype(np.float64), patches.sums(explained.scores("signed")))
        return Measured(pearson_r(attributed, (logits[0] - logits[1:]).T))


def _subsets(generator: np.random.Generator, samples: int, cells: int, size: int) -> np.ndarray:
    """Booleans (samples, cells), of which `size` a row are drawn."""
    order = generator.random((samples, cells)).argsort(-1)
    chosen = np.zeros((samples, cells), bool)
    np.put_along_axis(chosen, order[:, :size], True, -1)
    return chosen

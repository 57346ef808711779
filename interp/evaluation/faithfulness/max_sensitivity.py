"""Max-sensitivity (Yeh et al. 2019): how much the map changes under small changes of the image."""

from dataclasses import dataclass

import numpy as np

from interp.core.checks import check_number, check_radius
from interp.evaluation.faithfulness.explained import Explained
from interp.evaluation.faithfulness.measure import Measure, Measured, explain


@dataclass(frozen=True, kw_only=True)
class MaxSensitivity(Measure):
    """Largest change of a map under random changes of the image in an linf ball (Yeh et al. 2019).

    The change is measured in l2 and divided by the norm of the map; a map that is 0 everywhere has no value. The lower, the better, so a
    map that ignores the image is best. Needs the method, as changed images are explained.

    Args:
        radius: Radius of the ball, for images in [0, 1].
        samples: Number of changes of each image.

    Raises:
        InputError: A setting is out of its range.
    """

    higher_is_better = False
    asks = "does the map stay when the image hardly changes (one that ignores the image is best)"
    needs_method = True

    radius: float = 0.02
    samples: int = 10

    def __post_init__(self) -> None:
        check_radius("radius", self.radius)
        check_number("samples", self.samples, minimum=1, whole=True)

    def by_chance(self, sides: tuple[int, int], masks: np.ndarray | None) -> float | None:
        # The random baseline draws by the place of an image, so its map stays.
        return 0.0

    def measure(self, explained: Explained) -> Measured:
        images, maps = explained.images, explained.maps.astype(np.float64)
        generators, largest = explained.generators(), np.zeros(len(images))
        for _ in range(self.samples):
            moves = np.stack([each.uniform(-self.radius, self.radius, images.shape[1:]) for each in generators])
            changed = np.clip(images + moves, 0, 1).astype(np.float32)
            moved = explain(explained.subject.method, changed, explained.labels, explained.first)
            largest = np.maximum(largest, _lengths(moved - maps))
        lengths = _lengths(maps)
        return Measured(np.divide(largest, lengths, out=np.full(len(images), np.nan), where=lengths > 0))


def _lengths(maps: np.ndarray) -> np.ndarray:
    return np.sqrt((maps.astype(np.float64) ** 2).sum((1, 2, 3)))

"""Infidelity (Yeh et al. 2019): how far the map is from saying how much the logit changes under small changes of the image."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from interp.core.checks import check_number
from interp.core.errors import InputError, check_choice
from interp.evaluation.faithfulness.explained import Explained
from interp.evaluation.faithfulness.measure import Measure, Measured

PERTURBATIONS = ("noise", "square")


@dataclass(frozen=True, kw_only=True)
class Infidelity(Measure):
    """Mean squared error with which a map predicts the drop of the logit, over random changes of the image (Yeh et al. 2019).

    The map predicts that taking a change away from the image lowers the logit by the sum of change times map. The lower, the better.

    Args:
        perturbation: "noise" is Gaussian and may leave [0, 1], "square" takes a square at a random place to black.
        samples: Number of changes of each image.
        noise: Standard deviation of the noise, for images in [0, 1].
        side: Side of the square, as a share of the shorter side of the image.
        scaled: Whether each map is first multiplied by the factor that fits best, so that maps of any unit can be compared.

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    higher_is_better = False
    asks = "does the map, as a gradient, say how much the logit changes when the image does"

    perturbation: str = "noise"
    samples: int = 100
    noise: float = 0.2
    side: float = 0.25
    scaled: bool = True

    def __post_init__(self) -> None:
        check_choice("perturbation", self.perturbation, PERTURBATIONS)
        check_number("samples", self.samples, minimum=1, whole=True)
        for name in ("noise", "side"):
            check_number(name, getattr(self, name), minimum=0, strict=True)
        if self.side > 1:
            raise InputError(f"side came as {self.side}, expected a share of the shorter side, at most 1")

    def measure(self, explained: Explained) -> Measured:
        images, maps = explained.images, explained.maps.astype(np.float64)
        predicted = []

        def variants() -> Iterator[np.ndarray]:
            yield images
            generators = explained.generators()
            for _ in range(self.samples):
                changed = np.stack([self._changed(*pair) for pair in zip(images, generators, strict=True)])
                # Maps of one channel stand for every channel.
                predicted.append(((images - changed) * maps).sum((1, 2, 3)))
                yield changed

        logits, _ = explained.subject.scores.of_variants(variants(), explained.labels)
        drops, told = logits[0] - logits[1:], np.array(predicted)
        if self.scaled:
            squares = (told**2).sum(0)
            told = told * np.divide((told * drops).sum(0), squares, out=np.zeros(len(images)), where=squares > 0)
        return Measured(((told - drops) ** 2).mean(0))

    def _changed(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        if self.perturbation == "noise":
            return image - np.float32(self.noise) * generator.standard_normal(image.shape, np.float32)
        height, width, _ = image.shape
        side = max(1, round(self.side * min(height, width)))
        top, left = generator.integers(height - side + 1), generator.integers(width - side + 1)
        changed = image.copy()
        changed[top : top + side, left : left + side] = 0
        return changed

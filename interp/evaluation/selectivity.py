"""Selectivity: how fast a prediction falls when the patches go that its explanation calls strongest."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import tensorflow as tf

from interp.attributions import Attribution, pixel_scores
from interp.core.checks import check_images, check_instance, check_labels, check_number
from interp.core.errors import InputError
from interp.core.json_fields import Bits, Count
from interp.core.results import Result
from interp.core.tables import Cell
from interp.evaluation.patches import Patches
from interp.evaluation.predictions import is_right, predict
from interp.models.model_check import check_model

# Of an image, in a patch.
PART = 0.01


@dataclass(frozen=True)
class Selectivity(Result):
    """Curves over the number of erased patches: `probabilities` (steps + 1, n) of the label, `right` (steps + 1, n) whether it wins.

    `erased` (n, height, width) says which pixels went, `patch` how many of them are a patch's side, `layer` which one the method looked at.
    """

    probabilities: np.ndarray
    right: Annotated[np.ndarray, Bits("probabilities")]
    erased: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0), bool), metadata={"json": False})
    layer: str | None = None
    patch: Count = 1

    def __post_init__(self) -> None:
        fits = self.probabilities.ndim == 2 and self.probabilities.shape == self.right.shape and self.right.size
        self._expect(bool(fits), "a probability and whether the label wins for each step and image")

    @property
    def mean_probability(self) -> np.ndarray:
        """Mean probability of the label after each step, (steps + 1,)."""
        # In double precision, whatever they were measured in, so that a record says the same.
        return self.probabilities.mean(1, dtype=np.float64)

    @property
    def accuracy(self) -> np.ndarray:
        """Accuracy after each step, (steps + 1,)."""
        return self.right.mean(1)

    @property
    def area(self) -> float:
        """Mean of the probability over the curve: the smaller, the more selective."""
        return float(self.mean_probability.mean())

    def columns(self) -> dict[str, list[Cell]]:
        """A row before any patch is erased, and one after each."""
        return {
            "erased patches": list(range(len(self.right))),
            "probability": self.mean_probability.tolist(),
            "accuracy": self.accuracy.tolist(),
        }

    @property
    def caption(self) -> str:
        """How many images there were."""
        return f"{self.right.shape[1]} images; mean probability of the label"


def selectivity(
    attribution: Attribution,
    images: Any,
    labels: Any,
    *,
    steps: int = 50,
    patch: int | None = None,
    fill: float = 0.0,
    ranking: str = "signed",
    seed: int = 0,
    report: Callable[[], None] = lambda: None,
) -> Selectivity:
    """Erase the strongest patch that is not yet erased, explain again, and so on, `steps` times (Montavon et al. 2018).

    Patches are the squares of `patch` pixels a side, by default of about 1% of the image, that it falls into, cut off at its right and
    lower edge; the score of one is the sum over its pixels. Erased pixels take the value `fill`; `ranking` says what strongest means
    (interp.attributions.pixel_scores). No patch is erased twice; of equally strong ones one drawn by `seed` goes first. `report` is called
    after each step. Raises InputError.
    """
    check_instance("the attribution", attribution, Attribution, "VanillaGradient(model)")
    batch = check_images(images)
    classes = check_model(attribution.model, batch)
    current, truth = np.array(batch), np.asarray(check_labels(labels, batch, classes))
    count, height, width, _ = current.shape
    patch = patch_side(height, width, patch)
    patches = Patches.of_side(height, width, patch)
    check_number("steps", steps, minimum=1, whole=True, maximum=patches.count)
    check_number("fill", fill, minimum=0)
    if fill > 1:
        raise InputError(f"fill came as {fill}, expected a value in [0, 1]")
    check_number("seed", seed, minimum=0, whole=True)
    standing = np.ones((count, patches.count), bool)
    # Many maps are 0 over half of the image; the first of them would always be the corner.
    priority = np.random.RandomState(seed % 2**32).rand(*standing.shape) + 1
    rows = np.arange(count)
    found = [_of_label(attribution, current, truth)]
    layer = None
    for _ in range(steps):
        explanation = attribution.explain(current, truth)
        layer = explanation.layer
        scores = np.where(standing, patches.sums(pixel_scores(explanation.maps, ranking)), -np.inf)
        strongest = ((scores == scores.max(1, keepdims=True)) * priority).argmax(1)
        standing[rows, strongest] = False
        current[patches.of_pixels == strongest[:, None, None]] = fill
        found.append(_of_label(attribution, current, truth))
        report()
    probabilities, right = (np.stack(part) for part in zip(*found, strict=True))
    return Selectivity(probabilities, right, ~standing[:, patches.of_pixels], layer, patch)


def patch_side(height: int, width: int, patch: int | None = None) -> int:
    """The side of a patch in pixels: the one asked for, else that of about 1% of the image. Raises InputError."""
    if patch is None:
        return max(1, round((PART * height * width) ** 0.5))
    check_number("patch", patch, minimum=1, whole=True, maximum=min(height, width))
    return patch


def _of_label(attribution: Attribution, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability of each image's label, and whether no other class has as much."""
    outputs = predict(attribution.model, images, batch_size=attribution.points_at_a_time(images.shape[1:]))
    probabilities = np.asarray(tf.nn.softmax(outputs))
    return probabilities[np.arange(len(labels)), labels], is_right(outputs, labels)

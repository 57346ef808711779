"""Selectivity: how fast a prediction falls when the patches go that its explanation calls strongest."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import tensorflow as tf

from interp.attributions import Attribution, pixel_scores
from interp.core.checks import check_images, check_instance, check_labels, check_number
from interp.core.errors import InputError
from interp.core.json_fields import Bits, Count, Share
from interp.core.results import Result
from interp.core.tables import Cell, counted
from interp.evaluation.patches import Patches
from interp.evaluation.predictions import is_right, predict
from interp.models.model_check import check_model

# Of an image, in a patch.
PART = 0.01


@dataclass(frozen=True)
class Selectivity(Result):
    """How fast the probability of the label falls as patches are erased, the strongest first.

    Attributes:
        probabilities: Probability of the label (steps + 1, n), before any patch is erased and after each.
        right: Booleans (steps + 1, n), whether the label wins.
        erased: Booleans (n, height, width), which pixels were erased in the end; empty in a result that was read from a record.
        layer: Name of the layer that the method looked at; None for methods that look at none.
        patch: Side of a patch in pixels.
        fill: Value that erased pixels took.

    Raises:
        InputError: The fields do not fit each other.
    """

    probabilities: np.ndarray
    right: Annotated[np.ndarray, Bits("probabilities")]
    erased: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0), bool), metadata={"json": False})
    layer: str | None = None
    patch: Count = 1
    fill: Share = 0.0

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
        return f"{counted(self.right.shape[1], 'image')}; mean probability of the label"


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
    """Erase the patch that an explanation ranks first, explain again, and so on (Montavon et al. 2018).

    The image is cut into squares, cut off at its right and lower edge; the score of a patch is the sum over its pixels. No patch is erased
    twice, and of equally strong ones one that is drawn goes first.

    Args:
        attribution: Explanation method with a model.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: Integers (n,), the classes that are explained.
        steps: Number of patches that are erased, one after the other.
        patch: Side of a patch in pixels (default: that of about 1% of the image).
        fill: Value that erased pixels take, in [0, 1].
        ranking: How pixels are ranked: "signed", by the sum over the channels, or "magnitude", by that of magnitudes.
        seed: Seed of all random draws.
        report: Called after each step.

    Returns:
        A Selectivity.

    Raises:
        InputError: The method, images or labels cannot be used, or there are fewer patches than steps.
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
    return Selectivity(probabilities, right, ~standing[:, patches.of_pixels], layer, patch, float(fill))


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

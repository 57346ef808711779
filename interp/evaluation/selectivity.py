"""Selectivity: how fast a prediction falls when the pixels go that its explanation calls strongest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from interp.attributions import Attribution, pixel_scores
from interp.core.checks import check_images, check_labels, check_number
from interp.core.errors import InputError
from interp.evaluation.predictions import is_right, predict
from interp.models.model_check import check_model


@dataclass(frozen=True)
class Selectivity:
    """Curves over the number of erased pixels: `probabilities` (steps + 1, n) of the label, `right` (steps + 1, n) whether it wins.

    `erased` (n, height, width) says which pixels went, `layer` which one the method looked at.
    """

    probabilities: np.ndarray
    right: np.ndarray
    erased: np.ndarray
    layer: str | None

    @property
    def mean_probability(self) -> np.ndarray:
        """Mean probability of the label after each step, (steps + 1,)."""
        return self.probabilities.mean(1)

    @property
    def accuracy(self) -> np.ndarray:
        """Accuracy after each step, (steps + 1,)."""
        return self.right.mean(1)

    @property
    def area(self) -> float:
        """Mean of the probability over the curve: the smaller, the more selective."""
        return float(self.mean_probability.mean())


def selectivity(
    attribution: Attribution,
    images: Any,
    labels: Any,
    *,
    steps: int = 50,
    fill: float = 0.0,
    ranking: str = "signed",
    seed: int = 0,
    report: Callable[[], None] = lambda: None,
) -> Selectivity:
    """Erase the strongest pixel that is not yet erased, explain again, and so on, `steps` times (Montavon et al. 2018).

    Erased pixels take the value `fill`; `ranking` says what strongest means (interp.attributions.pixel_scores). No pixel is
    erased twice; of equally strong ones one drawn by `seed` goes first. `report` is called after each step. Raises InputError.
    """
    if not isinstance(attribution, Attribution):
        raise InputError(
            f"the attribution came as {type(attribution).__name__}, expected one such as VanillaGradient(model)"
        )
    batch = check_images(images)
    classes = check_model(attribution.model, batch)
    current, truth = np.array(batch), np.asarray(check_labels(labels, batch, classes))
    count, height, width, _ = current.shape
    check_number("steps", steps, minimum=1, whole=True, maximum=height * width)
    check_number("fill", fill, minimum=0)
    if fill > 1:
        raise InputError(f"fill came as {fill}, expected a value in [0, 1]")
    check_number("seed", seed, minimum=0, whole=True)
    standing = np.ones((count, height * width), bool)
    # Many maps are 0 over half of the image; the first of them would always be the corner.
    priority = np.random.RandomState(seed % 2**32).rand(count, height * width) + 1
    rows = np.arange(count)
    found = [_of_label(attribution, current, truth)]
    layer = None
    for _ in range(steps):
        explanation = attribution.explain(current, truth)
        layer = explanation.layer
        scores = pixel_scores(explanation.maps, ranking).reshape(count, -1)
        scores = np.where(standing, scores, -np.inf)
        strongest = ((scores == scores.max(1, keepdims=True)) * priority).argmax(1)
        standing[rows, strongest] = False
        current[rows, strongest // width, strongest % width] = fill
        found.append(_of_label(attribution, current, truth))
        report()
    probabilities, right = (np.stack(part) for part in zip(*found, strict=True))
    return Selectivity(probabilities, right, ~standing.reshape(count, height, width), layer)


def _of_label(attribution: Attribution, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability of each image's label, and whether no other class has as much."""
    outputs = predict(attribution.model, images, batch_size=attribution.chunk_size(images.shape[1:]))
    probabilities = np.asarray(tf.nn.softmax(outputs))
    return probabilities[np.arange(len(labels)), labels], is_right(outputs, labels)

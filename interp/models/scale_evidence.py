"""Which scale of images a model was trained on, as far as there is evidence: its own first layers, or its accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from interp.core.errors import ArgumentError
from interp.core.tables import counted
from interp.models.model_check import ModelFacts

# Accuracies this many standard errors apart are not equally good.
ERRORS_APART = 2.0
# Where black and white usually land, and what mean images in [0, 1] usually have; their standard deviation is at most so many times the
# one of images that are black and white alone.
USUAL_RANGES, MEANS, LARGEST_SPREAD = ((0.0, 1.0), (-1.0, 1.0), (-0.5, 0.5)), (0.2, 0.8), 0.7


class UndecidedScaleError(ArgumentError):
    """The accuracies do not say which scale a model was trained on; more images may."""


@dataclass(frozen=True)
class ScaleChoice:
    """A scale by name and why it was chosen."""

    scale: str
    reason: str


def choose_by_layers(facts: ModelFacts) -> ScaleChoice | None:
    """The scale that the model's own first layers say; None where they do not begin with scaling, or could as well take another scale."""
    # Layers that leave images as they are say nothing, and weights learn to scale whatever comes in.
    if facts.lands is None or facts.scales_by_weights or np.allclose(facts.lands, (0, 1), atol=0.01):
        return None
    black, white = facts.lands
    scale = "0..1"
    if facts.expects_another_range:
        scale, white = "0..255", black + 255 * (white - black)
    if not _is_usual(black, white):
        return None
    return ScaleChoice(scale, f"the model scales images itself, and takes {scale} to [{black:.4g}, {white:.4g}]")


def _is_usual(black: float, white: float) -> bool:
    """Whether images are commonly scaled so: to one of the usual ranges, or to mean 0 and standard deviation 1 for statistics of images.

    What normalises images of [-1, 1] would take those of [0, 1] to a range beside 0, or would have too small a spread for their mean.
    """
    if any(np.allclose((black, white), usual, atol=0.02) for usual in USUAL_RANGES):
        return True
    width = white - black
    mean = -black / width
    return MEANS[0] <= mean <= MEANS[1] and 1 / width <= LARGEST_SPREAD * np.sqrt(mean * (1 - mean))


def choose_by_accuracy(
    right: Mapping[str, np.ndarray], classes: int, by_layers: ScaleChoice | None = None
) -> ScaleChoice:
    """The scale with the highest clean accuracy.

    Args:
        right: For each scale whether the prediction for each of the same n images is right, booleans (n,).
        classes: How many classes there are.
        by_layers: What the model's own first layers say, which holds unless another scale is clearly better.

    Returns:
        The scale and why.

    Raises:
        UndecidedScaleError: When no accuracy is above chance, or others are within two standard errors of the best, over the same images.

    Example:
        `choose_by_accuracy({"0..1": right, "0..255": ~right}, 10)`.
    """
    if by_layers is not None:
        said = right[by_layers.scale]
        if not any(_clearly_better(each, said) for each in right.values()):
            return by_layers
    accuracies = {name: float(each.mean()) for name, each in right.items()}
    best = max(accuracies, key=lambda name: accuracies[name])
    count = len(right[best])
    told = ", ".join(f"{name!r} {accuracy:.3f}" for name, accuracy in accuracies.items())
    chance = 1 / classes
    if accuracies[best] <= chance + ERRORS_APART * np.sqrt(chance * (1 - chance) / count):
        raise UndecidedScaleError(
            f"<scale=auto> found no scale with a clean accuracy above chance on {counted(count, 'image')} ({told}): check the order of the "
            "classes, or give <scale=> as in training"
        )
    ties = [name for name in right if name != best and not _clearly_better(right[best], right[name])]
    if ties:
        equal = " and ".join(repr(name) for name in (best, *ties))
        raise UndecidedScaleError(
            f"<scale=auto> cannot tell {equal} apart: clean accuracies on {counted(count, 'image')} are within two standard errors "
            f"({told}); give <scale=> as in training, or more images"
        )
    others = ", ".join(f"{accuracy:.3f} as {name}" for name, accuracy in accuracies.items() if name != best)
    return ScaleChoice(
        best, f"clean accuracy on {counted(count, 'image')} is {accuracies[best]:.3f} as {best}, and {others}"
    )


def _clearly_better(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether more predictions are right, by more than two standard errors of the difference over the same images."""
    difference = one.astype(np.float64) - other
    # Of a few images that all differ alike nothing is certain.
    variance = max(float(difference.var()), 1 / len(difference))
    return bool(difference.mean() > ERRORS_APART * np.sqrt(variance / len(difference)))

"""Which scale of images a model was trained on, as far as there is evidence: its own first layers, or its accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from interp.core.errors import ArgumentError
from interp.models.model_check import ModelFacts

# Accuracies this many standard errors apart are not equally good.
ERRORS_APART = 2.0


class UndecidedScaleError(ArgumentError):
    """The accuracies do not say which scale a model was trained on; more images may."""


@dataclass(frozen=True)
class ScaleChoice:
    """A scale by name and why it was chosen."""

    scale: str
    reason: str


def choose_by_layers(facts: ModelFacts) -> ScaleChoice | None:
    """The scale that the model's own first layers say; None where it does not begin with any that scale."""
    # Layers that leave images as they are say nothing, nor does a batch normalisation that has seen none.
    if facts.lands is None or np.allclose(facts.lands, (0, 1), atol=0.01):
        return None
    black, white = facts.lands
    if facts.expects_another_range:
        black, white = black, black + 255 * (white - black)
        return ScaleChoice("0..255", f"the model scales images itself, and takes 0..255 to [{black:.4g}, {white:.4g}]")
    return ScaleChoice("0..1", f"the model scales images itself, and takes 0..1 to [{black:.4g}, {white:.4g}]")


def choose_by_accuracy(right: Mapping[str, np.ndarray], classes: int) -> ScaleChoice:
    """The scale with the highest clean accuracy.

    Args:
        right: For each scale whether the prediction for each of the same n images is right, booleans (n,).
        classes: How many classes there are.

    Returns:
        The scale and why.

    Raises:
        UndecidedScaleError: When no accuracy is above chance, or others are within two standard errors of the best, over the same images.

    Example:
        `choose_by_accuracy({"0..1": right, "0..255": ~right}, 10)`.
    """
    accuracies = {name: float(each.mean()) for name, each in right.items()}
    best = max(accuracies, key=lambda name: accuracies[name])
    count = len(right[best])
    told = ", ".join(f"{name!r} {accuracy:.3f}" for name, accuracy in accuracies.items())
    chance = 1 / classes
    if accuracies[best] <= chance + ERRORS_APART * np.sqrt(chance * (1 - chance) / count):
        raise UndecidedScaleError(
            f"<scale=auto> found no scale with a clean accuracy above chance on {count} images ({told}): check the order of the "
            "classes, or give <scale=> as in training"
        )
    ties = [name for name in right if name != best and not _clearly_better(right[best], right[name])]
    if ties:
        equal = " and ".join(repr(name) for name in (best, *ties))
        raise UndecidedScaleError(
            f"<scale=auto> cannot tell {equal} apart: clean accuracies on {count} images are within two standard errors ({told}); "
            "give <scale=> as in training, or more images"
        )
    others = ", ".join(f"{accuracy:.3f} as {name}" for name, accuracy in accuracies.items() if name != best)
    return ScaleChoice(best, f"clean accuracy on {count} images is {accuracies[best]:.3f} as {best}, and {others}")


def _clearly_better(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether more predictions are right, by more than two standard errors of the difference over the same images."""
    difference = one.astype(np.float64) - other
    # Of a few images that all differ alike nothing is certain.
    variance = max(float(difference.var()), 1 / len(difference))
    return bool(difference.mean() > ERRORS_APART * np.sqrt(variance / len(difference)))

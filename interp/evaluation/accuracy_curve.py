"""Accuracy under attack against the radius of the attack."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import keras
import numpy as np

from interp.attacks import ProjectedGradientDescent, Untargeted, correct
from interp.core.checks import check_images, check_instance, check_labels, check_listed, check_radius
from interp.core.errors import InputError
from interp.core.json_fields import Bits, Count, Share
from interp.core.results import Result
from interp.core.tables import Cell, counted
from interp.evaluation.flags import Flag, chance_accuracy, random_output, unreached
from interp.evaluation.older_records import completed_curve
from interp.evaluation.predictions import repeated_calls
from interp.evaluation.statistics import ALL_COUNT, IMAGES, binomial_error
from interp.models.model_check import check_model

# How to make an attack, for messages.
PGD = "ProjectedGradientDescent(epsilon=8/255, step_size=2/255, steps=10)"


@dataclass(frozen=True)
class AccuracyCurve(Result):
    """Accuracy of a model under attack against the radius of the attack.

    Attributes:
        epsilons: Radii of the ball in rising order, for images in [0, 1].
        accuracies: Share of the images that are classified right, one for each radius.
        count: Number of images.
        protocol: How the images were attacked, in words.
        right: Booleans (radii, count), whether each image is classified right; empty where only accuracies are known.
        flags: Reasons not to trust the figures: a clean accuracy at chance, outputs that are drawn, or steps too short for the largest
            radius.

    Raises:
        InputError: The fields do not fit each other.
    """

    epsilons: tuple[float, ...]
    accuracies: tuple[Share, ...]
    count: Count = field(metadata=IMAGES)
    protocol: str
    right: Annotated[np.ndarray, Bits("count")] = field(
        default_factory=lambda: np.empty((0, 0), bool), compare=False, repr=False
    )
    flags: tuple[Flag, ...] = ()

    def __post_init__(self) -> None:
        self._expect(len(self.epsilons) == len(self.accuracies), "an accuracy for each of the epsilons")
        shape = len(self.epsilons), self.count
        self._expect(not self.right.size or self.right.shape == shape, f"right of shape {shape}")

    @property
    def standard_errors(self) -> tuple[float, ...]:
        """Binomial standard error of each accuracy."""
        return tuple(binomial_error(value, self.count) for value in self.accuracies)

    def columns(self) -> dict[str, list[Cell]]:
        """A radius a row."""
        return {
            "eps": [*self.epsilons],
            "accuracy": [*self.accuracies],
            "standard error": [*self.standard_errors],
        }

    @property
    def caption(self) -> str:
        """How many images there were and how they were attacked."""
        return f"{counted(self.count, 'image')}; {self.protocol}"

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return completed_curve(values)


def accuracy_curve(
    model: keras.Model,
    images: Any,
    labels: Any,
    attack: ProjectedGradientDescent,
    epsilons: Sequence[float],
    *,
    carry: bool = True,
    seed: int = 0,
    batch_size: int = 250,
    report: Callable[[], None] = lambda: None,
) -> AccuracyCurve:
    """Measure the accuracy of a model under an attack at each of several radii.

    An attack found at one radius lies in every larger ball. So with `carry` an image that was broken once stays broken and is not attacked
    again, and the accuracy never rises with the radius. Without it each radius stands alone and all images are attacked, as in Boopathy et
    al. 2020: one that is wrong without an attack counts where the attack happens to make it right.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: Integers (n,), the true classes.
        attack: The attack, with the goal Untargeted(); its own radius is not used.
        epsilons: Radii of the ball, for images in [0, 1], in any order.
        carry: Whether attacks found at smaller radii count at larger ones.
        seed: Seed of all random draws.
        batch_size: Number of images processed at a time; random draws do not depend on it.
        report: Called after each radius.

    Returns:
        An AccuracyCurve, its radii in rising order.

    Raises:
        InputError: The model, images, labels or radii cannot be used, or the goal of the attack is another one.
    """
    check_instance("the attack", attack, ProjectedGradientDescent, PGD)
    if not isinstance(attack.goal, Untargeted):
        raise InputError(
            f"the attack came with the goal {type(attack.goal).__name__}, expected an attack towards any wrong class: set goal=Untargeted()"
        )
    radii = check_epsilons(epsilons, attack.norm)
    batch = check_images(images)
    classes = check_model(model, batch)
    images, labels = batch.numpy(), check_labels(labels, batch, classes).numpy()
    standing = correct(model, images, labels, batch_size=batch_size)
    flags = (
        *chance_accuracy(standing, labels, classes),
        *random_output(*repeated_calls(model, batch[:batch_size])),
        *unreached(radii[-1], attack.step_size, attack.steps),
    )
    found = []
    for epsilon in radii:
        rows = np.flatnonzero(standing) if carry else np.arange(len(images))
        right = standing.copy()
        if epsilon > 0 and len(rows):
            adversarial = replace(attack, epsilon=epsilon)(
                model, images[rows], labels[rows], seed=seed, batch_size=batch_size
            )
            right[rows] = correct(model, adversarial, labels[rows], batch_size=batch_size)
        found.append(right)
        standing = right if carry else standing
        report()
    accuracies = tuple(float(right.mean()) for right in found)
    return AccuracyCurve(radii, accuracies, len(images), describe_protocol(attack, carry=carry), np.array(found), flags)


def check_epsilons(epsilons: Sequence[float], norm: str = "linf") -> tuple[float, ...]:
    """Return the radii in rising order, each once; raises InputError for one that is none."""
    check_listed("epsilons", epsilons, "[0, 0.1]")
    for epsilon in epsilons:
        check_radius("epsilon", epsilon, norm)
    return tuple(sorted(set(map(float, epsilons))))


def describe_protocol(attack: ProjectedGradientDescent, *, carry: bool) -> str:
    """Describe how the accuracy under an attack is measured, for the caption of a table.

    Args:
        attack: The attack.
        carry: Whether attacks found at smaller radii count at larger ones.

    Returns:
        One line of text.

    Raises:
        InputError: The attack is no ProjectedGradientDescent.
    """
    check_instance("the attack", attack, ProjectedGradientDescent, PGD)
    start = "no random start" if not attack.random_start else f"worst of {counted(attack.restarts, 'random start')}"
    gradients = "" if attack.precision == "float32" else f", gradients in {attack.precision}"
    kept = "found attacks carried to larger eps" if carry else "each eps alone"
    told = f"PGD-{attack.steps} ({attack.norm}, step {attack.step_size:g}, {start}, {attack.iterate} iterate, {kept}{gradients})"
    return told if carry else f"{told}; {ALL_COUNT}"

"""Reasons not to believe a figure: of the attack that gave it, or of the network it is of."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from interp.attacks.targeted import STEP_FRACTION
from interp.core.tables import counted
from interp.evaluation.statistics import EPS

# Steps of PGD reach, one after the other, so many radii of the ball (Madry et al. 2018): the border from the far side, and room to turn.
USUAL_REACH = 2.5
# As much less is a matter of rounding, in a step size that was written with three digits.
_ROUNDING = 0.99


@dataclass(frozen=True)
class Flag:
    """A reason not to trust a figure.

    Attributes:
        kind: What it is, in a word or two.
        text: What was seen and what it means.
        epsilon: Radius that it belongs to; None where it belongs to none, or where its place says so.
    """

    kind: str
    text: str
    epsilon: float | None = field(default=None, metadata=EPS)


def at_radius(flags: Iterable[Flag], epsilon: float) -> tuple[Flag, ...]:
    """The flags of a figure as those of its radius, among flags of others."""
    return tuple(replace(flag, epsilon=epsilon) for flag in flags)


def reaches(epsilon: float, step_size: float, steps: int, radii: float = 1.0) -> bool:
    """Whether all steps one after the other are so many times as long as the radius `epsilon`."""
    return steps * step_size >= _ROUNDING * radii * epsilon


def weak_attack(epsilon: float, step_size: float, steps: int, seen: str = "") -> Flag:
    """The flag of an attack whose steps are too short for the radius, with what was `seen` of it."""
    reach, usual = steps * step_size, USUAL_REACH * epsilon / steps
    fault = (
        "the attack is weak"
        if reaches(epsilon, step_size, steps)
        else "this attack cannot reach the surface of the ball"
    )
    return Flag(
        "weak attack",
        f"{counted(steps, 'step')} of {step_size:.3g} {'reaches' if steps == 1 else 'reach'} {reach:.3g} at most, eps is "
        f"{epsilon:.3g}{seen}: {fault}, which says nothing of the network; take steps of {usual:.3g} (2.5 eps / steps) or more of them",
    )


def unreached(epsilon: float, step_size: float, steps: int) -> tuple[Flag, ...]:
    """Flag an attack whose steps, one after the other, cannot reach the surface of the ball.

    Args:
        epsilon: Radius of the ball, for images in [0, 1].
        step_size: Size of a step, in the same unit.
        steps: Number of steps.

    Returns:
        One flag, or none.
    """
    return () if reaches(epsilon, step_size, steps) else (weak_attack(epsilon, step_size, steps),)


def weak_search(steps: int, direction: str) -> tuple[Flag, ...]:
    """The flag of a targeted search whose steps in a round, a fifth of the radius each and by sign falling to 0, do not cross a radius."""
    factor = 0.5 if direction == "sign" else 1.0
    reach = STEP_FRACTION * (1 + (steps - 1) * factor)
    if reach >= _ROUNDING:
        return ()
    enough = math.ceil(round((1 / STEP_FRACTION - 1) / factor, 6)) + 1
    return (
        Flag(
            "weak attack",
            f"{counted(steps, 'step')} a round {'comes' if steps == 1 else 'come'} {reach:.2g} of a radius far at most: the search is weak "
            f"and radii come out too large, which says nothing of the network; take {enough} steps or more",
        ),
    )


def random_output(change: float, draws: bool) -> tuple[Flag, ...]:
    """The flag of a network that draws: two identical calls differ by `change`, and not by rounding alone."""
    if not draws:
        return ()
    text = f"two identical calls differ by up to {change:.3g}: something random, such as dropout, is on in inference"
    return (Flag("random output", f"{text}; its accuracies and maps are draws, not figures"),)


def chance_accuracy(right: np.ndarray, labels: Any, classes: int) -> tuple[Flag, ...]:
    """Flag a clean accuracy that is not above chance.

    Chance is the larger of 1 / classes and the share of the most frequent label, plus two standard errors of so many images. Where all
    images have one label a constant answer is right, so the share does not count.

    Args:
        right: Booleans (n,), whether each image is classified right.
        labels: Integers (n,), the true classes.
        classes: Number of classes.

    Returns:
        One flag, or none.
    """
    shares = np.unique(np.asarray(labels), return_counts=True)[1] / len(right)
    chance = max(1 / classes, float(shares.max()) if len(shares) > 1 else 0.0)
    limit = chance + 2 * float(np.sqrt(chance * (1 - chance) / len(right)))
    accuracy = float(np.mean(right))
    # Of a handful of images no accuracy is above chance by that much: then all right is no sign of anything.
    if accuracy > min(limit, 1 - 0.5 / len(right)):
        return ()
    return (
        Flag(
            "chance accuracy",
            f"the clean accuracy of {accuracy:.3f} on {counted(len(right), 'image')} is not above chance ({limit:.3f}): no figure of its "
            "robustness means anything; most often the model scales its input itself and got [0, 1] twice, or the labels are not those of "
            "its classes",
        ),
    )

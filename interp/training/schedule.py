"""When a training uses which learning rate and which radius of the inner attack; steps are optimiser steps from 0."""

from dataclasses import asdict, dataclass, replace

import numpy as np

from interp.core.checks import check_number, check_radius
from interp.core.errors import InputError, check_choice
from interp.core.names import INNER_ATTACKS, PRECISIONS, RATE_SHAPES, THREAT_NORMS
from interp.data import DATASETS


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Length, learning rates and inner attack of a training; steps are optimiser steps from 0.

    Args:
        epochs: Number of epochs.
        batch_size: Number of images in a step.
        learning_rates: Pairs (first step, rate) in rising order, the first at step 0.
        epsilon: Radius of the inner attack, for images in [0, 1].
        ramp: (first step, last step) between which the radius grows from 0 to `epsilon`.
        attack_steps: Number of steps of the inner attack.
        attack_step_size: Size of a step of the inner attack, for images in [0, 1].
        attack_precision: Precision of the inner attack, "float32" or "bfloat16".
        norm: Norm of the ball, "linf" or "l2".
        rate_shape: "steps" keeps a rate until the next one, "linear" changes it along a line to the next one; the last one stays.

    Raises:
        InputError: An argument is not as described or out of its range.
    """

    epochs: int
    batch_size: int
    learning_rates: tuple[tuple[int, float], ...]
    epsilon: float
    ramp: tuple[int, int]
    attack_steps: int
    attack_step_size: float
    attack_precision: str = "float32"
    norm: str = "linf"
    rate_shape: str = "steps"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "attack_steps"):
            check_number(name, getattr(self, name), minimum=1, whole=True)
        check_choice("precision", self.attack_precision, PRECISIONS)
        check_choice("norm", self.norm, THREAT_NORMS)
        check_choice("rate_shape", self.rate_shape, RATE_SHAPES)
        check_radius("epsilon", self.epsilon, self.norm)
        check_number("attack_step_size", self.attack_step_size, minimum=0, strict=True)
        check_radius("attack_step_size", self.attack_step_size, self.norm)
        if not isinstance(self.learning_rates, (tuple, list)) or not all(
            isinstance(part, tuple) and len(part) == 2 for part in self.learning_rates
        ):
            raise InputError(
                f"learning rates came as {self.learning_rates}, expected pairs (first step, rate) such as ((0, 1e-3),)"
            )
        for start, rate in self.learning_rates:
            check_number("first step of a learning rate", start, minimum=0, whole=True)
            check_number("learning rate", rate, minimum=0, strict=True)
        starts = [start for start, _ in self.learning_rates]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise InputError(f"learning rates start at steps {starts}, expected rising steps from 0")
        if not isinstance(self.ramp, (tuple, list)) or len(self.ramp) != 2:
            raise InputError(f"the ramp came as {self.ramp}, expected (first step, last step) such as (0, 1000)")
        for step in self.ramp:
            check_number("a step of the ramp", step, minimum=0, whole=True)
        if not 0 <= self.ramp[0] <= self.ramp[1]:
            raise InputError(f"the ramp came as {self.ramp}, expected (first step, last step) in order")

    def learning_rate(self, step: int) -> float:
        """Return the learning rate at a step.

        Args:
            step: Number of the step, from 0.

        Returns:
            The rate.
        """
        if self.rate_shape == "linear":
            steps, rates = zip(*self.learning_rates, strict=True)
            return float(np.interp(step, steps, rates))
        return [rate for start, rate in self.learning_rates if start <= step][-1]

    def radius(self, step: int) -> float:
        """Return the radius of the inner attack at a step.

        Args:
            step: Number of the step, from 0.

        Returns:
            The radius, for images in [0, 1].
        """
        first, last = self.ramp
        if step >= last:
            return self.epsilon
        return self.epsilon * max(step - first, 0) / max(last - first, 1)


def for_objective(schedule: Schedule, tag: str) -> Schedule:
    """Give a schedule the inner attack of a training method, where that is always the same one (one step in "fast").

    Args:
        schedule: The schedule.
        tag: Name of the training method.

    Returns:
        The Schedule, as it came for all other methods.
    """
    if tag not in INNER_ATTACKS or not schedule.epsilon:
        return schedule
    steps, reach = INNER_ATTACKS[tag]
    return replace(schedule, attack_steps=steps, attack_step_size=_step_size(reach * schedule.epsilon, schedule.norm))


def _step_size(size: float, norm: str) -> float:
    """A step as it is; in linf one of 1 leads from any image to any other."""
    return min(size, 1.0) if norm == "linf" else size


def plain_schedule(*, epochs: int, batch_size: int, learning_rate: float, slower_from: int | None = None) -> Schedule:
    """Make the schedule of a training without an inner attack.

    Args:
        epochs: Number of epochs.
        batch_size: Number of images in a step.
        learning_rate: Learning rate of the first steps.
        slower_from: Step from which on the rate is a tenth (default: it stays).

    Returns:
        A Schedule of radius 0.

    Raises:
        InputError: An argument is out of its range.
    """
    rates = ((0, learning_rate),) if slower_from is None else ((0, learning_rate), (slower_from, learning_rate / 10))
    return Schedule(
        epochs=epochs,
        batch_size=batch_size,
        learning_rates=rates,
        epsilon=0.0,
        ramp=(0, 0),
        attack_steps=1,
        attack_step_size=0.01,
    )


def usual_schedule(
    images: int,
    epsilon: float,
    *,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float = 1e-3,
    attack_steps: int = 10,
    norm: str = "linf",
) -> Schedule:
    """Make a schedule for a set of your own.

    Batches of 32 images for up to 5,000, of 64 for up to 20,000, else of 128; epochs that see 300,000 images, from 10 to 60; Adam's rate a
    tenth from 60% of the steps on; the radius grows over the first 30% of them; the inner attack's steps reach 2.5 times the radius.

    Args:
        images: Number of training images.
        epsilon: Radius of the inner attack, for images in [0, 1].
        epochs: Number of epochs (default: as above).
        batch_size: Number of images in a step (default: as above).
        learning_rate: Learning rate of the first steps.
        attack_steps: Number of steps of the inner attack.
        norm: Norm of the ball, "linf" or "l2".

    Returns:
        A Schedule, for `train` and `RobustModel`.

    Raises:
        InputError: A number is out of its range.

    Example:
        `usual_schedule(5000, 8 / 255, epochs=20)`.
    """
    check_number("images", images, minimum=1, whole=True)
    check_number("attack_steps", attack_steps, minimum=1, whole=True)
    for what, given in (("epochs", epochs), ("batch_size", batch_size)):
        if given is not None:
            check_number(what, given, minimum=1, whole=True)
    check_choice("norm", norm, THREAT_NORMS)
    check_radius("epsilon", epsilon, norm)
    if batch_size is None:
        batch_size = min(images, 32 if images <= 5_000 else 64 if images <= 20_000 else 128)
    if epochs is None:
        epochs = min(60, max(10, 300_000 // images))
    steps = epochs * (images // batch_size)
    slower = max(1, round(0.6 * steps))
    return Schedule(
        epochs=epochs,
        batch_size=batch_size,
        learning_rates=((0, learning_rate), (slower, learning_rate / 10)),
        epsilon=epsilon,
        ramp=(0, round(0.3 * steps)),
        attack_steps=attack_steps,
        # Without a radius there is no attack; its steps must have a size all the same.
        attack_step_size=_step_size(2.5 * epsilon / attack_steps, norm) or 0.01,
        norm=norm,
    )


# By the prefix of the dataset.
PAPER = {
    spec.prefix: Schedule(**asdict(spec.paper_schedule))
    for spec in DATASETS.values()
    if spec.paper_schedule is not None
}

"""APGD, projected gradient descent that finds its own step size (Croce and Hein 2020, arXiv 2003.01690)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from interp.attacks.attack import Batch, PredictionAttack, static
from interp.attacks.goals import Classes
from interp.attacks.loop import Evaluation, choose, mean_of_calls, until_broken, value_and_gradient, worse
from interp.core.balls import find_ball
from interp.core.checks import MOST_STEPS, check_number, check_radius
from interp.core.errors import check_choice
from interp.models.prepared import prepare

# The log odds rank points as the cross-entropy does, and do not underflow.
LOSSES = ("ce", "dlr", "margin")
# A step keeps this share of the newest move, and a step size lasts while this share of its steps raises the loss.
MOMENTUM, SUCCESS_SHARE = 0.75, 0.75


@dataclass(frozen=True, kw_only=True)
class AutoPGD(PredictionAttack):
    """APGD, projected gradient descent that finds its own step size (Croce and Hein 2020).

    Step sizes start at 2 `epsilon` and halve, per image, where the loss stops to rise, going back to the best point so
    far. An image is left at its first iterate that reaches the goal. With `goal=Likeliest(9)` it is APGD-T: each image
    is led to its likeliest other classes side by side.

    Args:
        goal: What is to be reached: Untargeted() (any class but the label), Targeted(classes), RandomTarget() or
            Likeliest().
        epsilon: Radius of the ball, for images in [0, 1]; in linf at most 1.
        steps: Number of steps, at least 1.
        loss: "ce" (cross-entropy), "dlr" (difference of logits ratio, which needs 3 classes, towards a class 4) or
            "margin" (the difference of logits alone).
        restarts: Number of random starts, at least 1; the worst result of each image is returned.
        norm: Norm of the ball, "linf" or "l2" (over all pixels and channels).
        expectation: Calls of the model whose mean each gradient is; more than 1 for models that draw numbers in
            inference.

    Raises:
        InputError: A setting is out of its range or unknown; when called, the model has too few classes for "dlr".
    """

    epsilon: float
    steps: int = static(100)
    loss: str = static("ce")
    restarts: int = 1
    norm: str = static("linf")
    expectation: int = static(1)

    def __post_init__(self) -> None:
        super().__post_init__()
        find_ball(self.norm)
        check_radius("epsilon", self.epsilon, self.norm)
        check_number("steps", self.steps, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("restarts", self.restarts, minimum=1, whole=True)
        check_number("expectation", self.expectation, minimum=1, whole=True)
        check_choice("loss", self.loss, LOSSES)

    def _starts(self, images: tf.Tensor, seed: int) -> Iterator[tuple[tf.Tensor, ...]]:
        for restart in range(self.restarts):
            yield (find_ball(self.norm).random_point(images, self.epsilon, (seed, restart)),)

    def _run(self, batch: Batch) -> tf.Tensor:
        epsilon = batch.numbers["epsilon"]
        ball = find_ball(self.norm)
        loss = {"ce": self.goal.value, "dlr": self.goal.ratio, "margin": self.goal.lead}[self.loss]
        forward = prepare(batch.model, rearrange=ball.pixelwise)
        windows = tf.constant(checkpoint_windows(self.steps))

        def evaluate(points: tf.Tensor, classes: Classes) -> tuple[tf.Tensor, Evaluation]:
            def objective(points: tf.Tensor) -> Evaluation:
                outputs = forward.logits(points)
                return Evaluation(loss(outputs, classes), self.goal.harm(outputs, classes))

            return mean_of_calls(lambda: value_and_gradient(objective, points), self.expectation)

        def step(number: tf.Tensor, rows: _Rows) -> _Rows:
            points = rows.points
            stepped = ball.inside(points + _each(rows.step_size) * ball.steepest(rows.gradient), rows.limits, epsilon)
            share = tf.where(number > 0, MOMENTUM, 1.0)
            inertia = (1 - share) * (points - rows.previous)
            moved = ball.inside(points + share * (stepped - points) + inertia, rows.limits, epsilon)
            gradient, found = evaluate(moved, rows.classes)
            worst, harm = worse(moved, found.harm, rows.worst, rows.harm)
            best_is_new = found.value > rows.best_value
            rows = rows._replace(
                points=moved,
                previous=points,
                gradient=gradient,
                value=found.value,
                rises=rows.rises + tf.cast(found.value > rows.value, tf.float32),
                worst=worst,
                harm=harm,
                best=choose(best_is_new, moved, rows.best),
                best_gradient=choose(best_is_new, gradient, rows.best_gradient),
                best_value=tf.maximum(found.value, rows.best_value),
            )
            window = windows[number]
            return tf.cond(window > 0, lambda: _at_checkpoint(rows, tf.cast(window, tf.float32)), lambda: rows)

        start = forward.enter(batch.draws[0])
        gradient, first = evaluate(start, batch.classes)
        zero = tf.zeros_like(first.value)
        rows = _Rows(
            classes=batch.classes,
            limits=ball.limits(batch.images, epsilon, forward.enter),
            points=start,
            previous=start,
            gradient=gradient,
            value=first.value,
            rises=zero,
            worst=start,
            harm=first.harm,
            best=start,
            best_gradient=gradient,
            best_value=first.value,
            step_size=zero + 2 * epsilon,
            value_at_checkpoint=first.value,
            halved_at_checkpoint=tf.ones_like(zero, tf.bool),
        )
        return forward.leave(until_broken(step, rows, self.steps, images=batch.together)[0])


class _Rows(NamedTuple):
    """What belongs to each image: the newest point and the one before it, the most harmful, the one of best value, the schedule."""

    classes: Classes
    limits: tuple[tf.Tensor, ...]
    points: tf.Tensor
    previous: tf.Tensor
    gradient: tf.Tensor
    value: tf.Tensor
    rises: tf.Tensor  # steps since the last checkpoint that raised the value
    worst: tf.Tensor
    harm: tf.Tensor
    best: tf.Tensor
    best_gradient: tf.Tensor
    best_value: tf.Tensor
    step_size: tf.Tensor
    value_at_checkpoint: tf.Tensor  # the best one then
    halved_at_checkpoint: tf.Tensor


def checkpoint_windows(steps: int) -> np.ndarray:
    """For each step (steps,) the number of steps since the last checkpoint if there is one after it, else 0.

    The first window has 22% of all steps, each later one 3% less than the one before it, but at least 6%.
    """
    window, least, shrink = max(int(0.22 * steps), 1), max(int(0.06 * steps), 1), max(int(0.03 * steps), 1)
    ends = np.zeros(steps, np.int32)
    at = window
    while at <= steps:
        ends[at - 1] = window
        window = max(window - shrink, least)
        at += window
    return ends


def _at_checkpoint(rows: _Rows, window: tf.Tensor) -> _Rows:
    """Halve the step size, and go back to the best point, where too few steps rose or nothing was gained with it."""
    oscillates = rows.rises <= SUCCESS_SHARE * window
    stalls = ~rows.halved_at_checkpoint & (rows.value_at_checkpoint >= rows.best_value)
    halve = oscillates | stalls
    return rows._replace(
        step_size=tf.where(halve, rows.step_size / 2, rows.step_size),
        points=choose(halve, rows.best, rows.points),
        gradient=choose(halve, rows.best_gradient, rows.gradient),
        rises=tf.zeros_like(rows.rises),
        value_at_checkpoint=rows.best_value,
        halved_at_checkpoint=halve,
    )


def _each(values: tf.Tensor) -> tf.Tensor:
    return values[:, None, None, None]

"""APGD, projected gradient descent that finds its own step size (Croce and Hein 2020, arXiv 2003.01690)."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from interp.attacks.attack import Attack, Batch
from interp.attacks.classification import difference_of_logits_ratio, log_odds_against, margin
from interp.attacks.loop import Evaluation, Rows, choose, until_broken, value_and_gradient, worse
from interp.core.balls import LinfBall
from interp.core.checks import MOST_STEPS, check_number, check_radius
from interp.core.errors import check_choice
from interp.models.forward import prepare_forward

# The log odds rank points as the cross-entropy does, and do not underflow.
LOSSES = {"ce": log_odds_against, "dlr": difference_of_logits_ratio}
# A step keeps this share of the newest move, and a step size lasts while this share of its steps raises the loss.
MOMENTUM, SUCCESS_SHARE = 0.75, 0.75


@dataclass(frozen=True, kw_only=True)
class AutoPGD(Attack):
    """APGD in the l_inf ball of radius `epsilon` on the `loss` ce (cross-entropy) or dlr (difference of logits ratio, K >= 3).

    Step sizes start at 2 eps and halve, per image, where the loss stops to rise, going back to the best point so far. Each of
    `restarts` starts uniformly in the ball; an image is left at its first misclassified iterate. Raises InputError.
    """

    epsilon: float
    steps: int = 100
    loss: str = "ce"
    restarts: int = 1

    def __post_init__(self) -> None:
        check_radius("epsilon", self.epsilon)
        check_number("steps", self.steps, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("restarts", self.restarts, minimum=1, whole=True)
        check_choice("loss", self.loss, LOSSES)

    @property
    def _leaves_broken(self) -> bool:
        return True

    def _starts(self, images: tf.Tensor, seed: int) -> Iterator[tuple[tf.Tensor, ...]]:
        for restart in range(self.restarts):
            yield (LinfBall().random_point(images, self.epsilon, (seed, restart)),)

    def _structure(self) -> Hashable:
        return self.loss, self.steps

    def _numbers(self) -> tuple[float | int, ...]:
        return (float(self.epsilon),)

    def _run(self, batch: Batch) -> tf.Tensor:
        model, images, labels, draws, numbers = batch
        (epsilon,) = numbers
        ball, loss = LinfBall(), LOSSES[self.loss]
        forward = prepare_forward(model, rearrange=True)
        windows = tf.constant(checkpoint_windows(self.steps))

        def evaluate(points: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, Evaluation]:
            def objective(points: tf.Tensor) -> Evaluation:
                outputs = forward.logits(points)
                return Evaluation(loss(outputs, labels), margin(outputs, labels))

            return value_and_gradient(objective, points)

        def step(number: tf.Tensor, rows: Rows) -> Rows:
            points, limits = rows["points"], (rows["lower"], rows["upper"])
            stepped = ball.inside(points + _each(rows["step size"]) * ball.steepest(rows["gradient"]), limits, epsilon)
            share = tf.where(number > 0, MOMENTUM, 1.0)
            inertia = (1 - share) * (points - rows["previous"])
            moved = ball.inside(points + share * (stepped - points) + inertia, limits, epsilon)
            gradient, found = evaluate(moved, rows["labels"])
            worst, harm = worse(moved, found.harm, rows["worst"], rows["harm"])
            best_is_new = found.value > rows["best value"]
            rows = {
                **rows,
                "points": moved,
                "previous": points,
                "gradient": gradient,
                "value": found.value,
                "rises": rows["rises"] + tf.cast(found.value > rows["value"], tf.float32),
                "worst": worst,
                "harm": harm,
                "best": choose(best_is_new, moved, rows["best"]),
                "best gradient": choose(best_is_new, gradient, rows["best gradient"]),
                "best value": tf.maximum(found.value, rows["best value"]),
            }
            window = windows[number]
            return tf.cond(window > 0, lambda: _at_checkpoint(rows, tf.cast(window, tf.float32)), lambda: rows)

        start = forward.enter(draws[0])
        lower, upper = ball.limits(images, epsilon, forward.enter)
        gradient, first = evaluate(start, labels)
        zero = tf.zeros_like(first.value)
        rows = {
            "labels": labels,
            "lower": lower,
            "upper": upper,
            "points": start,
            "previous": start,
            "gradient": gradient,
            "value": first.value,
            "rises": zero,
            "worst": start,
            "harm": first.harm,
            "best": start,
            "best gradient": gradient,
            "best value": first.value,
            "step size": zero + 2 * epsilon,
            "best value at checkpoint": first.value,
            "halved at checkpoint": tf.ones_like(labels, tf.bool),
        }
        return forward.leave(until_broken(step, rows, self.steps)[0])


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


def _at_checkpoint(rows: Rows, window: tf.Tensor) -> Rows:
    """Halve the step size, and go back to the best point, where too few steps rose or nothing was gained with it."""
    oscillates = rows["rises"] <= SUCCESS_SHARE * window
    stalls = ~rows["halved at checkpoint"] & (rows["best value at checkpoint"] >= rows["best value"])
    halve = oscillates | stalls
    return {
        **rows,
        "step size": tf.where(halve, rows["step size"] / 2, rows["step size"]),
        "points": choose(halve, rows["best"], rows["points"]),
        "gradient": choose(halve, rows["best gradient"], rows["gradient"]),
        "rises": tf.zeros_like(rows["rises"]),
        "best value at checkpoint": rows["best value"],
        "halved at checkpoint": halve,
    }


def _each(values: tf.Tensor) -> tf.Tensor:
    return values[:, None, None, None]

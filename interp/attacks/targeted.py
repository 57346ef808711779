"""What minimum-eps and interpretability sneaking attacks share (Boopathy et al. 2020, section 6).

Steps towards a target class in a ball of a radius per image, and the bisection of a number per image.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from interp.attacks.loop import Objective, ascend, choose
from interp.core.balls import BALLS, Ball
from interp.core.errors import check_choice
from interp.core.names import DIRECTIONS

STEP_FRACTION = 0.2
# The paper's code multiplies the gradient of a batch mean by this before it clips it to [-1, 1].
REFERENCE_SCALE = 1000.0


@dataclass(frozen=True)
class TargetedSteps:
    """Steps of a fifth of the radius along the steepest direction of the `ball`, in linf the gradient's sign, shrinking to nothing.

    The direction "reference" clips the gradient, times `scale`, to [-1, 1] and keeps the size of the steps, as the paper's code
    does: it hardly moves where gradients are small. Raises InputError for another direction.
    """

    direction: str
    steps: tf.Tensor
    scale: tf.Tensor
    ball: Ball = BALLS["linf"]

    def __post_init__(self) -> None:
        check_choice("direction", self.direction, DIRECTIONS)

    @property
    def by_sign(self) -> bool:
        """Whether steps are as long as the ball allows, whatever the gradient's size."""
        return self.direction == "sign"

    def move(self, points: tf.Tensor, gradient: tf.Tensor, radius: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """The next points, not yet projected; `radius` (n,)."""
        size = STEP_FRACTION * radius[:, None, None, None]
        if not self.by_sign:
            return points + size * tf.clip_by_value(self.scale * gradient, -1.0, 1.0)
        shrink = 1 - tf.cast(step, tf.float32) / tf.cast(self.steps, tf.float32)
        return points + shrink * size * self.ball.steepest(gradient)

    def inside(self, points: tf.Tensor, limits: tuple[tf.Tensor, ...], radius: tf.Tensor) -> tf.Tensor:
        """Points projected onto the ball of the radius (n,) that the limits are of."""
        return self.ball.inside(points, limits, radius[:, None, None, None])

    def run(
        self, objective: Objective, start: tf.Tensor, radius: tf.Tensor, limits: tuple[tf.Tensor, ...]
    ) -> tf.Tensor:
        """Raise the objective from `start` within the limits of the ball; by sign the worst iterate counts, else the last."""

        def move(points: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
            return self.inside(self.move(points, gradient, radius, step), limits, radius)

        return ascend(objective, move, start, self.steps, keep_worst=self.by_sign)


def at_target(margins: tf.Tensor, distances: tf.Tensor) -> tf.Tensor:
    """The cost of a Trial (n,): the distance where the margin is negative, so the target predicted."""
    failed = tf.math.is_nan(margins) | tf.math.is_nan(distances)
    return tf.where(failed, np.float32(np.nan), tf.where(margins < 0, distances, np.inf))


def better(points: tf.Tensor, cost: tf.Tensor, best: tf.Tensor, least: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Of each image the points of less cost, and that cost (n,)."""
    # Nothing is less than NaN, so it stays, and the attack as a whole reports it.
    return choose(cost < least, points, best), tf.where((cost < least) | tf.math.is_nan(cost), cost, least)


class Trial(NamedTuple):
    """What came of a value of each image."""

    points: tf.Tensor
    cost: tf.Tensor  # (n,): small is good, infinite where it was of no use, NaN where it could not be computed
    larger: tf.Tensor  # (n,): whether larger values are to be tried, else smaller ones


def bisect(
    attempt: Callable[[tf.Tensor, tf.Tensor], Trial],
    first: tf.Tensor,
    start: tf.Tensor,
    rounds: tf.Tensor | int,
    largest: float = 1.0,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Try `rounds` values of each image between 0 and `largest`, from `first` (n,) on; return the points of least cost, and that cost (n,).

    `attempt(number, values)` gives the Trial of a round. The next value is the middle of what is left, towards larger ones at most twice
    the last. Where nothing was of use `start` and an infinite cost are returned, where a cost was NaN, NaN.
    """

    def one_round(
        number: tf.Tensor, value: tf.Tensor, low: tf.Tensor, high: tf.Tensor, best: tf.Tensor, least: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        points, cost, larger = attempt(number, value)
        best, least = better(points, cost, best, least)
        low, high = tf.where(larger, value, low), tf.where(larger, high, value)
        middle = (low + high) / 2
        return number + 1, tf.where(larger, tf.minimum(2 * value, middle), middle), low, high, best, least

    none = tf.zeros_like(first)
    state = (0, first, none, none + largest, start, none + np.inf)
    *_, best, least = tf.while_loop(lambda number, *_: number < rounds, one_round, state)
    return best, least

"""Bisection of a number per image between 0 and 1, for use inside compiled functions (Boopathy et al. 2020, section 6)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from interp.attacks.loop import choose


class Trial(NamedTuple):
    """What came of a value of each image."""

    points: tf.Tensor
    cost: tf.Tensor  # (n,): small is good, infinite where it was of no use, NaN where it could not be computed
    larger: tf.Tensor  # (n,): whether larger values are to be tried, else smaller ones


def bisect(
    attempt: Callable[[tf.Tensor, tf.Tensor], Trial], first: tf.Tensor, start: tf.Tensor, rounds: tf.Tensor | int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Try `rounds` values of each image, from `first` (n,) on; return the points of least cost, and that cost (n,).

    `attempt(number, values)` gives the Trial of a round. The next value is the middle of what is left, towards larger ones at most twice
    the last. Where nothing was of use `start` and an infinite cost are returned, where a cost was NaN, NaN.
    """

    def one_round(
        number: tf.Tensor, value: tf.Tensor, low: tf.Tensor, high: tf.Tensor, best: tf.Tensor, least: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        points, cost, larger = attempt(number, value)
        best = choose(cost < least, points, best)
        # Nothing is less than NaN, so it stays, and the attack as a whole reports it.
        least = tf.where((cost < least) | tf.math.is_nan(cost), cost, least)
        low, high = tf.where(larger, value, low), tf.where(larger, high, value)
        middle = (low + high) / 2
        return number + 1, tf.where(larger, tf.minimum(2 * value, middle), middle), low, high, best, least

    none = tf.zeros_like(first)
    state = (0, first, none, none + 1, start, none + np.inf)
    *_, best, least = tf.while_loop(lambda number, *_: number < rounds, one_round, state)
    return best, least

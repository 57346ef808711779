"""The bisection of minimum eps and of sneaking attacks, by hand."""

import numpy as np
import tensorflow as tf

from interp.attacks.targeted import Trial, bisect

NAN, INFINITE = np.float32(np.nan), np.float32(np.inf)


def tried(attempt, first, rounds, *largest):
    """What is tried in each round, and what is found: points are the values themselves, from -1 on."""
    values = []

    def noted(number, value):
        values.append(value.numpy())
        return attempt(number, value)

    start = -tf.ones_like(first)
    best, least = bisect(noted, first, start, rounds, *largest)
    return np.array(values), best.numpy(), least.numpy()


def test_the_smallest_value_by_hand():
    """Image 0 is broken from .29 on: .05 doubles to .4, then (.2 + .4) / 2 = .3, then (.2 + .3) / 2. Image 1 never is."""
    limits = tf.constant([0.29, 9.0])

    def attempt(_, value):
        broken = value >= limits
        return Trial(value, tf.where(broken, value, INFINITE), ~broken)

    values, best, least = tried(attempt, tf.constant([0.05, 0.05]), 6)
    np.testing.assert_allclose(values[:, 0], [0.05, 0.1, 0.2, 0.4, 0.3, 0.25], rtol=1e-6)
    # Doubled as long as that is below the middle of what is left: (.4 + 1) / 2 = .7, (.7 + 1) / 2 = .85.
    np.testing.assert_allclose(values[:, 1], [0.05, 0.1, 0.2, 0.4, 0.7, 0.85], rtol=1e-6)
    np.testing.assert_allclose(best, [0.3, -1], rtol=1e-6)
    np.testing.assert_allclose(least, [0.3, np.inf], rtol=1e-6)


def test_the_largest_value_by_hand():
    """Success asks for more: .2, .4, then .7 = (.4 + 1) / 2 is too much, .55 = (.4 + .7) / 2 too, .475 is not."""

    def attempt(_, value):
        reached = value <= 0.5
        return Trial(value, tf.where(reached, 1 - value, INFINITE), reached)

    values, best, least = tried(attempt, tf.constant([0.2]), 5)
    np.testing.assert_allclose(values[:, 0], [0.2, 0.4, 0.7, 0.55, 0.475], rtol=1e-6)
    np.testing.assert_allclose(best, [0.475], rtol=1e-6)
    np.testing.assert_allclose(least, [0.525], rtol=1e-6)


def test_values_up_to_another_largest_one_by_hand():
    """Never enough: .5, 1, 2, then (2 + 4) / 2 = 3 and 3.5 of 4; enough from 3 on: 3, then (2 + 3) / 2."""
    limits = tf.constant([9.0, 3.0])

    def attempt(_, value):
        broken = value >= limits
        return Trial(value, tf.where(broken, value, INFINITE), ~broken)

    values, best, _ = tried(attempt, tf.constant([0.5, 0.5]), 5, 4.0)
    np.testing.assert_allclose(values.T, [[0.5, 1, 2, 3, 3.5], [0.5, 1, 2, 3, 2.5]], rtol=1e-6)
    np.testing.assert_allclose(best, [-1, 3], rtol=1e-6)


def test_what_could_not_be_computed_once_is_told():
    """Before a success, after one, and never."""
    costs = tf.constant([[NAN, 0.5, 0.5], [0.5, NAN, 0.4], [0.3, 0.3, 0.6]])

    def attempt(number, value):
        return Trial(tf.fill([3], tf.cast(number, tf.float32)), costs[number], value < 0)

    _, best, least = tried(attempt, tf.fill([3], 0.5), 3)
    np.testing.assert_allclose(least, [np.nan, np.nan, 0.4])
    assert best[2] == 1

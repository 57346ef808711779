"""The loop of every gradient attack, by hand."""

from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from interp.attacks.loop import Evaluation, ascend, ascend_until_broken, until_broken
from interp.core.errors import InputError


def square(points):
    value = -tf.reduce_sum((points - 0.5) ** 2, (1, 2, 3))
    return Evaluation(value, value)


def plain_step(points, gradient, _):
    return points + 0.25 * gradient


def test_steps_follow_the_gradient():
    start = tf.zeros((1, 1, 1, 1))
    # x <- x + 0.25 * 2 (0.5 - x): the distance to 0.5 halves.
    for steps, expected in ((0, 0.0), (1, 0.25), (2, 0.375), (3, 0.4375)):
        assert float(tf.squeeze(ascend(square, plain_step, start, steps))) == pytest.approx(expected)


def test_the_worst_iterate_is_kept_per_image():
    def overshoot(points, _, step):
        return points + tf.where(step == 0, 0.5, 1.0)

    start = tf.reshape([0.0, 0.5, -2.0], (3, 1, 1, 1))
    last = ascend(square, overshoot, start, 2)
    worst = ascend(square, overshoot, start, 2, keep_worst=True)
    np.testing.assert_allclose(np.ravel(last), [1.5, 2.0, -0.5])
    # Best values of -(x - 0.5)^2 among the iterates {0, .5, 1.5}, {.5, 1, 2} and {-2, -1.5, -.5}.
    np.testing.assert_allclose(np.ravel(worst), [0.5, 0.5, -0.5])


def test_the_number_of_the_step_is_given():
    collected = ascend(
        square, lambda points, _, step: points + tf.cast(10**step, tf.float32), tf.zeros((1, 1, 1, 1)), 3
    )
    assert float(tf.squeeze(collected)) == 111


def test_a_value_without_gradient_is_refused():
    def constant(points):
        return Evaluation(tf.zeros(1), tf.zeros(1))

    with pytest.raises(InputError, match="no gradient to follow"):
        ascend(constant, plain_step, tf.zeros((1, 1, 1, 1)), 1)


@pytest.mark.integration
def test_an_image_is_left_at_its_first_success():
    """From 0 in steps of 1/4 to limits of .5 and 2, from 0 and at once; harm is what is beyond them."""

    class Facts(NamedTuple):
        limit: tf.Tensor
        size: tuple[tf.Tensor, ...]

    def objective(points, facts):
        beyond = tf.reshape(points, [-1]) - facts.limit
        return Evaluation(beyond, beyond)

    def move(points, gradient, _, facts):
        return points + tf.reshape(facts.size[0], [-1, 1, 1, 1]) * gradient

    @tf.function(input_signature=[tf.TensorSpec([None, 1, 1, 1]), tf.TensorSpec([None])])
    def run(start, limit):
        return ascend_until_broken(objective, move, start, Facts(limit, (0.25 * tf.ones_like(limit),)), 7)

    worst, harm = run(tf.reshape([0.0, 0.0, 3.0], (3, 1, 1, 1)), tf.constant([0.5, 2.0, 1.0]))
    np.testing.assert_allclose(np.ravel(worst), [0.5, 1.75, 3.0])
    np.testing.assert_allclose(harm, [0, -0.25, 2])


def test_rows_of_one_image_leave_together():
    """Rows of two images: the first row of image 0 breaks at step 1, so its second row, which would at step 8, stays behind."""

    class Rows(NamedTuple):
        worst: tf.Tensor
        harm: tf.Tensor
        speed: tf.Tensor

    def body(step, rows):
        return rows._replace(worst=rows.worst + rows.speed, harm=rows.harm + rows.speed)

    speed = tf.constant([5.0, 0.6, 0.6, 0.1])
    rows = Rows(tf.zeros(4), tf.fill([4], -5.0), speed)
    worst, harm = until_broken(body, rows, 20, images=tf.constant([0, 0, 1, 1]))
    # Rows leave after every five steps; a broken one stops at once.
    np.testing.assert_allclose(worst, [5.0, 3.0, 5.4, 1.0], rtol=1e-5)
    np.testing.assert_allclose(harm, worst - 5, atol=1e-5)
    alone, _ = until_broken(body, rows, 20)
    np.testing.assert_allclose(alone, [5.0, 5.4, 5.4, 2.0], rtol=1e-5)

"""Norm balls: hand-computed values and the properties every attack rests on."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from interp.core.balls import BALLS, find_ball
from interp.core.errors import InputError

NORMS = {
    "linf": lambda d: np.abs(d).max((1, 2, 3)),
    "l2": lambda d: np.sqrt((d.astype(np.float64) ** 2).sum((1, 2, 3))),
}


@pytest.mark.parametrize("norm", BALLS)
@given(seed=st.integers(0, 2**31 - 1), epsilon=st.floats(0, 3), scale=st.floats(0, 10))
def test_projections_lie_in_the_ball_and_in_the_image_range(norm, seed, epsilon, scale):
    generator = np.random.RandomState(seed)
    centre = generator.rand(3, 4, 5, 2).astype(np.float32)
    points = centre + scale * generator.randn(*centre.shape).astype(np.float32)
    projected = BALLS[norm].project(tf.constant(points), tf.constant(centre), tf.constant(epsilon, tf.float32)).numpy()
    assert np.isfinite(projected).all()
    assert projected.min() >= 0
    assert projected.max() <= 1
    assert (NORMS[norm](projected - centre) <= epsilon + 1e-5).all()


@pytest.mark.parametrize("norm", BALLS)
def test_a_point_inside_stays(norm):
    centre = np.full((1, 2, 2, 1), 0.5, np.float32)
    point = centre + 0.1
    np.testing.assert_allclose(
        BALLS[norm].project(tf.constant(point), tf.constant(centre), tf.constant(0.3)), point, atol=1e-6
    )


def test_l2_projection_by_hand():
    centre = np.full((1, 1, 2, 1), 0.5, np.float32)
    point = centre + np.array([0.3, 0.4], np.float32).reshape(1, 1, 2, 1)
    projected = BALLS["l2"].project(tf.constant(point), tf.constant(centre), tf.constant(0.25))
    np.testing.assert_allclose(np.ravel(projected), [0.65, 0.7], rtol=1e-6)


def test_steepest_directions_by_hand():
    gradient = tf.constant([3.0, -4.0, 0.0], shape=(1, 1, 3, 1))
    np.testing.assert_array_equal(np.ravel(BALLS["linf"].steepest(gradient)), [1, -1, 0])
    np.testing.assert_allclose(np.ravel(BALLS["l2"].steepest(gradient)), [0.6, -0.8, 0], rtol=1e-6)
    np.testing.assert_allclose(np.ravel(BALLS["l2"].steepest(gradient * 1e-30)), [0.6, -0.8, 0], rtol=1e-6)
    np.testing.assert_array_equal(np.ravel(BALLS["l2"].steepest(gradient * 0)), [0, 0, 0])


@pytest.mark.parametrize("norm", BALLS)
def test_random_points_fill_the_ball_and_follow_the_seed(norm):
    def draw(seed):
        return BALLS[norm].random(tf.constant([4000, 1, 2, 1]), tf.constant(0.5), tf.constant(seed, tf.int64)).numpy()

    drawn = draw([7, 0])
    radii = NORMS[norm](drawn) / 0.5
    assert radii.max() <= 1 + 1e-6
    # In two dimensions the share of points within radius r is r squared for both norms.
    for radius in (0.3, 0.6, 0.9):
        assert (radii <= radius).mean() == pytest.approx(radius**2, abs=0.03)
    np.testing.assert_array_equal(drawn, draw([7, 0]))
    assert not np.array_equal(drawn, draw([7, 1]))


def test_unknown_norm():
    with pytest.raises(InputError, match="did you mean 'linf'"):
        find_ball("l_inf")

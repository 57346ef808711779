"""Objectives of searches on maps: by hand, gradients, and that they rise as the measure they stand for says."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from interp.attacks.map_objectives import FEW_POSITIONS, OBJECTIVES, ComparedMaps, Sides, Stage
from interp.discrepancy import MEASURES, kendall_tau, top_k_overlap

END = Stage(tf.constant(1.0), tf.constant([0, 0], tf.int64))


def compared(clean, target=None, mask=None):
    clean = tf.constant(clean, tf.float32)
    zeros = tf.zeros_like(clean)
    return ComparedMaps(clean, zeros if target is None else tf.constant(target), zeros if mask is None else mask)


def sides(width, height=1, k=2):
    return Sides(tf.constant(height), tf.constant(width), tf.constant(1), k)


def both(name, clean, moved, *, k=2, height=1, **others):
    """Value at the end of a search, and harm."""
    maps, moved = compared(clean, **others), tf.constant(moved, tf.float32)
    shape = sides(moved.shape[-1] // height, height, k)
    value = OBJECTIVES[name].value(moved, maps, shape, END)
    return value.numpy(), OBJECTIVES[name].harm(moved, maps, shape, value).numpy()


def test_every_measure_has_objectives():
    assert all(measure.objective in OBJECTIVES for measure in MEASURES.values())


def test_few_positions_are_ranked_exactly():
    """The harm is minus Kendall's tau; far apart, soft signs are signs."""
    value, harm = both("rank", [[1, 2, 3, 4]], [[1, 2, 4, 3]])
    np.testing.assert_allclose(harm, [-4 / 6], rtol=1e-6)
    np.testing.assert_allclose(value, [-8 / 16], rtol=1e-6)


def test_many_positions_are_ranked_by_pairs():
    generator = np.random.RandomState(0)
    clean = generator.randn(4, 400).astype(np.float32)
    moved = clean + generator.randn(4, 400).astype(np.float32)
    assert clean.shape[1] > FEW_POSITIONS
    _, harm = both("rank", clean, moved)
    np.testing.assert_allclose(-harm, kendall_tau(clean, moved), atol=0.02)


def test_by_hand():
    np.testing.assert_allclose(both("correlation", [[1, 2, 3]], [[3, 2, 1]])[0], [1], rtol=1e-5)
    # 3 of 1 + 2 + 3 + 4 are at the two strongest positions of the clean map.
    np.testing.assert_allclose(both("top_k", [[9, 8, 1, 0]], [[1, 2, 3, 4]])[0], [-0.3], rtol=1e-6)
    # All four pairs of (two strongest, two next) are reversed, then none.
    np.testing.assert_allclose(both("top_k_overlap", [[9, 8, 1, 0]], [[1, 2, 3, 4]])[0], [1], rtol=1e-6)
    np.testing.assert_allclose(both("top_k_overlap", [[9, 8, 1, 0]], [[4, 3, 2, 1]])[0], [-1], rtol=1e-6)
    # The centre goes from the first to the last of two columns: half of the side.
    np.testing.assert_allclose(both("centre", [[1, 0]], [[0, 1]])[0], [0.25], rtol=1e-6)
    np.testing.assert_allclose(both("target", [[1, 0]], [[0, 1.0]], target=[[0.0, 5.0]])[0], [0], atol=1e-5)
    mask = tf.constant([[1.0, 1, 0, 0]])
    np.testing.assert_allclose(both("mass", [[1, 1, 1, 1]], [[1, -2, 3, -4]], mask=mask)[0], [-0.3], rtol=1e-6)


@given(seed=st.integers(0, 1000))
def test_top_k_overlap_is_chosen_by_the_overlap(seed):
    clean, moved = np.random.RandomState(seed).randn(2, 5, 12).astype(np.float32)
    _, harm = both("top_k_overlap", clean, moved, k=3)
    overlap = top_k_overlap(clean, moved, 3)
    np.testing.assert_allclose(-harm, overlap, atol=0.1 / 3 + 1e-6)


@pytest.mark.parametrize("name", list(OBJECTIVES))
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_gradients_are_finite_at_any_scale(name, scale):
    """Also where the map is the clean one, or 0 everywhere."""
    clean = scale * np.random.RandomState(0).randn(3, 16).astype(np.float32)
    moved = tf.constant(np.stack([clean[0], 0 * clean[1], -clean[2]]))
    maps = compared(clean, target=clean[:, ::-1].copy(), mask=tf.ones([3, 16]))
    with tf.GradientTape() as tape:
        tape.watch(moved)
        value = OBJECTIVES[name].value(moved, maps, sides(4, 4), END)
    gradient = tape.gradient(value, moved, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()

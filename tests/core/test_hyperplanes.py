"""Steps onto a hyperplane inside the box: by hand, and against a search by halving."""

import numpy as np
import pytest
import tensorflow as tf

from interp.core.hyperplanes import step_to_hyperplane


def step(points, normal, offset, norm):
    arrays = (tf.constant(np.atleast_2d(values), tf.float32) for values in (points, normal))
    return step_to_hyperplane(*arrays, tf.constant(np.atleast_1d(offset), tf.float32), norm).numpy()


def test_by_hand():
    """w = (1, -2): in l_inf both move by 0.6 / 3, in l2 by 0.6 w / 5."""
    np.testing.assert_allclose(step([0.5, 0.5], [1, -2], 0.6, "linf"), [[0.2, -0.2]], rtol=1e-6)
    np.testing.assert_allclose(step([0.5, 0.5], [1, -2], 0.6, "l2"), [[0.12, -0.24]], rtol=1e-6)
    # The second pixel has room for 0.1 alone, so the first makes up for it.
    np.testing.assert_allclose(step([0.5, 0.1], [1, -2], 0.6, "linf"), [[0.4, -0.1]], rtol=1e-5)
    np.testing.assert_allclose(step([0.5, 0.1], [1, -2], 0.6, "l2"), [[0.4, -0.1]], rtol=1e-5)
    # From beyond it, back.
    np.testing.assert_allclose(step([0.5, 0.5], [1, -2], -0.6, "linf"), [[-0.2, 0.2]], rtol=1e-6)
    # It cannot be reached, or there is nothing to reach.
    np.testing.assert_allclose(step([0.5, 0.1], [1, -2], 9.0, "linf"), [[0.5, -0.1]], rtol=1e-6)
    assert not step([0.5, 0.1], [0, 0], 1.0, "l2").any()
    assert not step([0.5, 0.1], [1, -2], 0.0, "l2").any()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_as_a_search_by_halving_finds_it(norm):
    generator = np.random.RandomState(0)
    points, normal = generator.rand(50, 40).astype(np.float32), generator.randn(50, 40).astype(np.float32)
    # Some pixels have no room at all.
    points[:, :10] = points[:, :10].round()
    offset = generator.uniform(-6, 6, 50).astype(np.float32)
    found = step(points, normal, offset, norm)
    assert (points + found >= -1e-6).all()
    assert (points + found <= 1 + 1e-6).all()
    np.testing.assert_allclose((normal * found).sum(1), offset, rtol=1e-4, atol=1e-4)
    for row in range(50):
        unit = np.sign(normal[row]) if norm == "linf" else normal[row]
        low, high = 0.0, 1e3
        for _ in range(60):
            middle = (low + high) / 2
            moved = np.clip(points[row] + middle * np.sign(offset[row]) * unit, 0, 1) - points[row]
            low, high = (middle, high) if abs(normal[row] @ moved) < abs(offset[row]) else (low, middle)
        np.testing.assert_allclose(found[row], moved, atol=2e-4)

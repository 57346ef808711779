"""The training discrepancy, by hand and where it is numerically hard."""

import numpy as np
import pytest
import tensorflow as tf

from interp.discrepancy import softmax_weighted_discrepancy, true_class_discrepancy


def by_hand(maps, moved, logits, labels):
    """The definition, image by image in float64."""
    values = []
    for clean, attacked, scores, label in zip(maps, moved, np.float64(logits), labels, strict=True):
        distances = np.abs(np.float64(attacked) - clean).sum((0, 1))
        others = np.delete(scores, label)
        weights = np.exp(others - others.max())
        values.append(distances[label] + (weights / weights.sum() * np.delete(distances, label)).sum())
    return np.array(values)


def test_the_definition():
    generator = np.random.RandomState(0)
    maps, moved = generator.randn(2, 5, 3, 4, 6).astype(np.float32)
    logits, labels = 3 * generator.randn(5, 6).astype(np.float32), np.array([0, 5, 2, 2, 3])
    found = softmax_weighted_discrepancy(
        tf.constant(maps), tf.constant(moved), tf.constant(logits), tf.constant(labels)
    )
    np.testing.assert_allclose(found, by_hand(maps, moved, logits, labels), rtol=1e-5)
    true = true_class_discrepancy(tf.constant(maps), tf.constant(moved), tf.constant(labels))
    np.testing.assert_allclose(
        true, [np.abs(moved[i] - maps[i])[..., label].sum() for i, label in enumerate(labels)], rtol=1e-5
    )


@pytest.mark.parametrize("gap", [0.0, 50.0, 89.0, 200.0, 1e6])
def test_value_and_gradient_stay_finite_however_sure_the_network(gap):
    generator = np.random.RandomState(0)
    maps, moved = (tf.constant(part) for part in generator.randn(2, 1, 3, 3, 4).astype(np.float32))
    logits = tf.constant([[gap, 0.0, -1.0, 0.5]])
    with tf.GradientTape() as tape:
        tape.watch([moved, logits])
        value = softmax_weighted_discrepancy(maps, moved, logits, tf.constant([0]))
    gradients = tape.gradient(value, [moved, logits])
    np.testing.assert_allclose(value, by_hand(maps, moved, logits, [0]), rtol=1e-5)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert np.abs(gradients[1]).max() > 0
    assert gradients[1][0, 0] == 0


def test_maps_that_do_not_move_cost_nothing():
    maps = tf.random.stateless_normal((2, 3, 3, 4), [1, 2])
    assert np.all(softmax_weighted_discrepancy(maps, maps, tf.zeros((2, 4)), tf.constant([0, 1])) == 0)

"""Integrated gradients of a network: completeness, quadratures, chunks, arguments."""

import numpy as np
import pytest
import tensorflow as tf

from interp.core.errors import InputError
from interp.core.path_gradients import mean_path_gradient, quadrature
from interp.models import build_network

IMAGES = np.random.RandomState(1).rand(5, 28, 28, 1).astype(np.float32)
LABELS = np.array([3, 1, 4, 1, 5])


@pytest.fixture(scope="module")
def net():
    network = build_network("small", (28, 28, 1), 10)
    # Without biases the gradient is the same all along a path from black.
    for layer in network.kernel_layers()[:-1]:
        layer.bias.assign(np.random.RandomState(0).normal(scale=0.2, size=layer.bias.shape))
    return network


@pytest.mark.parametrize("rule", ["gauss_legendre", "midpoint", "right", "left"])
def test_quadratures_integrate_what_they_should(rule):
    positions, weights = quadrature(rule, 4)
    assert weights.sum() == pytest.approx(1)
    # Exact for polynomials: Gauss-Legendre to degree 7, the midpoint rule to degree 1, the others for constants.
    degree = {"gauss_legendre": 7, "midpoint": 1, "right": 0, "left": 0}[rule]
    assert (weights * positions**degree).sum() == pytest.approx(1 / (degree + 1), rel=1e-5)


def test_path_gradient_by_hand():
    """f(x) = x^3 between 1 and 3: the mean gradient is (27 - 1) / 2."""
    positions, weights = (tf.constant(part) for part in quadrature("gauss_legendre", 3))
    start = tf.ones((1, 1, 1, 1))
    mean = mean_path_gradient(
        lambda points, _: tf.reduce_sum(points**3, (1, 2, 3)), start, 3 * start, positions, weights, chunk_size=10
    )
    assert float(tf.squeeze(mean)) == pytest.approx(13, rel=1e-5)


def test_the_map_sums_to_the_change_of_the_logit(net):
    maps, gap = net.integrated_gradients(IMAGES, LABELS, steps=100, return_gap=True)
    change = net(IMAGES).numpy() - net(np.zeros_like(IMAGES)).numpy()
    change = change[np.arange(5), LABELS]
    np.testing.assert_allclose(maps.numpy().sum((1, 2, 3)), change, atol=1e-2 * np.abs(change).max())
    np.testing.assert_allclose(gap, np.abs(maps.numpy().sum((1, 2, 3)) - change), atol=1e-5)


@pytest.mark.parametrize("chunk_size", [1, 3, 5, 7, 1000])
def test_chunks_do_not_change_the_result(net, chunk_size):
    whole = net.integrated_gradients(IMAGES, LABELS, steps=10)
    np.testing.assert_allclose(
        net.integrated_gradients(IMAGES, LABELS, steps=10, chunk_size=chunk_size), whole, atol=1e-6
    )


def test_a_pass_never_holds_more_points_than_a_chunk():
    seen = []

    def score(points, rows):
        seen.append((len(points), len(rows)))
        return tf.reduce_sum(points, (1, 2, 3))

    positions, weights = (tf.constant(part) for part in quadrature("midpoint", 7))
    mean_path_gradient(score, tf.zeros((4, 2, 2, 1)), tf.ones((4, 2, 2, 1)), positions, weights, chunk_size=9)
    assert seen == [(9, 9), (9, 9), (9, 9), (1, 1)]


def test_each_argument_changes_the_map(net):
    plain = net.integrated_gradients(IMAGES, LABELS, steps=8)
    for other in ({"steps": 1}, {"rule": "right"}, {"activation": "softplus"}):
        changed = net.integrated_gradients(IMAGES, LABELS, **{"steps": 8, **other})
        assert np.abs(plain - changed).max() > 1e-3 * np.abs(plain).max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"rule": "simpson"}, "quadrature rule"),
        ({"activation": "softplut"}, "did you mean 'softplus'"),
        ({"chunk_size": 0}, "chunk_size"),
        ({"labels": [0, 1, 2, 3, 10]}, "classes 0 to 9"),
    ],
)
def test_bad_arguments_are_refused(net, arguments, message):
    with pytest.raises(InputError, match=message):
        net.integrated_gradients(IMAGES, arguments.pop("labels", LABELS), **arguments)

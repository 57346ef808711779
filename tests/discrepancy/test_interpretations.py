"""Prepared interpretations are the network's own maps, flat, for the classes asked for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attacks import InterpretabilitySneaking
from interp.attacks.searched_maps import SearchedMaps
from interp.attributions import IntegratedGradients, InterpretationMaps, Representation, find_attribution
from interp.core.errors import InputError
from interp.core.path_gradients import mean_path_gradient, quadrature
from interp.models import build_network, prepare

CLASSES = np.array([[3, 1], [0, 4], [2, 2]])
IMAGES = np.random.RandomState(0).rand(3, 28, 28, 1).astype(np.float32)


@pytest.fixture(scope="module")
def net():
    network = build_network("small", (28, 28, 1), 5)
    for layer in network.kernel_layers()[:-1]:
        layer.bias.assign(np.random.RandomState(0).normal(scale=0.2, size=layer.bias.shape))
    return network


def maps(net, name):
    return InterpretationMaps(name=name).flat(net, IMAGES, CLASSES)


@pytest.mark.parametrize(("name", "method"), [("cam", "cam"), ("cam++", "grad_cam_plus_plus")])
def test_class_activation(net, name, method):
    whole = getattr(net, method)(IMAGES).numpy()
    expected = [[whole[row, ..., shown].ravel() for shown in classes] for row, classes in enumerate(CLASSES)]
    np.testing.assert_allclose(maps(net, name), expected, atol=1e-5)


@pytest.mark.integration
def test_integrated_gradients(net):
    found = maps(net, IntegratedGradients(steps=5, rule="right"))
    for place in (0, 1):
        expected = net.integrated_gradients(IMAGES, CLASSES[:, place], steps=5, rule="right")
        np.testing.assert_allclose(found[:, place], tf.reshape(expected, (3, -1)), atol=1e-5)


def test_representation(net):
    np.testing.assert_allclose(maps(net, "representation")[:, 0], tf.reshape(net.features(IMAGES), (3, -1)), atol=1e-5)


def test_an_object_says_its_layer_itself(net):
    first = Representation(index=0)
    outputs = net.layer_outputs(tf.constant(IMAGES), 0)
    np.testing.assert_allclose(maps(net, first)[:, 0], tf.reshape(outputs, (3, -1)), atol=1e-5)
    assert InterpretabilitySneaking(interpretation=first).method == first
    assert InterpretabilitySneaking(interpretation="representation", layer=0).method == first


@pytest.mark.parametrize("name", ["cam", "cam++", "ig", "representation"])
def test_sums_at_positions_are_those_of_the_maps(net, name):
    """And so are their gradients, however they are computed."""
    classes, positions = tf.constant([3, 0, 2]), tf.constant([[0, 5], [48, 7], [24, 30]])

    @tf.function(autograph=False)
    def run(images):
        prepared = prepare(net, rearrange=True)
        searched, points = (
            SearchedMaps(find_attribution(name).for_search(), prepared, tf.range(3)),
            prepared.enter(images),
        )
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(points)
            found, _ = searched.sums_at(0.3 * points, classes, positions)(points)
            maps, _ = searched(points, classes[:, None])
            expected = tf.reduce_sum(tf.gather(maps[:, 0], positions, batch_dims=1), -1)
        return found, expected, tape.gradient(found, points), tape.gradient(expected, points)

    found, expected, one, other = run(tf.constant(IMAGES))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_other_models_have_integrated_gradients_only():
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(5)])
    assert maps(model, "ig").shape == (3, 2, 784)
    for name in ("cam", "representation"):
        with pytest.raises(InputError, match=r"or integrated gradients|say which layer is meant"):
            maps(model, name)


@pytest.mark.parametrize("chunk_size", [1, 7, 1000])
def test_path_gradients_in_chunks_are_those_in_one_piece(chunk_size):
    """Also when they are differentiated."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(3, 3, activation="softplus"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    ends = tf.constant(np.random.RandomState(0).rand(3, 6, 6, 1), tf.float32)
    positions, weights = (tf.constant(part) for part in quadrature("gauss_legendre", 4))

    @tf.function(autograph=False)
    def run(chunk):
        with tf.GradientTape() as tape:
            tape.watch(ends)
            maps = mean_path_gradient(
                lambda points, rows: model(points)[:, 0],
                0.3 * tf.ones_like(ends),
                ends,
                positions,
                weights,
                chunk_size=chunk,
            )
            value = tf.reduce_sum(maps**3)
        return maps, tape.gradient(value, ends)

    for whole, chunked in zip(run(None), run(chunk_size), strict=True):
        np.testing.assert_allclose(chunked, whole, atol=1e-6 * np.abs(whole).max() + 1e-9)

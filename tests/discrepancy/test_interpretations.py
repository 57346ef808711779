"""Prepared interpretations are the network's own maps, flat, for the classes asked for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.core.errors import InputError
from interp.discrepancy import prepare_interpretation
from interp.models import build_network, prepare_forward

CLASSES = np.array([[3, 1], [0, 4], [2, 2]])
IMAGES = np.random.RandomState(0).rand(3, 28, 28, 1).astype(np.float32)


@pytest.fixture(scope="module")
def net():
    network = build_network("small", (28, 28, 1), 5)
    for layer in network.kernel_layers()[:-1]:
        layer.bias.assign(np.random.RandomState(0).normal(scale=0.2, size=layer.bias.shape))
    return network


def maps(net, name):
    forward = prepare_forward(net, rearrange=True)
    return prepare_interpretation(name, forward).maps(forward.enter(tf.constant(IMAGES)), tf.constant(CLASSES)).numpy()


@pytest.mark.parametrize(("name", "method"), [("cam", "cam"), ("cam++", "grad_cam_plus_plus")])
def test_class_activation(net, name, method):
    whole = getattr(net, method)(IMAGES).numpy()
    expected = [[whole[row, ..., shown].ravel() for shown in classes] for row, classes in enumerate(CLASSES)]
    np.testing.assert_allclose(maps(net, name), expected, atol=1e-5)


def test_integrated_gradients(net):
    found = maps(net, "ig")
    for place in (0, 1):
        expected = net.integrated_gradients(IMAGES, CLASSES[:, place], steps=5, rule="right")
        np.testing.assert_allclose(found[:, place], tf.reshape(expected, (3, -1)), atol=1e-5)


def test_representation(net):
    np.testing.assert_allclose(maps(net, "representation")[:, 0], tf.reshape(net.features(IMAGES), (3, -1)), atol=1e-5)


def test_other_models_have_integrated_gradients_only():
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(5)])
    assert maps(model, "ig").shape == (3, 2, 784)
    for name in ("cam", "representation"):
        with pytest.raises(InputError, match="use ig for others"):
            maps(model, name)

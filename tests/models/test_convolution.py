"""Convolutions with a fast gradient are those of TensorFlow, in value, gradients and gradients of gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.models.convolution import apply_convolution, convolve
from interp.models.frozen_convolution import FEWEST_CHANNELS

SHAPES = [(3, 3, 16, 8), (4, 4, 8, 5), (2, 2, 8, 8), (1, 1, 12, 3), (5, 2, 8, 4), (7, 7, 9, 10), (3, 3, 3, 8)]


def derivatives(convolution, inputs, kernel):
    """The value of a curved function of a convolution, its gradients, and those of the length of the input gradient."""
    with tf.GradientTape() as outer:
        outer.watch([inputs, kernel])
        with tf.GradientTape() as inner:
            inner.watch([inputs, kernel])
            value = tf.reduce_sum(tf.tanh(convolution(inputs, kernel)))
        first = inner.gradient(value, [inputs, kernel])
        length = tf.reduce_sum(tf.square(first[0]))
    return [value, *first, *outer.gradient(length, [inputs, kernel])]


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
def test_values_and_two_orders_of_gradients_are_those_of_tensorflow(shape, stride, padding, compiled, monkeypatch):
    monkeypatch.setattr("interp.models.frozen_convolution.FEWEST_WITH_STRIDE", FEWEST_CHANNELS)
    random = np.random.default_rng(0)
    inputs = tf.constant(random.normal(size=(2, 9, 8, shape[2])), tf.float32)
    kernel = tf.constant(random.normal(size=shape) / np.sqrt(np.prod(shape[:3])), tf.float32)

    def run(convolution):
        found = derivatives(lambda *pair: convolution(*pair, stride, padding), inputs, kernel)
        return found

    ours = tf.function(run, autograph=False)(convolve) if compiled else run(convolve)
    for got, expected in zip(ours, run(tf.nn.conv2d), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_few_channels_are_left_to_tensorflow_and_more_are_not():
    def operations(channels):
        @tf.function(autograph=False)
        def gradient(inputs):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                outputs = convolve(inputs, tf.ones([3, 3, channels, 4]))
            return tape.gradient(outputs, inputs)

        graph = gradient.get_concrete_function(tf.TensorSpec([1, 6, 6, channels])).graph
        return {operation.type for operation in graph.get_operations()}

    assert "Conv2DBackpropInput" in operations(FEWEST_CHANNELS - 1)
    assert "Conv2DBackpropInput" not in operations(FEWEST_CHANNELS)


def test_a_layer_is_computed_as_keras_does_it():
    layer = keras.layers.Conv2D(4, 3, 2, padding="same")
    inputs = tf.random.stateless_normal([2, 6, 6, 8], (0, 1))
    expected = layer(inputs)
    np.testing.assert_allclose(apply_convolution(layer, inputs), expected, rtol=1e-5, atol=1e-5)

"""Convolutions that are prepared for many passes have TensorFlow's value, gradients and gradients of gradients."""

import numpy as np
import pytest
import tensorflow as tf

from interp.models.frozen_convolution import FEWEST_CHANNELS, FrozenConvolution

# Kernel, stride, padding, sides, and whether every channel has a kernel of its own.
CASES = [
    ((3, 3, 8, 5), 1, "SAME", (9, 8), False),
    ((3, 3, 8, 5), 2, "SAME", (9, 8), False),
    ((3, 3, 8, 5), 2, "VALID", (8, 9), False),
    ((1, 1, 9, 4), 2, "SAME", (9, 8), False),
    ((5, 2, 8, 3), 3, "VALID", (9, 8), False),
    ((4, 4, 8, 8), 2, "SAME", (4, 5), False),
    ((5, 5, 8, 1), 2, "SAME", (8, 8), True),
    ((3, 3, 8, 1), 2, "VALID", (9, 7), True),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_two_orders_of_gradients_are_those_of_tensorflow(case, monkeypatch):
    monkeypatch.setattr("interp.models.frozen_convolution.FEWEST_WITH_STRIDE", FEWEST_CHANNELS)
    size, stride, padding, sides, by_channel = case
    random = np.random.default_rng(0)
    images = tf.constant(random.normal(size=(2, *sides, size[2])), tf.float32)
    kernel = tf.constant(random.normal(size=size) / np.sqrt(np.prod(size[:3])), tf.float32)

    def derivatives(outputs):
        value = tf.reduce_sum(tf.tanh(outputs))
        first = tf.gradients(value, [images, kernel])
        return [value, *first, *tf.gradients(tf.reduce_sum(tf.square(first[0])), [images, kernel])]

    @tf.function(autograph=False)
    def run():
        ours = derivatives(FrozenConvolution(kernel, stride, padding, sides, by_channel=by_channel)(images))
        if by_channel:
            return ours, derivatives(tf.nn.depthwise_conv2d(images, kernel, [1, stride, stride, 1], padding))
        return ours, derivatives(tf.nn.conv2d(images, kernel, stride, padding))

    for got, expected in zip(*run(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "sides", "own"),
    [(FEWEST_CHANNELS - 1, (6, 6), True), (FEWEST_CHANNELS, (6, 6), False), (FEWEST_CHANNELS, (None, None), True)],
)
def test_few_channels_and_unknown_sides_are_left_to_tensorflow(channels, sides, own):
    @tf.function(autograph=False)
    def gradient(images):
        return tf.gradients(FrozenConvolution(tf.ones([3, 3, channels, 4]), 1, "SAME", sides)(images), images)

    graph = gradient.get_concrete_function(tf.TensorSpec([1, 6, 6, channels])).graph
    assert ("Conv2DBackpropInput" in {operation.type for operation in graph.get_operations()}) == own


def test_a_tape_finds_the_gradient_too():
    kernel = tf.random.stateless_normal([3, 3, 8, 4], (0, 1))
    images = tf.random.stateless_normal([2, 6, 6, 8], (0, 2))

    @tf.function(autograph=False)
    def run(convolution):
        with tf.GradientTape() as tape:
            tape.watch(images)
            value = tf.reduce_sum(tf.tanh(convolution(images)))
        return tape.gradient(value, images)

    frozen = FrozenConvolution(kernel, 1, "SAME", (6, 6))
    expected = run(lambda images: tf.nn.conv2d(images, kernel, 1, "SAME"))
    np.testing.assert_allclose(run(frozen), expected, rtol=1e-4, atol=1e-5)

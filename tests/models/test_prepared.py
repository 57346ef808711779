"""Prepared forward passes: other pixel layouts give the same numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from interp.models import ARCHITECTURES, PreparedModel, build_network, prepare
from interp.models.architectures import Conv, MaxPool
from interp.models.pixel_layout import PlainLayout, SpaceToDepthLayout, fastest_layout


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 4), st.integers(1, 3), st.integers(0, 1000))
def test_a_rearranged_convolution_is_the_plain_one(height, width, half_size, channels, seed):
    generator = np.random.RandomState(seed)
    images = tf.constant(generator.rand(2, 2 * height, 2 * width, channels))
    kernel = tf.constant(generator.randn(2 * half_size, 2 * half_size, channels, 3))
    layout = fastest_layout(Conv(3, 2 * half_size, 2), (2 * height, 2 * width))
    assert isinstance(layout, SpaceToDepthLayout)
    points = layout.enter(images)
    expected = PlainLayout(2).convolve(images, kernel)
    np.testing.assert_allclose(layout.convolve(points, layout.kernel(kernel)), expected, atol=1e-12)
    np.testing.assert_array_equal(layout.leave(points), images)
    anywhere = tf.constant(generator.rand(*points.shape))
    np.testing.assert_array_equal(layout.without_margin(anywhere), layout.enter(layout.leave(anywhere)))


@pytest.mark.parametrize(
    ("first", "sides"), [(Conv(3, 5), (28, 28)), (Conv(3, 3, 2), (28, 28)), (Conv(3, 4, 2), (27, 28))]
)
def test_other_convolutions_stay_as_they_are(first, sides):
    assert isinstance(fastest_layout(first, sides), PlainLayout)


def test_networks_that_do_not_start_with_a_convolution_are_not_known():
    with pytest.raises(TypeError, match="start with a convolution"):
        fastest_layout(MaxPool(), (28, 28))


@pytest.mark.parametrize("rearrange", [True, False])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_are_those_of_the_model(architecture, rearrange):
    net = build_network(architecture, (16, 16, 3), 5)
    images = np.random.RandomState(0).rand(2, 16, 16, 3).astype(np.float32)
    forward = prepare(net, rearrange=rearrange)
    assert isinstance(forward, PreparedModel)
    np.testing.assert_allclose(forward.classify(tf.constant(images)), net(images), atol=1e-5)


class Scaled(keras.layers.Layer):
    """A layer of a user's that does not ask whether it is in training mode."""

    def call(self, images):
        return 2 * images


@pytest.mark.parametrize("dense", [False, True])
def test_a_layer_that_is_told_its_mode_and_does_not_take_it(dense):
    """Keras forgives it in calls. All attacks and maps of such a model failed, as of an adapted one of a user's class."""
    inputs = keras.Input((2, 2, 1))
    tensor = keras.layers.Flatten()(Scaled()(inputs, training=False))
    model = keras.Model(inputs, keras.layers.Dense(3, kernel_initializer="ones")(tensor) if dense else tensor)
    images = tf.random.stateless_uniform((3, 2, 2, 1), [0, 0])
    forward = prepare(model, rearrange=True)
    np.testing.assert_allclose(forward.classify(images), model(images), atol=1e-6)
    recorded = tf.function(lambda images: forward.recorded_logits(images)[0], autograph=False)
    np.testing.assert_allclose(recorded(images), model(images), atol=1e-6)


def test_any_keras_model_is_called_in_inference_mode():
    model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Dropout(0.9), keras.layers.Flatten()])
    images = tf.random.stateless_uniform((3, 2, 2, 1), [0, 0])
    np.testing.assert_array_equal(prepare(model, rearrange=True).classify(images), tf.reshape(images, (3, 4)))

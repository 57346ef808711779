"""Passes in another precision are the same passes: exactly in float32, nearly in bfloat16."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.core.errors import InputError
from interp.models import build_network, prepare
from interp.models.architectures import ARCHITECTURES

SHAPES = {name: (32, 32, 3) if name == "wresnet" else (28, 28, 1) for name in ARCHITECTURES}


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def net(request):
    network = build_network(request.param, SHAPES[request.param], 10)
    generator = np.random.RandomState(0)
    for layer in network.kernel_layers():
        if layer.bias is not None:
            layer.bias.assign(generator.normal(scale=0.1, size=layer.bias.shape))
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(generator.normal(scale=0.1, size=layer.moving_mean.shape))
            layer.moving_variance.assign(generator.uniform(0.5, 2, size=layer.moving_variance.shape))
            layer.gamma.assign(generator.uniform(0.5, 2, size=layer.gamma.shape))
    return network


def images(net):
    return tf.constant(np.random.RandomState(1).rand(4, *net.image_shape), tf.float32)


def test_the_layers_of_a_body_as_functions_are_the_layers(net):
    first = net.first_layer(images(net))
    expected = net.activations_after_first(first)
    # Normalisation is folded into kernels, so sums are rounded elsewhere: a hundred-thousandth of the largest value.
    atol = 1e-5 * max(1.0, float(tf.reduce_max(tf.abs(expected))))
    np.testing.assert_allclose(net.cast_after_first(tf.float32)(first), expected, atol=atol)


def test_bfloat16_is_near_float32_and_its_gradient_too(net):
    found = {}
    for precision in ("float32", "bfloat16"):
        forward = prepare(net, rearrange=True, precision=precision)
        points = forward.enter(images(net))
        with tf.GradientTape() as tape:
            tape.watch(points)
            logits = forward.logits(points)
            value = tf.reduce_sum(logits[:, 3])
        found[precision] = logits.numpy(), forward.leave(tape.gradient(value, points)).numpy()
    for single, half in zip(found["float32"], found["bfloat16"], strict=True):
        assert half.dtype == np.float32
        assert not np.array_equal(half, single)
        cosine = (half * single).sum() / np.sqrt((half**2).sum() * (single**2).sum())
        assert cosine > 0.9, cosine


def test_bfloat16_is_for_networks_of_the_package():
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(5)])
    with pytest.raises(InputError, match="use float32, or a network of this package"):
        prepare(model, rearrange=True, precision="bfloat16")
    with pytest.raises(InputError, match="did you mean 'bfloat16'"):
        prepare(model, rearrange=True, precision="bfloat-16")

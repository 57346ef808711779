"""The network: hand-computed values, the identities between its maps, and what Keras users do with models."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from interp.core.errors import InputError
from interp.models import ARCHITECTURES, Network, build_network
from interp.models.linear_tail import FoldedTail, LayeredTail

SHAPES = {
    "small": (28, 28, 1),
    "pool": (28, 28, 1),
    "wresnet": (32, 32, 3),
    "simple_cnn": (28, 28, 1),
    "preact_resnet18": (32, 32, 3),
}
PARAMETERS = {
    "small": 166_396,
    "pool": 832 + 51_264 + 640,
    "wresnet": 462_368 + 640,
    "simple_cnn": None,
    "preact_resnet18": 11_179_968,
}
POOLED = [name for name, architecture in ARCHITECTURES.items() if architecture.average_pooled]


def images_for(name, count=3):
    return np.random.RandomState(0).rand(count, *SHAPES[name]).astype(np.float32)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def net(request):
    network = build_network(request.param, SHAPES[request.param], 10)
    # Biases start at 0, where a mistake with them would not show.
    for layer in network.kernel_layers():
        if layer.bias is not None:
            layer.bias.assign(np.linspace(-0.1, 0.1, layer.bias.shape[0]))
    return network


def test_shapes(net):
    images = images_for(net.architecture)
    assert net(images).shape == (3, 10)
    if net.architecture in POOLED:
        side = {"small": 7, "pool": 7, "wresnet": 8, "preact_resnet18": 4}[net.architecture]
        assert net.cam(images).shape == (3, side, side, 10)
        assert net.grad_cam_plus_plus(images).shape == (3, side, side, 10)
        assert net.features(images).shape[:3] == (3, side, side)
        assert net.count_params() == PARAMETERS[net.architecture]


def test_the_forward_pass_is_that_of_the_layers_keras_sees(net):
    images = images_for(net.architecture)
    layers = keras.Model(net.input, net.output)
    np.testing.assert_allclose(net(images), layers(images), atol=1e-5)


def test_the_mean_of_the_maps_is_the_logits(net):
    images = images_for(net.architecture)
    if net.architecture not in POOLED:
        with pytest.raises(InputError, match="global average pooling"):
            net.cam(images)
        return
    np.testing.assert_allclose(tf.reduce_mean(net.cam(images), (1, 2)), net(images), atol=1e-5)
    head = net.kernel_layers()[-1].kernel
    np.testing.assert_allclose(net.cam(images), net.features(images) @ head, atol=1e-5)
    np.testing.assert_allclose(net.grad_cam_plus_plus(images), net.features(images) @ tf.nn.relu(head), atol=1e-5)


def test_pre_activation_by_hand():
    """A first convolution, a ReLU before the second, none after: 2 pixels, weights 1, one bias."""
    net = build_network("small", (4, 4, 1), 2)
    for layer in net.kernel_layers():
        layer.kernel.assign(tf.zeros_like(layer.kernel))
    first, second, third, head = net.kernel_layers()
    # SAME padding of a 4x4 kernel with stride 2 puts one row before the image: tap (1, 1) reads pixel (2i, 2j).
    first.kernel.assign(tf.tensor_scatter_nd_update(first.kernel, [[1, 1, 0, 0], [1, 1, 0, 1]], [1.0, -1.0]))
    second.kernel.assign(tf.tensor_scatter_nd_update(second.kernel, [[1, 1, 0, 0], [1, 1, 1, 1]], [1.0, 1.0]))
    second.bias.assign(tf.tensor_scatter_nd_update(second.bias, [[1]], [0.25]))
    third.kernel.assign(tf.tensor_scatter_nd_update(third.kernel, [[3, 3, 0, 0], [3, 3, 1, 1]], [1.0, 1.0]))
    third.bias.assign(tf.tensor_scatter_nd_update(third.bias, [[0]], [-2.0]))
    head.kernel.assign(tf.tensor_scatter_nd_update(head.kernel, [[0, 0], [1, 1]], [1.0, 3.0]))
    image = np.zeros((1, 4, 4, 1), np.float32)
    image[0, 0, 0, 0] = 0.5
    # Channel 0: relu(0.5) - 2 (negative, kept); channel 1: relu(-0.5) = 0, plus 0.25, times 3.
    np.testing.assert_allclose(net(image), [[-1.5, 0.75]], rtol=1e-6)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 8), st.integers(1, 3), st.integers(0, 1000))
def test_folded_and_unfolded_tails_agree_for_any_shape(height, width, size, channels, seed):
    generator = np.random.RandomState(seed)
    kernel = tf.constant(generator.randn(size, size, channels, 5), tf.float64)
    bias, head = tf.constant(generator.randn(5), tf.float64), tf.constant(generator.randn(5, 3), tf.float64)
    activations = tf.constant(generator.randn(2, height, width, channels), tf.float64)
    folded, unfolded = FoldedTail(kernel, bias, head, (height, width)), LayeredTail(head, (kernel, bias))
    np.testing.assert_allclose(folded.maps(activations), unfolded.maps(activations), atol=1e-9)
    np.testing.assert_allclose(folded.logits(activations), unfolded.logits(activations), atol=1e-9)


def test_gradients_through_the_fold_are_those_without():
    images, labels = images_for("small"), [1, 2, 3]

    def gradients(fold):
        net = build_network("small", SHAPES["small"], 10, fold_tail=fold)
        with tf.GradientTape() as tape:
            values = net.tail().maps(net.activations(images)), net(images)
            loss = tf.reduce_sum(values[0] ** 2) + tf.reduce_sum(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels, values[1])
            )
        return tape.gradient(loss, net.trainable_variables)

    for folded, unfolded in zip(gradients(True), gradients(False), strict=True):
        np.testing.assert_allclose(folded, unfolded, atol=1e-4 * np.abs(unfolded).max())


def test_initial_weights_follow_the_seed_and_the_papers_rule():
    first, again, other = (build_network("small", SHAPES["small"], 10, seed=seed) for seed in (99, 99, 98))
    for one, same in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])
    drawn = np.random.RandomState(99).normal(scale=1 / 4, size=(16, 16))
    np.testing.assert_allclose(first.get_weights()[0], drawn.T.reshape(4, 4, 1, 16), rtol=1e-6)


def test_keras_saves_and_loads_it(net, tmp_path):
    net.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    assert isinstance(loaded, Network)
    images = images_for(net.architecture)
    np.testing.assert_array_equal(loaded(images), net(images))


def test_a_layer_output_makes_a_model():
    net = build_network("small", SHAPES["small"], 10)
    images = images_for("small")
    features = keras.Model(net.input, net.get_layer("conv3").output)
    np.testing.assert_allclose(features(images), net.features(images), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("smal", (28, 28, 1), 10), "did you mean 'small'"),
        (("small", (28, 28, 1), 1), "classes"),
        (("small", (28, 28, 1), 2.5), "classes"),
        (("small", (28, 28), 10), "image_shape"),
        (("small", (0, 28, 1), 10), "image_shape"),
        (("small", 28, 10), "image_shape came as 28, expected"),
        (("small", None, 10), "image_shape came as None, expected"),
    ],
)
def test_bad_descriptions_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        build_network(*arguments)


def test_bad_images_are_refused_by_every_map():
    net = build_network("small", SHAPES["small"], 10)
    for explain in (
        net.features,
        net.cam,
        net.grad_cam_plus_plus,
        lambda images: net.integrated_gradients(images, [0]),
    ):
        with pytest.raises(InputError, match="the network takes"):
            explain(np.zeros((1, 32, 32, 1), np.float32))
        with pytest.raises(InputError, match=r"\[0, 1\]"):
            explain(np.full((1, 28, 28, 1), 2, np.float32))

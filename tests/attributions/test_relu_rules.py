"""Which models the rules of DeconvNet and guided backpropagation take: judged by the operations between image and logits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attributions import DeconvNet, GuidedBackprop
from interp.core.errors import InputError

L = keras.layers
SHAPE = (8, 8, 1)
IMAGES, LABELS = np.random.RandomState(0).rand(3, *SHAPE).astype(np.float32), np.array([0, 1, 2])


def model(activation="relu", **options):
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            L.Conv2D(4, 3, activation=activation, **options),
            L.Conv2D(4, 3),
            L.Activation(activation),
            L.Flatten(),
            L.Dense(3),
        ]
    )


class Penalised(L.Layer):
    """Adds a loss of what passes through it."""

    def call(self, inputs):
        self.add_loss(keras.ops.mean(keras.ops.square(inputs)))
        return inputs


def penalised():
    return keras.Sequential([keras.Input(SHAPE), model().layers[0], Penalised(), *model().layers[1:]])


def with_a_branch_beside():
    """Of two outputs only one is logits of the other's; what nobody reads counts for nothing."""

    class Beside(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = model()

        def call(self, images, training=None):
            self.seen = keras.ops.tanh(images)
            return self.inner(images)

    return Beside()


RELU = {
    "activity regularizer": lambda: model(activity_regularizer="l2"),
    "keras.ops.relu": lambda: model(keras.ops.relu),
    "keras.ops.nn.relu": lambda: model(keras.ops.nn.relu),
    "tf.nn.relu": lambda: model(tf.nn.relu),
    "lambda": lambda: model(lambda maps: keras.ops.relu(maps)),
    "layer": lambda: model(L.ReLU()),
    "add_loss": penalised,
    "a branch beside": with_a_branch_beside,
}


@pytest.fixture(scope="module")
def plain():
    """One for all ways of writing it, whose weights it gets, so that its maps are compiled once."""
    return model()


@pytest.mark.parametrize("kind", RELU)
@pytest.mark.parametrize("method", [DeconvNet, GuidedBackprop])
def test_a_relu_is_a_relu_however_it_is_written(method, kind, plain):
    written = RELU[kind]()
    written(IMAGES)
    plain.set_weights(written.get_weights())
    maps = method(written)(IMAGES, LABELS)
    assert np.abs(maps).max() > 0
    np.testing.assert_allclose(maps, method(plain)(IMAGES, LABELS), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("activation", "said"),
    [
        (lambda maps: keras.ops.gelu(maps), "no rule for "),
        (lambda maps: keras.ops.tanh(maps), "no rule for Tanh"),
        (lambda maps: keras.ops.maximum(maps, 0.0), "no rule for Maximum"),
        (keras.ops.hard_silu, "no rule for hard_silu"),
        (keras.ops.elu, "no rule for Elu"),
        (keras.activations.gelu, "no rule for gelu"),
        (tf.nn.leaky_relu, "no rule for LeakyRelu"),
        ("sigmoid", "no rule for Sigmoid"),
    ],
)
def test_others_are_refused_by_what_they_do(activation, said):
    with pytest.raises(InputError, match=said):
        GuidedBackprop(model(activation))(IMAGES, LABELS)


def test_a_sigmoid_at_the_end_is_cut_as_a_softmax_is():
    whole, logits = (keras.Sequential([*model().layers[:-1], L.Dense(2, activation=end)]) for end in ("sigmoid", None))
    whole(IMAGES)
    logits(IMAGES)
    logits.set_weights(whole.get_weights())
    np.testing.assert_allclose(GuidedBackprop(whole)(IMAGES, LABELS % 2), GuidedBackprop(logits)(IMAGES, LABELS % 2))

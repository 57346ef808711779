"""Which models are piecewise linear in their images."""

import keras
import pytest
import tensorflow as tf

from interp.models import adapt, build_network
from interp.models.piecewise_linear import is_piecewise_linear

L = keras.layers


def model_with(*layers, outputs="softmax"):
    return keras.Sequential([keras.Input((8, 8, 3)), *layers, L.Flatten(), L.Dense(4, activation=outputs)])


class Squared(L.Layer):
    """A user's layer whose operation no list of activations names."""

    def call(self, inputs):
        return inputs * inputs


LINEAR = {
    "relu": lambda: model_with(L.Conv2D(2, 3, activation="relu"), L.BatchNormalization(), L.Dropout(0.5)),
    "leaky": lambda: model_with(L.Rescaling(1 / 255), L.DepthwiseConv2D(3), L.LeakyReLU(), L.MaxPooling2D()),
    "prelu": lambda: model_with(L.Conv2DTranspose(2, 3), L.PReLU(), L.AveragePooling2D(2), L.UpSampling2D()),
    "hard": lambda: model_with(L.Activation("hard_sigmoid"), L.ZeroPadding2D(), outputs=None),
    "nested": lambda: model_with(keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(2, 1), L.ReLU(6)])),
}
OTHERS = {
    "gelu": lambda: model_with(L.Conv2D(2, 3, activation="gelu")),
    "tanh": lambda: model_with(L.Activation("tanh")),
    "elu": lambda: model_with(L.ELU()),
    "silu": lambda: model_with(L.Activation("hard_silu")),
    "layer normalisation": lambda: model_with(L.LayerNormalization(), L.ReLU()),
    "squared": lambda: model_with(Squared()),
    "nested": lambda: model_with(keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(2, 1, activation="swish")])),
    "softmax inside": lambda: model_with(L.Softmax()),
}


@pytest.mark.parametrize(
    ("make", "linear"), [*((make, True) for make in LINEAR.values()), *((m, False) for m in OTHERS.values())]
)
def test_it_is_told_by_the_graph(make, linear):
    model = make()
    assert is_piecewise_linear(model, (8, 8, 3)) == linear
    assert is_piecewise_linear(adapt(model, scale="0..255"), (8, 8, 3)) == linear


def test_networks_of_the_package_are():
    assert is_piecewise_linear(build_network("small", (8, 8, 1), 4), (8, 8, 1))


def test_it_is_asked_while_a_graph_is_built():
    model, found = LINEAR["relu"](), []

    @tf.function
    def building(images):
        found.append(is_piecewise_linear(model, (8, 8, 3)))
        return images

    building(tf.zeros([1, 8, 8, 3]))
    assert found[0] is True

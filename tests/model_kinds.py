"""Small models of every kind that the methods promise to explain, untrained, with weights that keep all units busy."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.models import build_network

L = keras.layers
SHAPE = (16, 16, 3)


@functools.cache
def _convolves_channels_first() -> bool:
    try:
        tf.nn.conv2d(tf.zeros([1, 1, 3, 3]), tf.zeros([2, 2, 1, 1]), 1, "VALID", data_format="NCHW")
    except tf.errors.UnimplementedError:
        return False
    return True


def needs_channels_first() -> None:
    """Skip a test where TensorFlow has no convolution of channels-first images: on processors for which it does not use oneDNN."""
    if not _convolves_channels_first():
        pytest.skip("TensorFlow convolves no channels-first images on this processor")


def _sequential():
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            L.Conv2D(4, 3, name="conv"),
            L.BatchNormalization(),
            L.Activation("relu", name="last"),
            L.Flatten(),
            L.Dense(5),
        ]
    )


def _activation_arguments():
    inputs = keras.Input(SHAPE)
    maps = L.Conv2D(4, 3, activation="relu")(inputs)
    maps = L.Conv2D(4, 3, activation="relu", name="last")(maps)
    outputs = L.Dense(5)(L.Dense(8, activation="relu")(L.Flatten()(maps)))
    return keras.Model(inputs, outputs)


def _shared_relu():
    inputs, relu = keras.Input(SHAPE), L.ReLU(name="relu")
    maps = relu(L.Conv2D(4, 3)(inputs))
    skipped = maps
    maps = relu(L.Conv2D(4, 3, padding="same")(maps))
    maps = L.Add(name="last")([maps, skipped]) * 0.5
    return keras.Model(inputs, L.Dense(5)(L.GlobalAveragePooling2D()(maps)))


def _nested():
    backbone = keras.Sequential(
        [keras.Input(SHAPE), L.Rescaling(2.0), L.Conv2D(4, 3, activation="relu"), L.Conv2D(6, 3, name="last")],
        name="backbone",
    )
    inputs = keras.Input(SHAPE)
    maps = backbone(inputs, training=False)
    maps = L.Dropout(0.5)(maps)
    return keras.Model(inputs, L.Dense(5)(L.GlobalAveragePooling2D()(maps)))


def _functional_in_sequential():
    inputs = keras.Input(SHAPE)
    inner = keras.Model(inputs, L.ReLU(6, name="last")(L.Conv2D(4, 3)(inputs)), name="inner")
    return keras.Sequential([inner, L.GlobalAveragePooling2D(), L.Dense(5)])


def _softmax_layer():
    return keras.Sequential(
        [keras.Input(SHAPE), L.Conv2D(4, 3, activation="relu"), L.GlobalAveragePooling2D(), L.Dense(5), L.Softmax()]
    )


def _softmax_argument():
    inner = keras.Sequential([L.GlobalAveragePooling2D(), L.Dense(5, activation="softmax")])
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, inner(L.Conv2D(4, 3, activation="relu")(inputs)))


def _mobilenet():
    return keras.applications.MobileNetV2((64, 64, 3), alpha=0.35, weights=None, classes=5, classifier_activation=None)


class _OwnLayer(L.Layer):
    """A layer of somebody's own, without a configuration."""

    def __init__(self, convolution):
        super().__init__()
        self.convolution = convolution

    def call(self, inputs):
        return keras.ops.relu(self.convolution(inputs))


def _own_layer():
    return keras.Sequential(
        [keras.Input(SHAPE), _OwnLayer(L.Conv2D(4, 3)), L.Conv2D(4, 3), L.GlobalAveragePooling2D(), L.Dense(5)]
    )


def _grouped_and_normalised():
    inputs = keras.Input(SHAPE)
    maps = L.ReLU()(L.LayerNormalization()(L.Conv2D(6, 3)(inputs)))
    maps = L.Conv2D(6, 3, groups=3, activation="relu", name="last")(maps)
    # Statistics of the batch, and noise, as long as the model is not asked for its inference mode.
    maps = L.Dropout(0.5)(L.BatchNormalization()(maps, training=True), training=True)
    return keras.Model(inputs, L.Dense(5)(L.GlobalAveragePooling2D()(maps)))


def _dictionary():
    first, second = keras.Input(SHAPE, name="first"), keras.Input(SHAPE, name="second")
    inner = keras.Model({"a": first, "b": second}, L.Conv2D(4, 3, name="last")(L.Add()([first, second])), name="inner")
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, L.Dense(5)(L.GlobalAveragePooling2D()(inner({"a": inputs, "b": L.ReLU()(inputs)}))))


class _ClassToken(L.Layer):
    """A learned token before the others, and learned positions."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")
        self.positions = self.add_weight(shape=(1, shape[1] + 1, shape[-1]), name="positions")

    def call(self, tokens):
        first = keras.ops.repeat(self.token, keras.ops.shape(tokens)[0], axis=0)
        return keras.ops.concatenate([first, tokens], axis=1) + self.positions


def _vision_transformer():
    inputs = keras.Input(SHAPE)
    tokens = _ClassToken(name="tokens")(L.Reshape((16, 8))(L.Conv2D(8, 4, strides=4, name="patches")(inputs)))
    for place in range(2):
        normalised = L.LayerNormalization(name=f"norm{place}")(tokens)
        tokens = L.Add()([tokens, L.MultiHeadAttention(2, 4)(normalised, normalised)])
        hidden = L.Dense(8, activation="relu")(L.LayerNormalization()(tokens))
        tokens = L.Add(name=f"block{place}")([tokens, L.Dense(8)(hidden)])
    return keras.Model(inputs, L.Dense(5)(L.LayerNormalization()(tokens)[:, 0]))


MODELS = {
    "training in the graph": _grouped_and_normalised,
    "dictionary of inputs": _dictionary,
    "sequential": _sequential,
    "activation arguments": _activation_arguments,
    "shared relu": _shared_relu,
    "nested": _nested,
    "functional in sequential": _functional_in_sequential,
    "softmax layer": _softmax_layer,
    "softmax argument": _softmax_argument,
    "keras.applications": _mobilenet,
    "own layer": _own_layer,
    "vision transformer": _vision_transformer,
    "network small": lambda: build_network("small", (28, 28, 1), 5),
    "network simple_cnn": lambda: build_network("simple_cnn", (28, 28, 1), 5),
}


class Scaled(L.Layer):
    """Images times a number that its configuration does not hold: no digest of a model shows it, but what it computes does."""

    def __init__(self, by: float = 1.0, **settings) -> None:
        super().__init__(**settings)
        self.by = by

    def call(self, images):
        return self.by * images

    def get_config(self):
        return L.Layer.get_config(self)


def images_for(model, count=3):
    """Images in [0, 1] and labels that fit a model."""
    shape = model.input_shape[1:]
    generator = np.random.RandomState(0)
    return generator.uniform(0, 1, (count, *shape)).astype(np.float32), np.arange(count) % 5

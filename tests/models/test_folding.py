"""Layers are folded where that changes nothing but the time, and nowhere else."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attributions import GradCAM
from interp.models import prepare
from interp.models.folded_model import find_folded_model
from interp.models.model_graph import find_logits
from tests.model_kinds import MODELS, SHAPE, images_for

L = keras.layers


def settle(model, seed=0):
    """Give a model's normalisation statistics and biases that are not those it began with."""
    generator = np.random.RandomState(seed)
    for variable in model.variables:
        if variable.name in ("moving_mean", "beta", "bias"):
            variable.assign(generator.uniform(-0.5, 0.5, variable.shape))
        if variable.name in ("moving_variance", "gamma"):
            variable.assign(generator.uniform(0.5, 2, variable.shape))
    return model


def chain(*layers):
    return settle(keras.Sequential([keras.Input(SHAPE), *layers, L.GlobalAveragePooling2D(), L.Dense(5)]))


def normalised(padding="same", stride=1, **options):
    return L.Conv2D(8, 3, stride, padding, **options), L.BatchNormalization(), L.ReLU(6.0)


def read_twice():
    inputs = keras.Input(SHAPE)
    maps = L.Conv2D(8, 3, padding="same")(inputs)
    maps = L.Add()([L.BatchNormalization()(maps), maps])
    return settle(keras.Model(inputs, L.Dense(5)(L.GlobalAveragePooling2D()(maps))))


def given_out():
    inputs = keras.Input(SHAPE)
    maps = L.Conv2D(5, 16)(inputs)
    return settle(keras.Model(inputs, [L.Flatten()(L.BatchNormalization()(maps)), maps]))


# A model, how many normalisations can be folded, and how many scalings.
CASES = {
    "convolution": (lambda: chain(*normalised()), 1, 0),
    "strides": (lambda: chain(*normalised("valid", 2), *normalised("same", 2), *normalised("same", 2)), 3, 0),
    "no scale, no centre": (lambda: chain(L.Conv2D(8, 3), L.BatchNormalization(scale=False, center=False)), 1, 0),
    "by channel": (
        lambda: chain(
            *normalised(), L.DepthwiseConv2D(3, 2, "same", depth_multiplier=2), L.BatchNormalization(), L.ReLU()
        ),
        2,
        0,
    ),
    "dense": (
        lambda: chain(
            L.GlobalAveragePooling2D(keepdims=True),
            L.Flatten(),
            L.Dense(6),
            L.BatchNormalization(),
            L.Reshape((1, 1, 6)),
        ),
        1,
        0,
    ),
    "after an activation": (lambda: chain(L.Conv2D(8, 3, activation="relu"), L.BatchNormalization()), 0, 0),
    "after an activation layer": (lambda: chain(L.Conv2D(8, 3), L.ReLU(), L.BatchNormalization()), 0, 0),
    "read twice": (read_twice, 0, 0),
    "another axis": (lambda: chain(L.Conv2D(8, 3), L.BatchNormalization(axis=1)), 0, 0),
    "scale before padding": (lambda: chain(L.Rescaling(3.0), *normalised()), 1, 1),
    "offset before padding": (lambda: chain(L.Rescaling(3.0, -1.0), *normalised()), 1, 0),
    "offset before no padding": (lambda: chain(L.Rescaling(3.0, -1.0), *normalised("valid")), 1, 1),
    "normalisation of pixels": (
        lambda: chain(L.Normalization(mean=[0.1, 0.5, 0.3], variance=[0.2, 0.4, 1.0]), *normalised("valid")),
        1,
        1,
    ),
    "offset before a kernel for each channel": (
        lambda: chain(L.Rescaling([1.0, 2.0, 3.0], [0.1, 0.0, -1.0]), L.DepthwiseConv2D(3, depth_multiplier=2)),
        0,
        1,
    ),
}


def outputs_and_gradients(model, images):
    """Logits and input gradients, by the prepared model and by the model itself."""

    def run(logits_of, images):
        logits = logits_of(images)
        weights = tf.random.stateless_normal([logits.shape[-1]], (0, 1))
        return logits, tf.gradients(tf.reduce_sum(tf.tanh(logits) * weights), images)[0]

    def own(images):
        return find_logits(model(images, training=False))[0]

    def ours(images):
        return prepare(model, rearrange=False).classify(images)

    return [tf.function(run, autograph=False)(each, tf.constant(images)) for each in (ours, own)]


def assert_near(ours, own):
    for got, expected in zip(ours, own, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("case", CASES)
def test_what_can_be_folded_is_and_nothing_changes(case):
    make, normalisations, scalings = CASES[case]
    model = make()
    found = find_folded_model(model).folded.values()
    assert sum(each.normalisation is not None for each in found) == normalisations
    assert sum(each.scaling is not None for each in found) == scalings
    assert_near(*outputs_and_gradients(model, images_for(model)[0]))


def test_an_output_of_the_model_is_not_folded_away():
    model = given_out()
    found = find_folded_model(model)
    assert found is None or all(each.normalisation is None for each in found.folded.values())


@pytest.mark.integration
@pytest.mark.parametrize("kind", MODELS)
def test_logits_and_input_gradients_of_every_kind_are_those_of_the_model(kind, models):
    model = models(kind)
    assert_near(*outputs_and_gradients(model, images_for(model)[0]))


@pytest.mark.parametrize("layer", ["conv", "batch_normalization", "last"])
def test_layers_that_are_looked_at_have_their_own_outputs(layer, models, monkeypatch):
    model = models("sequential")
    layer = next(each.name for each in model.layers if each.name.startswith(layer))
    images, labels = images_for(model)
    ours = GradCAM(model, layer=layer)(images, labels)
    monkeypatch.setattr("interp.models.prepared.find_folded_model", lambda model: None)
    assert_near([ours], [GradCAM(keras.Sequential([model]), layer=layer)(images, labels)])


def test_weights_are_the_present_ones():
    model = chain(*normalised())
    images = images_for(model)[0]
    classify = tf.function(lambda images: prepare(model, rearrange=False).classify(images), autograph=False)
    before = classify(images).numpy()
    settle(model, seed=1)
    after = classify(images).numpy()
    assert np.abs(after - before).max() > 1e-2
    assert_near([after], [model(images)])


def test_an_activation_that_was_exchanged_is_seen():
    model = chain(*normalised())
    assert_near(*outputs_and_gradients(model, images_for(model)[0]))
    model.layers[0].activation = keras.activations.relu
    assert_near(*outputs_and_gradients(model, images_for(model)[0]))


class Doubled(keras.Sequential):
    """Computes something else than its layers say."""

    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs, training=training)


def test_a_model_that_is_more_than_its_layers_is_called_as_it_is():
    model = Doubled([keras.Input(SHAPE), *normalised(), L.GlobalAveragePooling2D(), L.Dense(5)])
    assert find_folded_model(settle(model)) is None
    assert_near(*outputs_and_gradients(model, images_for(model)[0]))


class Tempered(keras.Sequential):
    """Divides logits by a temperature, which is 1 until it is calibrated."""

    def __init__(self, layers):
        super().__init__(layers)
        self.temperature = self.add_weight(shape=(), initializer="ones", trainable=False)

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=training) / self.temperature


@pytest.mark.parametrize("around", [lambda model: model, lambda model: keras.Sequential([keras.Input(SHAPE), model])])
def test_what_a_class_adds_once_its_weights_have_changed_is_not_lost(around):
    tempered = Tempered([keras.Input(SHAPE), *normalised(), L.GlobalAveragePooling2D(), L.Dense(5)])
    model = settle(around(tempered))
    tempered.temperature.assign(1.0)
    assert_near(*outputs_and_gradients(model, images_for(model)[0]))
    tempered.temperature.assign(3.0)
    assert_near(*outputs_and_gradients(model, images_for(model)[0]))


def test_half_precision_is_left_alone():
    policy = "mixed_float16"
    model = keras.Sequential([keras.Input(SHAPE), L.Conv2D(4, 3, dtype=policy), L.BatchNormalization(dtype=policy)])
    assert find_folded_model(model) is None

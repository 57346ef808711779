"""Maps do not depend on where a model keeps its channels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attributions import CAM, GradCAM, GradCAMPlusPlus, GuidedGradCAM, InterpretationMaps
from interp.core.errors import InputError
from tests.model_kinds import needs_channels_first

L = keras.layers
SHAPE = (9, 12, 3)
IMAGES, LABELS = np.random.RandomState(0).rand(4, *SHAPE).astype(np.float32), np.array([0, 1, 2, 3])
METHODS = {"GradCAM": GradCAM, "GradCAMPlusPlus": GradCAMPlusPlus, "GuidedGradCAM": GuidedGradCAM}


@pytest.fixture(autouse=True)
def channels_first():
    needs_channels_first()


def body(layout, *, pooled=True):
    """The same layers in either layout; `deep` is the last convolution."""
    end = (
        [L.GlobalAveragePooling2D(data_format=layout)]
        if pooled
        else [L.MaxPooling2D(2, data_format=layout), L.GlobalMaxPooling2D(data_format=layout)]
    )
    return [
        L.Conv2D(6, 3, data_format=layout, activation="relu", name="first"),
        L.BatchNormalization(axis=1 if layout == "channels_first" else -1, name="normalised"),
        L.Conv2D(5, 2, data_format=layout, activation="relu", name="deep"),
        L.Dropout(0.5, name="dropped"),
        *end,
        L.Dense(4),
    ]


def last():
    return keras.Sequential([keras.Input(SHAPE), *body("channels_last")])


def first():
    return keras.Sequential([keras.Input(SHAPE), L.Permute((3, 1, 2)), *body("channels_first")])


def first_by_an_operation():
    inputs = keras.Input(SHAPE)
    outputs = keras.ops.transpose(inputs, (0, 3, 1, 2))
    for layer in body("channels_first"):
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


def first_nested():
    inner = keras.Sequential([keras.Input((3, 9, 12)), *body("channels_first")])
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, inner(L.Permute((3, 1, 2))(inputs)))


def back_again():
    """Permuted at the end of the convolutions: what only moves numbers is not the layer to look at."""
    layers = body("channels_first")
    return keras.Sequential(
        [keras.Input(SHAPE), L.Permute((3, 1, 2)), *layers[:4], L.Permute((2, 3, 1)), *body("channels_last")[4:]]
    )


def with_weights_of(reference, model):
    model.set_weights(reference.get_weights())
    return model


@pytest.fixture(scope="module")
def reference():
    keras.utils.set_random_seed(3)
    model = last()
    generator = np.random.RandomState(0)
    model.set_weights([weight + 0.1 * generator.rand(*weight.shape) for weight in model.get_weights()])
    return model


MAKERS = [first, first_by_an_operation, first_nested, back_again]
FAST = [("GradCAM", make, None) for make in MAKERS] + [
    ("GradCAMPlusPlus", first, "first"),
    ("GuidedGradCAM", first_nested, "deep"),
]
CASES = [
    pytest.param(name, make, layer, marks=() if (name, make, layer) in FAST else pytest.mark.slow)
    for name in METHODS
    for make in MAKERS
    for layer in (None, "first", "normalised", "deep")
]


@pytest.mark.parametrize(("name", "make", "layer"), CASES)
def test_the_map_is_that_of_the_other_layout(name, make, layer, reference):
    model = with_weights_of(reference, make())
    np.testing.assert_allclose(model(IMAGES), reference(IMAGES), rtol=1e-4, atol=1e-5)
    expected = METHODS[name](reference, layer=layer).explain(IMAGES, LABELS)
    found = METHODS[name](model, layer=layer).explain(IMAGES, LABELS)
    assert expected.layer == (layer or "dropped")
    assert found.layer.split("/")[-1] == expected.layer
    assert np.abs(expected.maps).max() > 0
    np.testing.assert_allclose(found.maps, expected.maps, rtol=1e-3, atol=1e-5 * np.abs(expected.maps).max())


@pytest.mark.parametrize("make", [first, first_nested, back_again])
def test_cam_and_the_representation_too(make, reference):
    model = with_weights_of(reference, make())
    np.testing.assert_allclose(CAM(model)(IMAGES, LABELS), CAM(reference)(IMAGES, LABELS), rtol=1e-4, atol=1e-5)
    for name in ("cam", "cam++", "representation"):
        maps = [InterpretationMaps(name=name)(each, IMAGES, LABELS[:, None]) for each in (reference, model)]
        np.testing.assert_allclose(maps[1], maps[0], rtol=1e-4, atol=1e-5)


def ending_in(*layers):
    return keras.Sequential([keras.Input(SHAPE), L.Conv2D(4, 2, name="conv"), *layers, L.Flatten(), L.Dense(4)])


class Moves(L.Layer):
    """A layer of somebody's own that Keras knows nothing of."""

    def call(self, inputs):
        return tf.identity(tf.transpose(inputs, (0, 3, 1, 2)))


@pytest.mark.parametrize(
    "layers",
    [
        (L.Permute((3, 1, 2)),),
        (L.Permute((2, 1, 3)),),
        (L.Reshape((4, 8, 11)),),
        (L.Lambda(lambda maps: tf.transpose(maps, (0, 3, 1, 2))),),
        (Moves(),),
        (L.Permute((1, 3, 2)), L.Activation("relu")),
        (L.Reshape((11, 8, 4)), L.Activation("relu", name="after")),
    ],
)
def test_what_only_moves_numbers_is_not_the_layer_to_look_at(layers):
    model = ending_in(*layers)
    assert GradCAM(model).explain(IMAGES, LABELS).layer == "conv"


def test_group_normalisation_keeps_the_layout():
    """Grad-CAM looked at the convolution before it."""
    model = ending_in(L.GroupNormalization(2), L.ReLU(name="after"))
    assert GradCAM(model).explain(IMAGES, LABELS).layer == "after"


def test_a_layout_that_nobody_says_is_refused_by_name():
    model = ending_in(L.Reshape((4, 8, 11)), L.Activation("relu", name="after"))
    with pytest.raises(InputError, match=r"'after' has an output of a layout that is not known.*: choose one of conv"):
        GradCAM(model, layer="after")(IMAGES, LABELS)


def test_a_layer_that_says_its_layout_ends_the_doubt():
    model = ending_in(L.Reshape((4, 8, 11)), L.Conv2D(3, 2, data_format="channels_first", name="next"))
    explanation = GradCAM(model).explain(IMAGES, LABELS)
    assert explanation.layer == "next"
    outputs = keras.Model(model.inputs, [model.get_layer("next").output, model.outputs[0]])
    with tf.GradientTape() as tape:
        maps, logits = outputs(tf.constant(IMAGES))
        scores = tf.gather(logits, LABELS, batch_dims=1)
    weights = tf.reduce_mean(tape.gradient(scores, maps), (2, 3), keepdims=True)
    by_hand = tf.image.resize(tf.nn.relu(tf.reduce_sum(weights * maps, 1))[..., None], SHAPE[:2], "bilinear")
    np.testing.assert_allclose(explanation.maps, by_hand, rtol=1e-4, atol=1e-6)

"""Which Keras models have class activation maps, and that those are theirs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attacks import TopKInterpretation
from interp.attributions import CAM, InterpretationMaps
from interp.core.errors import InputError
from interp.models import Network, prepare
from interp.models.linear_tail import LayeredTail, LogitsTail
from interp.models.model_check import find_facts
from tests.model_kinds import needs_channels_first

layers = keras.layers
IMAGES = np.random.RandomState(0).rand(4, 12, 12, 1).astype(np.float32)
CLASSES = np.tile([0, 1, 2], (4, 1))


def sequential():
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(5, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
            layers.Dense(3, bias_initializer="ones"),
        ]
    )


def nested():
    backbone = keras.Sequential([layers.Conv2D(4, 3, strides=2), layers.BatchNormalization(), layers.ReLU()])
    inputs = keras.Input((12, 12, 1))
    return keras.Model(inputs, layers.Dense(3, use_bias=False)(layers.GlobalAveragePooling2D()(backbone(inputs))))


def loaded(make, folder):
    make().save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras", compile=False)


def with_a_backbone_built_before():
    inner = keras.Input((12, 12, 1))
    backbone = keras.Model(inner, layers.Conv2D(4, 3)(inner))
    inputs = keras.Input((12, 12, 1))
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(backbone(inputs))))


def reading_the_second_of_two_outputs():
    inputs = keras.Input((12, 12, 1))
    _, second = keras.Model(inputs, [layers.Conv2D(4, 3)(inputs), layers.Conv2D(5, 5)(inputs)])(inputs)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(second)))


def whole_in_a_nested_model():
    inputs = keras.Input((12, 12, 1))
    return keras.Model(inputs, layers.Identity()(keras.Sequential([sequential(), layers.Dropout(0.5)])(inputs)))


def rescaled():
    return keras.Sequential([keras.Input((12, 12, 1)), layers.Rescaling(2.0, -1.0), sequential()])


def rebuilt():
    """Of the layers of another model, whose graph their outputs belong to."""
    inputs = keras.Input((12, 12, 1))
    outputs = inputs
    for layer in sequential().layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


def channels_first():
    needs_channels_first()
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Permute((3, 1, 2)),
            layers.Conv2D(5, 3, data_format="channels_first"),
            layers.GlobalAveragePooling2D(data_format="channels_first", keepdims=True),
            layers.Flatten(),
            layers.Dense(3, bias_initializer="ones"),
        ]
    )


def head_by_a_convolution():
    """As MobileNet ends."""
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(5, 3),
            layers.GlobalAveragePooling2D(keepdims=True),
            layers.Dropout(0.5),
            layers.Conv2D(3, 1, bias_initializer="ones"),
            layers.Reshape((3,)),
        ]
    )


MAKERS = [
    head_by_a_convolution,
    sequential,
    nested,
    with_a_backbone_built_before,
    reading_the_second_of_two_outputs,
    whole_in_a_nested_model,
    rescaled,
    rebuilt,
    channels_first,
]


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("make", MAKERS)
def test_maps_average_to_the_logits_without_bias(make, saved, tmp_path):
    model = loaded(make, tmp_path) if saved else make()
    maps = InterpretationMaps(name="cam")(model, IMAGES, CLASSES)
    bias = next((variable.numpy() for variable in reversed(model.variables) if variable.name == "bias"), 0)
    bias = 0 if make is nested else bias
    np.testing.assert_allclose(maps.mean((2, 3)) + bias, model(IMAGES), atol=1e-5)
    forward = prepare(model, rearrange=True)
    assert isinstance(forward.tail, LayeredTail)
    np.testing.assert_allclose(forward.classify(tf.constant(IMAGES)), model(IMAGES), atol=1e-5)


def test_grad_cam_plus_plus_takes_the_positive_part_of_the_head():
    model = sequential()
    kernel = model.layers[-1].kernel.numpy()
    features = model.layers[0](IMAGES).numpy()
    expected = np.einsum("nhwc,ck->nkhw", features, np.maximum(kernel, 0))
    np.testing.assert_allclose(InterpretationMaps(name="cam++")(model, IMAGES, CLASSES), expected, atol=1e-5)


def test_the_representation_is_that_of_any_layer():
    model = sequential()
    last = InterpretationMaps(name="representation")(model, IMAGES, CLASSES[:, :1])
    first = InterpretationMaps(name="representation", layer=0)(model, IMAGES, CLASSES[:, :1])
    assert last.shape == first.shape == (4, 1, 10, 10, 5)
    np.testing.assert_allclose(last, first, atol=1e-6)
    with pytest.raises(InputError, match="gives no feature maps"):
        InterpretationMaps(name="representation", layer=1)(model, IMAGES, CLASSES[:, :1])
    with pytest.raises(InputError, match="no layer 7"):
        InterpretationMaps(name="representation", layer=7)(model, IMAGES, CLASSES[:, :1])


class Subclass(keras.Model):
    """Ends in pooling and a dense layer, but nobody can know that."""

    def __init__(self):
        super().__init__()
        self.pool, self.dense = layers.GlobalAveragePooling2D(), layers.Dense(3)

    def call(self, inputs):
        return -self.dense(self.pool(inputs))


class Negated(Network):
    """A network of the package that computes something else."""

    def call(self, inputs, training=None, mask=None):
        return -super().call(inputs, training=training)


def without_pooling():
    return keras.Sequential([keras.Input((12, 12, 1)), layers.Flatten(), layers.Dense(3)])


def with_activation():
    return keras.Sequential([keras.Input((12, 12, 1)), layers.GlobalAveragePooling2D(), layers.Dense(3, "relu")])


def with_something_between():
    inputs = keras.Input((12, 12, 1))
    pooled = layers.Rescaling(2.0)(layers.GlobalAveragePooling2D()(inputs))
    return keras.Model(inputs, layers.Dense(3)(pooled))


class Cosine(layers.Dense):
    def call(self, inputs, training=None):
        return super().call(inputs / (1 + keras.ops.norm(inputs)))


class Powered(layers.GlobalAveragePooling2D):
    def call(self, inputs):
        return super().call(inputs) ** 3


class Normed(layers.Dense):
    """A kernel that is computed from the weights."""

    def call(self, inputs, training=None):
        return keras.ops.matmul(inputs, keras.ops.normalize(self.kernel))


class AlwaysOn(layers.Dropout):
    def call(self, inputs, training=False):
        return super().call(inputs, training=True)


def with_layers(*end):
    return lambda: keras.Sequential([keras.Input((12, 12, 1)), layers.Conv2D(5, 3), *(make() for make in end)])


def quantised():
    model = sequential()
    model.layers[-1].quantize("int8")
    return model


@pytest.mark.parametrize(
    "make",
    [
        Subclass,
        lambda: Negated("small", (12, 12, 1), 3),
        without_pooling,
        with_activation,
        with_something_between,
        quantised,
        with_layers(layers.GlobalAveragePooling2D, lambda: Cosine(3)),
        with_layers(Powered, lambda: layers.Dense(3)),
        with_layers(layers.GlobalAveragePooling2D, lambda: Normed(3, use_bias=False)),
        with_layers(layers.GlobalMaxPooling2D, lambda: layers.Dense(3)),
        with_layers(layers.GlobalAveragePooling2D, lambda: AlwaysOn(0.5), lambda: layers.Dense(3)),
    ],
)
def test_other_models_are_called_as_they_are(make):
    model = make()
    assert find_facts(model).kernel is None
    assert type(prepare(model, rearrange=True).tail) is LogitsTail
    with pytest.raises(InputError, match="global average pooling"):
        InterpretationMaps(name="cam")(model, IMAGES, CLASSES)


class OwnPooling(keras.Model):
    """Averages and multiplies by itself; its graph says what its class does not."""

    def __init__(self):
        super().__init__()
        self.convolution, self.kernel = layers.Conv2D(5, 3), self.add_weight(shape=(5, 3))

    def call(self, inputs, training=None):
        maps = self.convolution(inputs)
        return keras.ops.matmul(keras.ops.mean(maps, (1, 2)), self.kernel)


def test_a_class_of_its_own_shows_its_head_in_its_graph():
    model = OwnPooling()
    maps = InterpretationMaps(name="cam")(model, IMAGES, CLASSES)
    np.testing.assert_allclose(maps.mean((2, 3)), model(IMAGES), atol=1e-5)


@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
def test_the_head_is_found_behind_what_makes_probabilities(end):
    plain = sequential()
    model = keras.Sequential(
        [
            plain,
            layers.Activation(end, dtype="float64"),
            layers.Identity(),
            layers.Activation("linear", dtype="float32"),
        ]
    )
    for name in ("cam", "cam++"):
        maps = [InterpretationMaps(name=name)(each, IMAGES, CLASSES) for each in (plain, model)]
        np.testing.assert_allclose(maps[1], maps[0], atol=1e-6)


@pytest.mark.integration
@pytest.mark.parametrize("make", [rescaled, rebuilt, whole_in_a_nested_model, channels_first])
def test_attributions_and_attacks_see_the_same_maps(make, tmp_path):
    """In the model as it was made and as it is after saving and loading."""
    model = make()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    labels = np.array([0, 1, 2, 0])
    maps = InterpretationMaps(name="cam")(model, IMAGES, labels[:, None])[:, 0]
    expected = tf.image.resize(maps[..., None], (12, 12), "bilinear")
    attack = TopKInterpretation(epsilon=0.1, steps=5, k=3)
    for each in (model, again):
        np.testing.assert_allclose(CAM(each)(IMAGES, labels), expected, atol=1e-5)
        np.testing.assert_allclose(attack(each, IMAGES, labels), attack(model, IMAGES, labels), atol=1e-6)

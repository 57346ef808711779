"""What a model ends in and begins with is read off its graph, whatever it is made of."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attacks import AutoPGD, ProjectedGradientDescent, Square, accuracy
from interp.attributions import GradCAM, VanillaGradient
from interp.core.errors import InputError
from interp.evaluation.predictions import predict
from interp.models.model_check import check_model, find_facts

L = keras.layers
SHAPE = (8, 8, 1)
IMAGES, LABELS = np.random.RandomState(0).rand(6, *SHAPE).astype(np.float32), np.array([0, 1, 2, 3, 0, 1])
PGD = ProjectedGradientDescent(epsilon=0.1, step_size=0.02, steps=5)
ENDS = {"softmax": (keras.activations.softmax, L.Softmax), "sigmoid": (keras.activations.sigmoid, None)}


def logits_model():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input(SHAPE), L.Conv2D(5, 3, activation="relu"), L.Flatten(), L.Dense(4)])
    model.layers[-1].kernel.assign(10 * model.layers[-1].kernel)
    return model


def with_end(*layers):
    return lambda plain, end: keras.Sequential([plain, *(make(end) for make in layers)])


def activation(end):
    return L.Activation(end)


def nested(plain, end):
    inner = keras.Sequential([keras.Sequential([L.Activation(end)]), L.Dropout(0.5)])
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, L.Identity()(inner(plain(inputs))))


def as_an_argument(plain, end):
    inputs = keras.Input(SHAPE)
    last = L.Dense(4, activation=end)
    outputs = last(plain.layers[1](plain.layers[0](inputs)))
    last.set_weights(plain.layers[-1].get_weights())
    return keras.Model(inputs, outputs)


class Own(keras.Model):
    """A class that Keras knows no layers of."""

    def __init__(self, plain, end):
        super().__init__()
        self.plain, self.end = plain, end

    def call(self, images, training=None):
        return self.end(self.plain(images, training=training))


class Compiled(Own):
    @tf.function
    def call(self, images, training=None):
        return self.end(self.plain(images, training=training))


class Twice(Compiled):
    """A compiled function in a compiled function."""

    @tf.function
    def inner(self, images):
        return self.end(self.plain(images))

    @tf.function
    def call(self, images, training=None):
        return tf.identity(self.inner(images))


KINDS = {
    "activation": with_end(activation),
    "argument": as_an_argument,
    "nested": nested,
    "identity and dropout after it": with_end(activation, lambda end: L.Dropout(0.5), lambda end: L.Identity()),
    "cast": with_end(
        lambda end: L.Activation(end, dtype="float64"), lambda end: L.Activation("linear", dtype="float32")
    ),
    "reshaped": with_end(lambda end: L.Reshape((1, 1, 4)), activation, lambda end: L.Reshape((4,))),
    "lambda": with_end(lambda end: L.Lambda(end)),
    "own class": Own,
}


CUTS = [
    pytest.param(end, kind, marks=() if end == "softmax" or kind == "activation" else pytest.mark.slow)
    for end in ENDS
    for kind in KINDS
]


@pytest.mark.integration
@pytest.mark.parametrize(("end", "kind"), CUTS)
def test_what_makes_probabilities_of_logits_is_cut(end, kind):
    plain = logits_model()
    model = KINDS[kind](plain, ENDS[end][0])
    check_model(model, tf.constant(IMAGES))
    assert find_facts(model).ends_in == end
    np.testing.assert_allclose(predict(model, IMAGES), plain(IMAGES), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(PGD(model, IMAGES, LABELS), PGD(plain, IMAGES, LABELS))
    np.testing.assert_allclose(
        VanillaGradient(model)(IMAGES, LABELS), VanillaGradient(plain)(IMAGES, LABELS), rtol=1e-4, atol=1e-6
    )


@pytest.mark.integration
@pytest.mark.parametrize("dtype", ["float16", pytest.param("bfloat16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("end", ENDS)
def test_half_precision_before_a_cast(end, dtype):
    """Rounded to 8 or 11 bits, the probabilities of many images do not sum to 1."""
    plain = logits_model()
    model = keras.Sequential([plain, L.Activation(ENDS[end][0], dtype=dtype), L.Activation("linear", dtype="float32")])
    many = np.random.RandomState(2).rand(300, *SHAPE).astype(np.float32)
    truth = np.argmax(plain(many), -1)
    assert model(many).dtype == tf.float32
    for attack in (PGD, AutoPGD(epsilon=0.1, steps=10), Square(epsilon=0.1, steps=20)):
        found = [accuracy(each, attack(each, many, truth), truth) for each in (plain, model)]
        assert abs(found[0] - found[1]) <= 0.03
    maps = [VanillaGradient(each)(IMAGES, LABELS) for each in (plain, model)]
    np.testing.assert_allclose(maps[1], maps[0], atol=0.02 * np.abs(maps[0]).max())


def test_ten_sigmoid_units_are_attacked_by_their_logits():
    """Sure units pass back no gradient, so their outputs taken for logits hide where the weak points are."""
    plain = logits_model()
    plain.layers[-1].kernel.assign(20 * plain.layers[-1].kernel)
    model = keras.Sequential([plain, L.Activation("sigmoid")])
    truth = np.argmax(plain(IMAGES), -1)
    strong = ProjectedGradientDescent(epsilon=0.5, step_size=0.05, steps=20)
    assert (
        accuracy(model, strong(model, IMAGES, truth), truth) == accuracy(plain, strong(plain, IMAGES, truth), truth) < 1
    )


def by_hand(plain):
    inputs = keras.Input(SHAPE)
    odds = keras.ops.exp(0.1 * plain(inputs))
    return keras.Model(inputs, odds / keras.ops.sum(odds, -1, keepdims=True))


def after(plain, activation, change):
    return keras.Sequential([plain, L.Activation(activation), L.Lambda(change)])


def one_head_per_class(plain):
    """As models of several labels are often written."""
    inputs = keras.Input(SHAPE)
    features = plain(inputs)
    return keras.Model(inputs, L.Concatenate()([L.Dense(1, activation="sigmoid")(features) for _ in range(3)]))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (by_hand, "does not end in a softmax that can be cut"),
        (
            lambda plain: keras.Sequential([plain, L.Softmax(), L.Lambda(lambda p: p[:, ::-1])]),
            "so that it cannot be cut",
        ),
        (lambda plain: Compiled(plain, keras.ops.softmax), "probabilities by a softmax inside a compiled function"),
        (lambda plain: Compiled(plain, keras.ops.sigmoid), "probabilities by a sigmoid inside a compiled function"),
        (
            lambda plain: keras.Sequential([plain, L.Reshape((2, 2)), L.Softmax(), L.Flatten()]),
            "several softmaxes over 2",
        ),
        (lambda plain: Twice(plain, keras.ops.softmax), "probabilities by a softmax inside a compiled function"),
        (one_head_per_class, r"probabilities by a sigmoid, which are joined, .* \(ConcatV2\)"),
        (
            lambda plain: after(plain, "softmax", lambda p: p[:, :3]),
            r"probabilities by a softmax, .* \(StridedSlice\)",
        ),
        (
            lambda plain: after(plain, "sigmoid", lambda p: keras.ops.clip(p, 1e-7, 1 - 1e-7)),
            "probabilities by a sigmoid, which are joined, limited or left out",
        ),
    ],
)
@pytest.mark.parametrize("ask", [PGD, lambda model, *data: VanillaGradient(model)(*data), accuracy])
def test_probabilities_that_cannot_be_cut_are_refused(ask, make, said):
    with pytest.raises(InputError, match=said) as caught:
        ask(make(logits_model()), IMAGES, LABELS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "end",
    [
        lambda z: z * keras.ops.sigmoid(z),
        lambda z: keras.ops.clip(z, -5, 5),
        lambda z: keras.ops.concatenate([keras.ops.sigmoid(z[:, :2]), z[:, 2:]], -1),
    ],
)
def test_outputs_that_are_more_than_probabilities_are_logits(end):
    plain = logits_model()
    model = keras.Sequential([plain, L.Lambda(end)])
    check_model(model, tf.constant(IMAGES))
    assert find_facts(model).ends_in == "logits"


@pytest.mark.integration
@pytest.mark.parametrize("cls", [Compiled, Twice])
def test_logits_of_a_compiled_function_are_logits(cls):
    plain = logits_model()
    model = cls(plain, tf.identity)
    np.testing.assert_allclose(PGD(model, IMAGES, LABELS), PGD(plain, IMAGES, LABELS), atol=1e-6)


def test_exchanged_layers_are_looked_at_anew():
    model = keras.Sequential([logits_model()])
    check_model(model, tf.constant(IMAGES))
    assert find_facts(model).ends_in == "logits"
    model.add(L.Dense(4, activation="softmax"))
    check_model(model, tf.constant(IMAGES))
    assert find_facts(model).ends_in == "softmax"


# What a model begins with.


def beginning(*layers):
    return keras.Sequential([keras.Input(SHAPE), *layers, L.Conv2D(5, 3, activation="relu"), L.Flatten(), L.Dense(4)])


def functional(scale):
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, beginning()(scale(inputs)))


class Divides(keras.Model):
    def __init__(self):
        super().__init__()
        self.rest = beginning()

    def call(self, images, training=None):
        return self.rest(images / 255.0)


BYTES = {
    "tutorial": lambda: beginning(L.Rescaling(1 / 255)),
    "minus one to one": lambda: beginning(L.Rescaling(1 / 127.5, -1)),
    "normalised": lambda: beginning(L.Normalization(mean=[120.0], variance=[3600.0])),
    "mean subtracted": lambda: beginning(L.Normalization(mean=[120.0], variance=[1.0])),
    "rescaled and normalised": lambda: beginning(L.Rescaling(1 / 255), L.Normalization(mean=[0.4], variance=[0.1])),
    "augmented and resized": lambda: beginning(L.RandomFlip(), L.Resizing(8, 8), L.Rescaling(1 / 255)),
    "operation": lambda: functional(lambda inputs: inputs / 255.0),
    "mean of ImageNet in BGR": lambda: functional(
        lambda inputs: keras.applications.resnet50.preprocess_input(L.Concatenate()([inputs] * 3))[..., :1]
    ),
    "channels turned": lambda: functional(lambda inputs: keras.ops.flip(inputs, -1) / 255.0),
    "cropped": lambda: beginning(L.CenterCrop(6, 6), L.Rescaling(1 / 255)),
    "nested": lambda: keras.Sequential([keras.Input(SHAPE), keras.Sequential([L.Rescaling(1 / 255)]), beginning()]),
    "own class": Divides,
    "half precision": lambda: beginning(L.Rescaling(1 / 255, dtype="mixed_float16")),
}


@pytest.mark.parametrize("kind", BYTES)
def test_a_model_that_scales_bytes_itself_is_told_what_to_do(kind):
    model = BYTES[kind]()
    asked = (
        lambda: PGD(model, IMAGES, LABELS),
        lambda: GradCAM(model)(IMAGES, LABELS),
        lambda: accuracy(model, IMAGES, LABELS),
    )
    for ask in asked:
        with pytest.raises(InputError, match=r"Rescaling\(255.0\), model") as caught:
            ask()
        assert "\n" not in str(caught.value)
    # The advice, followed.
    wrapped = keras.Sequential([keras.layers.Rescaling(255.0), model])
    np.testing.assert_allclose(predict(wrapped, IMAGES), model(255 * IMAGES, training=False), rtol=1e-3, atol=1e-3)
    PGD(wrapped, IMAGES, LABELS)


@pytest.mark.parametrize(
    "layers",
    [
        (),
        (L.Rescaling(2.0, -1.0),),
        (L.Normalization(mean=[0.45], variance=[0.05]),),
        (L.BatchNormalization(),),
        (L.Conv2D(3, 1), L.Rescaling(1 / 255)),
    ],
)
def test_scaling_of_images_in_the_unit_range_is_fine(layers):
    check_model(beginning(*layers), tf.constant(IMAGES))


def test_images_divided_by_what_they_hold_are_not_scaled_by_constants():
    model = functional(lambda inputs: inputs / (keras.ops.max(inputs, (1, 2, 3), keepdims=True) * 255.0 + 1))
    check_model(model, tf.constant(IMAGES))


@pytest.mark.integration
def test_nothing_keeps_a_checked_model_alive():
    import gc
    import weakref

    model = keras.Sequential([logits_model(), L.Softmax()])
    predict(model, IMAGES)
    reference = weakref.ref(model)
    del model
    keras.backend.clear_session()
    gc.collect()
    assert reference() is None


# Losses of layers.


@pytest.mark.integration
def test_no_tensors_of_a_graph_stay_in_the_losses():
    inputs = keras.Input(SHAPE)
    maps = L.Conv2D(3, 3, activity_regularizer="l2", kernel_regularizer="l1")(inputs)
    model = keras.Model(inputs, L.Dense(4)(L.Flatten()(L.ReLU()(maps))))
    for ask in (GradCAM(model), lambda *data: PGD(model, *data), lambda *data: accuracy(model, *data)):
        ask(IMAGES, LABELS)
        assert len(model.losses) == 2
        assert all(np.isfinite(float(loss)) for loss in model.losses)


def built_for(count, reshapes):
    inputs = keras.Input(batch_shape=(count, *SHAPE))
    features = L.Conv2D(3, 3)(inputs)
    flat = keras.ops.reshape(features, (count, -1)) if reshapes else L.GlobalAveragePooling2D()(features)
    return keras.Model(inputs, L.Dense(4)(flat))


@pytest.mark.parametrize("count", [1, len(IMAGES)])
def test_a_model_that_takes_one_number_of_images_alone_is_told_what_to_do(count):
    check_model(built_for(count, reshapes=False), tf.constant(IMAGES))
    model = built_for(count, reshapes=True)
    with pytest.raises(InputError, match=f"built for {count} images? at a time .* -1 in place of {count} where"):
        check_model(model, tf.constant(IMAGES))
    with pytest.raises(InputError, match="it takes"):
        check_model(model, tf.zeros((2, 5, 5, 1)))

"""Relevance by hand on toy networks, where it goes in each layer, and what has no rule."""

import keras
import numpy as np
import pytest

from interp.attributions import LRP, InputXGradient
from interp.core.errors import InputError
from interp.models import adapt
from tests.model_kinds import MODELS, images_for

L = keras.layers
EPSILON = 1e-6


def steady(outputs):
    return outputs + np.where(outputs >= 0, EPSILON, -EPSILON)


def positive(inputs, weights):
    """The positive products (inputs, units)."""
    return np.maximum(inputs[:, None] * weights, 0)


@pytest.fixture(scope="module")
def two_layers():
    """Two dense layers with biases on four pixels, random; weights and biases in order."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2, 2, 1)), L.Flatten(), L.Dense(5, "relu", name="a"), L.Dense(3, name="b")])
    for layer in ("a", "b"):
        model.get_layer(layer).bias.assign(np.random.RandomState(0).normal(size=model.get_layer(layer).units) / 4)
    return model


IMAGE = np.array([0.5, 0.25, 0.75, 1.0], np.float32)


@pytest.mark.parametrize(
    ("rules", "by_layer"),
    [
        ("epsilon", ("epsilon", "epsilon")),
        ("zplus", ("zplus", "zplus")),
        ({"a": "zplus"}, ("zplus", "epsilon")),
        ({"b": "zplus"}, ("epsilon", "zplus")),
        ({"Dense": "zplus", "b": "epsilon"}, ("zplus", "epsilon")),
    ],
)
def test_two_layers_by_hand(two_layers, rules, by_layer):
    first, first_bias, second, second_bias = two_layers.get_weights()
    hidden = IMAGE @ first + first_bias
    logits = np.maximum(hidden, 0) @ second + second_bias
    relevance, taken = np.eye(3)[1] * logits, 0.0
    steps = ((np.maximum(hidden, 0), second, second_bias, logits), (IMAGE, first, first_bias, hidden))
    for rule, (inputs, weights, bias, outputs) in zip(by_layer[::-1], steps, strict=True):
        if rule == "epsilon":
            taken += (bias * relevance / steady(outputs)).sum()
            relevance = inputs * (weights @ (relevance / steady(outputs)))
        else:
            products = positive(inputs, weights)
            whole = products.sum(0)
            relevance = products @ np.divide(relevance, whole, out=np.zeros_like(whole), where=whole != 0)
    found = LRP(two_layers, rules=rules).explain(IMAGE.reshape(1, 2, 2, 1), [1])
    np.testing.assert_allclose(found.maps.ravel(), relevance, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.values["bias"], [taken], rtol=1e-4, atol=1e-6)
    gap = abs(relevance.sum() + taken - logits[1])
    np.testing.assert_allclose(found.values["conservation"], [gap], atol=1e-5)


def busy(model):
    """Biases that are not 0, and statistics of batch normalisation as of a trained model."""
    generator = np.random.RandomState(1)
    for variable in model.variables:
        if variable.name in ("bias", "beta", "moving_mean"):
            variable.assign(generator.uniform(-0.2, 0.2, variable.shape))
        elif variable.name in ("gamma", "moving_variance"):
            variable.assign(generator.uniform(0.5, 2, variable.shape))
    return model


def of_all_layers():
    inputs = keras.Input((12, 12, 2))
    maps = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(inputs)))
    maps = L.MaxPooling2D(2)(maps)
    skipped = maps
    maps = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(maps)
    maps = L.BatchNormalization()(maps)
    maps = L.Conv2D(4, 1, groups=2, activation="relu")(maps)
    maps = L.Add()([maps, skipped]) * 0.5
    maps = L.BatchNormalization()(L.ZeroPadding2D(1)(maps))
    maps = L.AveragePooling2D(2)(L.ReLU(max_value=6)(maps))
    maps = L.Concatenate()([maps, L.Cropping2D(2)(skipped + 0.1)]) if maps.shape[1] == 2 else maps
    rows = L.Dense(6)(L.Flatten()(L.Permute((2, 1, 3))(L.Dropout(0.5)(maps))))
    return keras.Model(inputs, L.Dense(3, activation="softmax")(L.LeakyReLU()(L.BatchNormalization()(rows))))


KINDS = {
    "all layers": of_all_layers,
    **{
        kind: MODELS[kind]
        for kind in (
            "sequential",
            "shared relu",
            "softmax argument",
            "dictionary of inputs",
            "network simple_cnn",
            "network small",
        )
    },
}
FAST = ("all layers", "shared relu", "softmax argument")


@pytest.mark.parametrize(
    "kind", [kind if kind in FAST else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_the_epsilon_rule_is_input_times_gradient_and_nothing_is_lost(kind):
    """As epsilon goes to 0, but for sums near 0, for piecewise linear layers (Ancona et al. 2018); whatever the model is built of."""
    keras.utils.set_random_seed(4)
    model = busy(KINDS[kind]())
    images, labels = images_for(model)
    labels = labels % 3
    found = LRP(model).explain(images, labels)
    expected = InputXGradient(model)(images, labels)
    np.testing.assert_allclose(found.maps, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())
    assert (found.values["conservation"] <= 1e-3).all()


@pytest.mark.integration
def test_batch_normalisation_is_folded_before_the_zplus_rule():
    """A negative factor turns weights round, which the rule must see."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((6, 6, 2))
    maps = L.BatchNormalization(name="bn")(L.Conv2D(3, 3, name="conv")(inputs))
    model = keras.Model(inputs, L.Dense(2)(L.Flatten()(L.ReLU()(maps))))
    gamma, beta, mean, variance = (
        np.array([-1.5, 0.5, 2.0]),
        np.array([0.1, -0.2, 0.3]),
        np.array([0.2, 0, -0.1]),
        np.array([1, 2, 0.5]),
    )
    model.get_layer("bn").set_weights([gamma, beta, mean, variance])
    plain = keras.Sequential([keras.Input((6, 6, 2)), L.Conv2D(3, 3, activation="relu"), L.Flatten(), L.Dense(2)])
    kernel, bias = model.get_layer("conv").get_weights()
    factor = gamma / np.sqrt(variance + model.get_layer("bn").epsilon)
    plain.set_weights([kernel * factor, (bias - mean) * factor + beta, *model.layers[-1].get_weights()])
    images = np.random.RandomState(0).rand(2, 6, 6, 2).astype(np.float32)
    for rules in ("zplus", "epsilon"):
        expected = LRP(plain, rules=rules)(images, [0, 1])
        np.testing.assert_allclose(LRP(model, rules=rules)(images, [0, 1]), expected, rtol=1e-3, atol=1e-5)


def test_the_winner_takes_all_and_scaling_keeps_a_pixels_relevance():
    model = keras.Sequential(
        [keras.Input((2, 2, 1)), L.Rescaling(2.0, -0.5), L.MaxPooling2D(2), L.Flatten(), L.Dense(2, use_bias=False)]
    )
    model.set_weights([np.array([[3.0, -1.0]])])
    found = LRP(model).explain(IMAGE.reshape(1, 2, 2, 1), [0])
    np.testing.assert_allclose(found.maps.ravel(), [0, 0, 0, 3 * 1.5], rtol=1e-5)


def test_an_adapted_model_has_the_relevance_of_its_pixels():
    """Scale and head are put around the model, whose relevance stays with the pixels."""
    keras.utils.set_random_seed(6)
    model = keras.Sequential([keras.Input((4, 4, 3)), L.Flatten(), L.Dense(1, activation="sigmoid")])
    adapted = adapt(model, scale="caffe")
    images = np.random.RandomState(0).rand(2, 4, 4, 3).astype(np.float32)
    found = LRP(adapted).explain(images, [1, 0])
    scaled = images[..., ::-1] * 255 - np.array([103.939, 116.779, 123.68])
    expected = (scaled * model.layers[-1].kernel.numpy().reshape(4, 4, 3))[..., ::-1]
    # The logits are (-z/2, z/2).
    np.testing.assert_allclose(found.maps, expected * np.reshape([0.5, -0.5], (2, 1, 1, 1)), rtol=1e-3, atol=1e-2)


def test_the_zplus_rule_keeps_the_sign_of_the_logit_and_epsilon_counts(two_layers):
    images, labels = np.random.RandomState(0).rand(8, 2, 2, 1).astype(np.float32), np.arange(8) % 3
    maps = LRP(two_layers, rules="zplus")(images, labels)
    logits = np.asarray(two_layers(images))[range(8), labels]
    assert (maps * logits[:, None, None, None] >= 0).all()
    assert np.abs(maps).max() > 0
    assert not np.allclose(LRP(two_layers, epsilon=0.5)(images, labels), LRP(two_layers)(images, labels))


def test_layers_that_augment_images_in_training_pass_relevance_on():
    keras.utils.set_random_seed(0)
    plain = keras.Sequential([keras.Input((4, 4, 1)), L.Flatten(), L.Dense(2)])
    augment = [
        L.RandomFlip(),
        L.RandomRotation(0.1),
        L.RandomZoom(0.1),
        L.RandomContrast(0.1),
        L.RandomTranslation(0.1, 0.1),
    ]
    model = keras.Sequential([keras.Input((4, 4, 1)), *augment, *plain.layers])
    images = np.random.RandomState(0).rand(2, 4, 4, 1).astype(np.float32)
    np.testing.assert_allclose(LRP(model)(images, [0, 1]), LRP(plain)(images, [0, 1]), rtol=1e-6)


def ending(*layers):
    return keras.Sequential([keras.Input((4, 4, 1)), L.Conv2D(2, 3, name="conv"), *layers, L.Flatten(), L.Dense(2)])


def gated():
    inputs = keras.Input((4, 4, 1))
    maps = L.Conv2D(2, 3)(inputs)
    return keras.Model(inputs, L.Dense(2)(L.Flatten()(L.Multiply(name="gate")([maps, maps]))))


def quantised(model):
    """Its kernels are whole numbers up to 127, which gave biases next to no share."""
    model.layers[-1].quantize("int8")
    return model


def attends():
    inputs = keras.Input((4, 4, 1))
    weights = L.Dense(16, activation="softmax", name="weights")(L.Flatten()(inputs))
    return keras.Model(inputs, L.Dense(2)(weights))


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (
            lambda: ending(L.Activation("gelu", name="act")),
            {},
            "LRP has no rule for the layer 'act' (Activation with gelu)",
        ),
        (
            lambda: ending(L.LayerNormalization(name="norm")),
            {},
            "LRP has no rule for the layer 'norm' (LayerNormalization)",
        ),
        (lambda: ending(L.Lambda(lambda x: abs(x), name="own")), {}, "LRP has no rule for the layer 'own' (Lambda)"),
        (lambda: ending(L.Conv2D(2, 1, activation="tanh", name="curved")), {}, "'curved' (Conv2D with tanh)"),
        (gated, {}, "'gate' (Multiply)"),
        (lambda: quantised(ending()), {}, "(Dense, quantised to int8)"),
        (attends, {}, "'weights' (Dense with softmax)"),
        (ending, {"rules": {"cnv": "zplus"}}, "did you mean 'conv'?"),
        (ending, {"rules": "gamma"}, "unknown rule 'gamma'"),
        (ending, {"rules": {"conv": "alpha"}}, "unknown rule 'alpha'"),
        (ending, {"rules": 3}, "rules came as int"),
        (ending, {"epsilon": 0}, "epsilon came as 0"),
    ],
)
def test_what_has_no_rule_is_refused_by_name(make, options, said):
    with pytest.raises(InputError) as caught:
        LRP(make(), **options)(np.random.RandomState(0).rand(1, 4, 4, 1).astype(np.float32), [0])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)

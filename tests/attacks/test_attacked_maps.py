"""Every explanation method x every kind of model: attacked by top-k and measured, or refused by name; and what attacks follow is right."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attacks import InterpretabilitySneaking, TopKInterpretation
from interp.attacks.searched_maps import SearchedMaps
from interp.attributions import (
    CAM,
    GradCAM,
    InterpretationMaps,
    RandomBaseline,
    SmoothGrad,
    SmoothGradSquared,
    SmoothGradVar,
    VanillaGradient,
    find_attribution,
)
from interp.core.errors import InputError
from interp.core.explanation_names import METHODS
from interp.models import prepare
from tests.model_kinds import MODELS, images_for

L = keras.layers
ALL = {
    **{name: find_attribution(name) for name in METHODS},
    "cam++": CAM(rectified=True),
    "smooth_grad": SmoothGrad(samples=3),
    "smooth_grad_squared": SmoothGradSquared(samples=3),
    "smooth_grad_var": SmoothGradVar(samples=3),
    "smooth_grad:grad_cam": SmoothGrad(GradCAM(), samples=3),
}
# What some kind of model lacks, and what is said of it.
REFUSED = {
    "random": "does not depend on the image",
    "cam": "need a model that ends in",
    "cam++": "need a model that ends in",
    "deconvnet": "does not change with the image",
    "guided_backprop": "does not change with the image",
    "gradient": "does not change with the image",
    "input_x_gradient": "does not change with the image",
}
FEW = ("gradient", "grad_cam", "cam", "smooth_grad")


def fall(attack, model, images, labels):
    """Summed maps at the k strongest positions of the clean map, clean and attacked, as the model gives them; and who kept his class."""
    moved = attack(model, images, labels)
    maps = InterpretationMaps(name=attack.interpretation)
    clean, found = (maps.flat(model, batch, labels[:, None])[:, 0] for batch in (images, moved))
    strongest = np.argsort(-clean, 1)[:, : attack.k]
    before, after = (np.take_along_axis(each, strongest, 1).sum(1) for each in (clean, found))
    kept = [np.argmax(model(batch, training=False), -1) for batch in (images, moved)]
    return before, after, kept[0] == kept[1]


CASES = [
    pytest.param(kind, name, marks=() if name in FEW and kind == "nested" else pytest.mark.slow)
    for kind in MODELS
    for name in ALL
]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_attacked_and_measured_or_refused_by_name(models, kind, name, keep):
    model = models(kind)
    images, labels = images_for(model)
    settings = {"epsilon": 0.2, "step_size": 0.02, "steps": 12, "k": 5, "keep_prediction": keep}
    said = ""
    try:
        attack = TopKInterpretation(interpretation=ALL[name], **settings)
        before, after, kept = fall(attack, model, images, labels)
    except InputError as error:
        said = str(error)
    if said:
        assert REFUSED[name] in said
        assert "\n" not in said
        return
    assert np.isfinite(after).all()
    # Grad-CAM is 0 where all speaks against the class; lower it cannot get.
    falls = (after < before) | (before == 0)
    assert falls.mean() >= 0.6, (before, after)
    if keep:
        assert kept.all()
        assert (after <= before + 1e-4 * np.abs(before)).mean() >= 0.6


def smooth_model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5, 5, 1))
    maps = L.Conv2D(3, 3, activation="softplus", name="maps")(inputs)
    model = keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling2D()(L.Conv2D(4, 2, activation="tanh")(maps))))
    generator = np.random.RandomState(0)
    for variable in model.variables:
        variable.assign(generator.normal(size=variable.shape))
    return model


TWICE = [name for name in ALL if name not in ("random", "deconvnet", "guided_backprop", "guided_grad_cam")]


@pytest.mark.parametrize(
    "name", [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in TWICE]
)
def test_second_derivatives_are_finite_differences(name):
    """Of a smooth network, on which no derivative is softened away: the derivative of a map along a direction."""
    model = smooth_model()
    generator = np.random.RandomState(1)
    images = generator.uniform(0.2, 0.8, (2, 5, 5, 1)).astype(np.float32)
    direction = generator.normal(size=images.shape).astype(np.float32)
    labels = tf.constant([[0], [2]], tf.int64)
    method = find_attribution(ALL[name])

    @tf.function
    def value(points, weights):
        searched = SearchedMaps(method, prepare(model, rearrange=True), tf.range(2))
        with tf.GradientTape() as tape:
            tape.watch(points)
            maps, _ = searched(points, labels)
            total = tf.reduce_sum(maps * weights)
        return total, tape.gradient(total, points), tf.reduce_max(tf.abs(maps))

    shape = InterpretationMaps(name=method).flat(model, images, labels).shape
    weights = tf.constant(generator.normal(size=shape), tf.float32)
    _, gradient, _ = value(tf.constant(images), weights)
    step = 2e-2
    around = [float(value(tf.constant(images + sign * step * direction), weights)[0]) for sign in (-2, -1, 1, 2)]
    # Fourth order: steps large enough for float32.
    expected = (around[0] - 8 * around[1] + 8 * around[2] - around[3]) / (12 * step)
    found = float(tf.reduce_sum(gradient * direction))
    assert abs(found - expected) <= 0.03 * float(tf.reduce_sum(tf.abs(gradient * direction))) + 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gradient", "grad_cam", "smooth_grad"])
def test_sneaking_takes_any_explanation(name, curved, toy):
    images, labels = (part[:6] for part in toy)
    targets = (labels + 1) % 3
    sneaking = InterpretabilitySneaking(interpretation=ALL[name], rounds=3, steps=10)
    found = sneaking(curved, images, labels, targets, np.full(6, 0.5, np.float32))
    assert found.succeeded.any()
    moved = np.argmax(curved(found.adversarial), -1)
    np.testing.assert_array_equal(moved[found.succeeded], targets[found.succeeded])


def test_names_and_objects_are_the_same_attack(curved, toy):
    images, labels = (part[:6] for part in toy)
    by_name = TopKInterpretation(epsilon=0.1, steps=4, k=3, interpretation="gradient")
    found = by_name(curved, images, labels)
    for interpretation in (VanillaGradient(), VanillaGradient(curved)):
        attack = dataclasses.replace(by_name, interpretation=interpretation)
        np.testing.assert_array_equal(attack(curved, images, labels), found)


@pytest.mark.parametrize(
    ("interpretation", "said"),
    [
        ("grad_kam", "did you mean 'grad_cam'"),
        (VanillaGradient, "the explanation came as the class VanillaGradient"),
        ("random", "RandomBaseline does not depend on the image"),
        (SmoothGrad(RandomBaseline()), "does not"),
    ],
)
def test_what_cannot_be_attacked_is_told_by_name(interpretation, said, curved, toy):
    images, labels = (part[:3] for part in toy)
    with pytest.raises(InputError, match=said):
        TopKInterpretation(epsilon=0.1, interpretation=interpretation)(curved, images, labels)

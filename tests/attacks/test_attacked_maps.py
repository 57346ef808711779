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
    LRP,
    GradCAM,
    GradCAMPlusPlus,
    GuidedGradCAM,
    IntegratedGradients,
    InterpretationMaps,
    LayerCAM,
    RandomBaseline,
    SmoothGrad,
    SmoothGradSquared,
    SmoothGradVar,
    VanillaGradient,
    find_attribution,
)
from interp.core.errors import InputError
from interp.core.names import MANY_PASSES, METHODS
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
    "edges": "shows edges of the image and nothing of the model",
    **dict.fromkeys(MANY_PASSES, "takes hundreds of passes of the model for one map"),
    "lrp": "no rule for the layer",
    "cam": "needs a model that ends in",
    "cam++": "needs a model that ends in",
    "deconvnet": "does not change with the image",
    "guided_backprop": "does not change with the image",
    "gradient": "does not change with the image",
    "input_x_gradient": "does not change with the image",
}
FEW = ("gradient", "grad_cam", "cam")


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


@pytest.mark.integration
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_attacked_and_measured_or_refused_by_name(models, kind, name, keep):
    model = models(kind)
    images, labels = images_for(model)
    # The last maps of a network of keras.applications have four positions at this size of images.
    k = 2 if kind == "keras.applications" else 5
    # Where the one ReLU looks at the pixels themselves, their gradient is the same until a pixel is 0.
    radius = 1.0 if kind == "dictionary of inputs" and name in {"gradient", "guided_backprop"} else 0.2
    settings = {"epsilon": radius, "step_size": radius / 10, "steps": 12, "k": k, "keep_prediction": keep}
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


def precise_model(name):
    """In float64: a smooth network; for a method with a rule of ReLU, ReLUs that read gated maps, so that its maps follow the image."""
    inputs = keras.Input((5, 5, 1), dtype="float64")
    if name in RULES_OF_RELU:
        maps = L.Conv2D(3, 3, padding="same", name="maps", dtype="float64")(inputs)
        maps = L.Multiply(dtype="float64")([maps, L.Softmax(dtype="float64")(maps)])
        maps, activation = L.ReLU(dtype="float64")(maps), "relu"
    else:
        maps, activation = L.Conv2D(3, 3, activation="softplus", name="maps", dtype="float64")(inputs), "tanh"
    maps = L.Conv2D(4, 2, activation=activation, dtype="float64")(maps)
    model = keras.Model(inputs, L.Dense(3, dtype="float64")(L.GlobalAveragePooling2D(dtype="float64")(maps)))
    if name == "lrp":
        maps = L.Conv2D(3, 3, activation="relu", name="maps", dtype="float64")(inputs)
        maps = L.Conv2D(4, 2, activation="relu", dtype="float64")(maps)
        model = keras.Model(inputs, L.Dense(3, dtype="float64")(L.GlobalAveragePooling2D(dtype="float64")(maps)))
    generator = np.random.RandomState(0)
    for variable in model.variables:
        variable.assign(0.5 * generator.normal(size=variable.shape))
    return model


RULES_OF_RELU = ("deconvnet", "guided_backprop", "guided_grad_cam")
# TensorFlow resizes in float32, for which steps must be larger.
RESIZED = ("guided_grad_cam", "smooth_grad:grad_cam")
# Of a layer below the last one, whose gradient follows the image too.
TWICE = {
    **{name: find_attribution(method) for name, method in ALL.items() if name not in ("random", "edges", *MANY_PASSES)},
    "grad_cam": GradCAM(layer="maps"),
    "grad_cam++": GradCAMPlusPlus(layer="maps"),
    "guided_grad_cam": GuidedGradCAM(layer="maps"),
    "layer_cam": LayerCAM(layer="maps"),
    "lrp": LRP(rules={"maps": "zplus"}),
    "smooth_grad:grad_cam": SmoothGrad(GradCAM(layer="maps"), samples=3),
    "ig from the mean": IntegratedGradients(baseline="mean"),
    "ig from several": IntegratedGradients(baseline=np.stack([np.full((5, 5, 1), value) for value in (0.0, 0.5)])),
}


@pytest.mark.parametrize("searched", [False, True])
@pytest.mark.parametrize(
    "name", [name if name in (*FEW, "smooth_grad") else pytest.param(name, marks=pytest.mark.slow) for name in TWICE]
)
def test_second_derivatives_are_finite_differences(name, searched):
    """The derivative of a map along a direction, as the method is and as attacks search with it."""
    model, method = precise_model(name), TWICE[name].for_search() if searched else TWICE[name]
    generator = np.random.RandomState(1)
    images, direction = generator.uniform(0.2, 0.8, (2, 5, 5, 1)), generator.normal(size=(2, 5, 5, 1))

    @tf.function(autograph=False)
    def value(points):
        maps_of = SearchedMaps(method, prepare(model, rearrange=True), tf.range(2))
        with tf.GradientTape() as tape:
            tape.watch(points)
            maps, _ = maps_of(points, tf.constant([[0], [2]], tf.int64))
            total = tf.reduce_sum(maps * tf.random.stateless_normal(tf.shape(maps), (0, 0), dtype=tf.float64))
        return total, tape.gradient(total, points)

    step, tolerance = (1e-3, 1e-4) if name in RESIZED else (1e-5, 1e-7)
    below, above = (float(value(tf.constant(images + sign * step * direction))[0]) for sign in (-1, 1))
    along = (value(tf.constant(images))[1] * direction).numpy()
    assert np.abs(along).sum() > 1e-4
    assert abs(along.sum() - (above - below) / (2 * step)) <= tolerance * np.abs(along).sum()


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


@pytest.mark.integration
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
        (SmoothGrad(RandomBaseline()), r"SmoothGrad\(RandomBaseline\) does not depend on the image"),
        ("occlusion", "Occlusion takes hundreds of passes of the model for one map, which no attack can follow"),
        (SmoothGrad(find_attribution("rise")), r"SmoothGrad\(RISE\) takes hundreds of passes"),
    ],
)
def test_what_cannot_be_attacked_is_told_by_name(interpretation, said, curved, toy):
    images, labels = (part[:3] for part in toy)
    with pytest.raises(InputError, match=said):
        TopKInterpretation(epsilon=0.1, interpretation=interpretation)(curved, images, labels)

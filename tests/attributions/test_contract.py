"""What every method promises, for every kind of model."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp import attributions
from interp.attributions import SmoothGrad, SmoothGradSquared, SmoothGradVar, VanillaGradient
from interp.core.errors import InputError
from tests.model_kinds import MODELS, images_for

PIXELS = {
    "VanillaGradient": VanillaGradient,
    "InputXGradient": attributions.InputXGradient,
    "DeconvNet": attributions.DeconvNet,
    "GuidedBackprop": attributions.GuidedBackprop,
    "IntegratedGradients": lambda model, **options: attributions.IntegratedGradients(model, steps=8, **options),
    "GuidedGradCAM": attributions.GuidedGradCAM,
    "ExpectedGradients": lambda model, **options: attributions.ExpectedGradients(model, samples=3, **options),
    "LRP": attributions.LRP,
    "SmoothGrad": lambda model, **options: SmoothGrad(VanillaGradient(model), samples=3, **options),
    "SmoothGradSquared": lambda model, **options: SmoothGradSquared(VanillaGradient(model), samples=3, **options),
    "SmoothGradVar": lambda model, **options: SmoothGradVar(VanillaGradient(model), samples=3, **options),
}
LAYERS = {
    "GradCAM": attributions.GradCAM,
    "GradCAMPlusPlus": attributions.GradCAMPlusPlus,
    "LayerCAM": attributions.LayerCAM,
    "ScoreCAM": attributions.ScoreCAM,
    "Occlusion": lambda model, **options: attributions.Occlusion(model, window=12, stride=8, **options),
    "RISE": lambda model, **options: attributions.RISE(model, mask_count=20, **options),
    "RandomBaseline": attributions.RandomBaseline,
    "EdgeMap": attributions.EdgeMap,
}
METHODS = {**PIXELS, **LAYERS}
# What no weight plays a part in.
BASELINES = ("RandomBaseline", "EdgeMap")
OF_A_LAYER = {"GradCAM", "GradCAMPlusPlus", "GuidedGradCAM", "LayerCAM", "ScoreCAM"}
# Layers that relevance has no rule for.
WITHOUT_RULE = {
    "training in the graph": "'layer_normalization",
    "own layer": "(_OwnLayer)",
    "vision transformer": "'tokens' (_ClassToken)",
}
LAST = {
    "training in the graph": "dropout",
    "dictionary of inputs": "inner/last",
    "sequential": "last",
    "activation arguments": "last",
    "shared relu": "multiply",
    "nested": "dropout",
    "functional in sequential": "inner/last",
    "softmax layer": "conv2d",
    "softmax argument": "conv2d",
    "keras.applications": "out_relu",
    "own layer": "conv2d",
    "vision transformer": "patches",
    "network small": "conv3",
    "network simple_cnn": "maxpool3",
}


def fingerprint(model):
    """What must not change about somebody's model."""
    return (
        [layer.name for layer in model.layers],
        [len(layer._inbound_nodes) for layer in model.layers],
        [getattr(layer, "activation", None) for layer in model.layers],
        [variable.numpy().tobytes() for variable in model.variables],
        type(model),
        model.output_names if not isinstance(model, keras.Sequential) else None,
    )


# Every method compiles a graph of its own. These stand for the others: a rule of ReLU, a path, noise, a layer, rules of all layers.
FAMILIES = {
    name: METHODS[name] for name in ("GuidedBackprop", "IntegratedGradients", "SmoothGradVar", "GradCAM", "LRP")
}
CASES = [
    pytest.param(kind, METHODS, id=kind, marks=() if kind == "sequential" else pytest.mark.slow) for kind in MODELS
] + [
    pytest.param(kind, FAMILIES, id=f"{kind}, families")
    for kind in MODELS
    if kind not in ("sequential", "keras.applications")
]


@pytest.mark.integration
@pytest.mark.parametrize(("kind", "methods"), CASES)
def test_every_method_explains_every_kind_of_model(models, kind, methods):
    model = models(kind)
    images, labels = images_for(model)
    before = fingerprint(model)
    for name, method in methods.items():
        if name == "LRP" and kind in WITHOUT_RULE:
            with pytest.raises(InputError, match=re.escape(WITHOUT_RULE[kind])):
                method(model)(images, labels)
            continue
        explanation = method(model).explain(images, labels)
        maps = explanation.maps
        assert isinstance(maps, np.ndarray), name
        assert maps.dtype == np.float32, name
        assert maps.shape == (*images.shape[:3], 1 if name in LAYERS else images.shape[3]), name
        assert np.isfinite(maps).all(), name
        # Grad-CAM clips what speaks against the class, which may be all there is.
        assert name in OF_A_LAYER or np.abs(maps).max() > 0, name
        layer = explanation.layer
        if name in OF_A_LAYER:
            assert layer.startswith(LAST[kind].rstrip("0123456789")), (name, layer)
        else:
            assert layer is None, name
    assert fingerprint(model) == before


@pytest.mark.slow
def test_a_network_of_keras_applications_by_layer_and_by_rule(models):
    model = models("keras.applications")
    images, labels = images_for(model)
    explanation = attributions.GuidedGradCAM(model).explain(images, labels)
    assert explanation.layer == "out_relu"
    assert explanation.maps.shape == images.shape


LONG = [pytest.param(kind, marks=pytest.mark.slow) if kind == "keras.applications" else kind for kind in MODELS]


@pytest.mark.parametrize("kind", LONG)
def test_gradients_are_those_of_the_logits(models, kind):
    """Central differences of logits; where there is a softmax, of the log of its outputs, whose differences they are."""
    model = models(kind)
    images, labels = images_for(model, 1)
    gradient = VanillaGradient(model)(images, labels)[0] - VanillaGradient(model)(images, labels + 1)[0]
    generator = np.random.RandomState(3)
    direction = generator.normal(size=images.shape[1:]).astype(np.float32)
    direction /= np.abs(direction).max()
    step = 1e-3

    def difference(at):
        outputs = np.asarray(model(at[None], training=False), np.float64)[0]
        outputs = np.log(outputs) if "softmax" in kind else outputs
        return outputs[labels[0]] - outputs[labels[0] + 1]

    expected = (difference(images[0] + step * direction) - difference(images[0] - step * direction)) / (2 * step)
    # The step may cross a kink of some ReLU.
    scale = np.abs(gradient * direction).sum()
    assert abs((gradient * direction).sum() - expected) <= 0.02 * scale


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_maps_do_not_depend_on_batches(models, name):
    model = models("shared relu")
    images, labels = images_for(model, 5)
    whole = METHODS[name](model)(images, labels)
    for chunk_size in (1, 2):
        parts = METHODS[name](model, chunk_size=chunk_size)(images, labels)
        np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-6 * np.abs(whole).max())


@pytest.mark.parametrize("name", METHODS)
def test_labels_images_and_present_weights_matter(models, name):
    model = models("shared relu")
    images, labels = images_for(model)
    method = METHODS[name](model)
    maps = method(images, labels)
    np.testing.assert_array_equal(method(images, labels), maps)
    if name not in BASELINES:
        assert not np.allclose(method(images, (labels + 1) % 5), maps)
        # Without pooling DeconvNet's map is the same for all images (Mahendran and Vedaldi 2016).
        assert np.allclose(method(images[::-1].copy(), labels), maps) == (name == "DeconvNet")
    kernel = model.layers[-1].kernel
    before = kernel.numpy()
    kernel.assign(-2 * before)
    moved = method(images, labels)
    kernel.assign(before)
    if name in BASELINES:
        np.testing.assert_array_equal(moved, maps)
    else:
        assert not np.allclose(moved, maps)


def test_a_tensor_gives_a_tensor(models):
    images, labels = images_for(models("sequential"))
    maps = VanillaGradient(models("sequential"))(tf.constant(images), labels)
    assert tf.is_tensor(maps)


@pytest.mark.integration
def test_a_softmax_is_cut():
    """The same weights with and without a softmax give the same maps."""
    plain, probable = MODELS["softmax argument"](), MODELS["softmax argument"]()
    probable.set_weights(plain.get_weights())
    plain.layers[-1].layers[-1].activation = keras.activations.linear
    images, labels = images_for(plain)
    for name, method in {**FAMILIES, "VanillaGradient": VanillaGradient, "DeconvNet": attributions.DeconvNet}.items():
        expected = method(plain)(images, labels)
        np.testing.assert_allclose(method(probable)(images, labels), expected, rtol=1e-5, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("name", METHODS)
def test_the_model_stays_as_it_is_after_an_error(name):
    model = MODELS["sequential"]()
    before = fingerprint(model)
    images, labels = images_for(model)
    with pytest.raises(InputError):
        METHODS[name](model)(images, labels + 5)
    with pytest.raises(InputError):
        METHODS[name](model)(images[:, :8], labels)
    assert fingerprint(model) == before


@pytest.mark.slow
def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = MODELS["activation arguments"]()
    finally:
        keras.config.set_dtype_policy("float32")
    images, labels = images_for(model)
    for name, method in METHODS.items():
        maps = method(model)(images, labels)
        assert maps.dtype == np.float32, name
        assert np.isfinite(maps).all(), name

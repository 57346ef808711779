"""LayerCAM and Score-CAM by hand, and tokens of transformers as maps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attributions import LRP, GradCAM, GradCAMPlusPlus, GuidedBackprop, LayerCAM, ScoreCAM, VanillaGradient
from interp.core.errors import InputError
from interp.models import adapt
from tests.model_kinds import MODELS, images_for

L = keras.layers
IMAGES = np.random.RandomState(0).rand(2, 4, 4, 1).astype(np.float32)
LABELS = np.array([0, 1])


@pytest.fixture(scope="module")
def model():
    """Three channels at the size of the image, the last of them 0 everywhere."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), L.Conv2D(3, 3, padding="same", name="maps"), L.Flatten(), L.Dense(2)]
    )
    kernel, bias = model.get_layer("maps").get_weights()
    kernel[..., 2] = 0
    model.get_layer("maps").set_weights([kernel, bias])
    return model


@pytest.fixture(scope="module")
def outputs(model):
    return np.asarray(model.get_layer("maps")(IMAGES))


def test_layer_cam(model, outputs):
    gradient = model.layers[-1].kernel.numpy().T[LABELS].reshape(outputs.shape)
    expected = np.maximum((np.maximum(gradient, 0) * outputs).sum(-1, keepdims=True), 0)
    explanation = LayerCAM(model).explain(IMAGES, LABELS)
    np.testing.assert_allclose(explanation.maps, expected, rtol=1e-4, atol=1e-6)
    assert explanation.layer == "maps"


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_score_cam(model, outputs, score):
    least, most = outputs.min((1, 2), keepdims=True), outputs.max((1, 2), keepdims=True)
    masks = (outputs - least) / np.where(most > least, most - least, 1)
    scores = []
    for channel in range(3):
        logits = model(tf.constant(IMAGES * masks[..., channel : channel + 1]))
        values = tf.nn.softmax(logits) if score == "probability" else logits
        scores.append(np.asarray(values)[range(2), LABELS])
    weights = np.exp(scores) / np.exp(scores).sum(0)
    expected = np.maximum(np.einsum("cn,nyxc->nyx", weights, outputs), 0)
    for chunk_size in (None, 2):
        found = ScoreCAM(model, score=score, chunk_size=chunk_size)(IMAGES, LABELS)
        np.testing.assert_allclose(found[..., 0], expected, rtol=1e-4, atol=1e-6)
    assert expected.max() > 0


def test_masks_of_a_small_layer_are_upsampled():
    """One channel of 2x2 under an image of 4x4: its weight is 1 whatever its score."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4, 4, 1)), L.Conv2D(1, 2, strides=2, name="maps"), L.Flatten(), L.Dense(2)])
    expected = tf.image.resize(tf.nn.relu(model.get_layer("maps")(IMAGES)), (4, 4), "bilinear")
    np.testing.assert_allclose(ScoreCAM(model)(IMAGES, LABELS), expected, rtol=1e-4, atol=1e-6)


FAMILY = {"GradCAM": GradCAM, "GradCAMPlusPlus": GradCAMPlusPlus, "LayerCAM": LayerCAM, "ScoreCAM": ScoreCAM}


def with_tokens(shape=(4, 4, 1)):
    """Patches of 2x2 pixels, the same as tokens, and with an empty class token before them."""
    keras.utils.set_random_seed(2)
    count = shape[0] * shape[1] // 4
    return keras.Sequential(
        [
            keras.Input(shape),
            L.Conv2D(3, 2, strides=2, name="patches"),
            L.Reshape((count, 3), name="tokens"),
            L.ZeroPadding1D((1, 0), name="with_class"),
            L.Flatten(name="flat"),
            L.Dense(2),
        ]
    )


@pytest.mark.integration
@pytest.mark.parametrize("name", FAMILY)
def test_tokens_are_the_places_of_a_map(name):
    model = with_tokens()
    expected = FAMILY[name](model).explain(IMAGES, LABELS)
    assert expected.layer == "patches"
    assert expected.maps.max() > 0
    for layer, grid in (("tokens", None), ("with_class", None), ("with_class", (2, 2))):
        found = FAMILY[name](model, layer=layer, grid=grid).explain(IMAGES, LABELS)
        assert found.layer == layer
        np.testing.assert_allclose(found.maps, expected.maps, rtol=1e-4, atol=1e-6)


def test_a_grid_that_is_no_square_is_said():
    model = with_tokens((2, 6, 1))
    images = np.random.RandomState(1).rand(2, 2, 6, 1).astype(np.float32)
    expected = GradCAM(model)(images, LABELS)
    for layer in ("tokens", "with_class"):
        np.testing.assert_allclose(
            GradCAM(model, layer=layer, grid=(1, 3))(images, LABELS), expected, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"layer": "tokens"},
            "layer 'tokens' gives 3 tokens, and they are no square, with or without one class token: give grid=",
        ),
        ({"layer": "tokens", "grid": (2, 2)}, r"gives 3 tokens, and grid=\(2, 2\) has 4 places"),
        ({"layer": "tokens", "grid": (1, 1)}, r"gives 3 tokens, and grid=\(1, 1\) has 1 places"),
        ({"layer": "flat"}, "'flat' has no spatial output .*: choose one of patches, tokens, with_class"),
        ({"grid": (2, 0)}, "grid came as 0"),
    ],
)
def test_other_tokens_are_refused_by_their_number(options, said):
    images = np.random.RandomState(1).rand(1, 2, 6, 1).astype(np.float32)
    with pytest.raises(InputError, match=said):
        GradCAM(with_tokens((2, 6, 1)), **options)(images, [0])


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILY)
def test_layers_of_a_vision_transformer(name):
    """After its last attention only the class token is read, so that gradients of the patches are 0 there."""
    keras.utils.set_random_seed(3)
    model = MODELS["vision transformer"]()
    images, labels = images_for(model)
    maps = {layer: FAMILY[name](model, layer=layer)(images, labels) for layer in ("norm1", "block0", "block1")}
    assert all(each.shape == (3, 16, 16, 1) for each in maps.values())
    assert np.abs(maps["norm1"]).max() > 0
    assert not np.allclose(maps["norm1"], maps["block0"])
    assert name == "ScoreCAM" or not maps["block1"].any()


def _branches():
    """A model of classes whose maps another branch goes on from, to another output, and the same without that branch."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    maps = L.Conv2D(4, 3, activation="relu", name="deep")(L.Conv2D(4, 3)(inputs))
    classes = L.Dense(3, activation="softmax", name="kind")(L.GlobalAveragePooling2D()(maps))
    decoded = L.Conv2D(2, 3, name="far")(L.Conv2DTranspose(2, 3, activation="elu", name="other")(maps))
    nested = keras.Model(inputs, [maps, decoded])
    whole, head = keras.Input((8, 8, 3)), keras.Sequential([L.GlobalAveragePooling2D(), L.Dense(3)])
    within = keras.Model(whole, head(nested(whole)[0]))
    head.layers[-1].set_weights(within.get_weights()[-2:])
    return (
        (adapt(keras.Model(inputs, [classes, decoded]), scale="0..1", output="kind"), keras.Model(inputs, classes)),
        (within, keras.Model(inputs, head(maps))),
    )


@pytest.mark.integration
@pytest.mark.parametrize("method", [GradCAM, GuidedBackprop, LRP, ScoreCAM])
@pytest.mark.parametrize("place", ["another output", "within"])
def test_layers_of_another_branch_play_no_part(method, place):
    if (method, place) == (GuidedBackprop, "within"):
        # All layers of a model in the model are looked at.
        method = VanillaGradient
    whole, alone = _branches()[place == "within"]
    images, labels = np.random.RandomState(0).rand(2, 8, 8, 3).astype(np.float32), np.array([2, 0])
    found, expected = (method(model).explain(images, labels) for model in (whole, alone))
    np.testing.assert_allclose(found.maps, expected.maps, rtol=1e-4, atol=1e-6)
    if method in (GradCAM, ScoreCAM):
        assert found.layer.endswith("deep")
        with pytest.raises(InputError, match="unknown layer 'far'"):
            method(whole, layer="far")(images, labels)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_layers_in_half_precision_are_those_of_the_model(policy):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    maps = L.Conv2D(16, 3, dtype=policy, name="deep")(inputs)
    model = keras.Model(inputs, L.Dense(3, dtype=policy)(L.GlobalAveragePooling2D(dtype=policy)(maps)))
    images, labels = np.random.RandomState(0).rand(2, 8, 8, 3).astype(np.float32), np.array([2, 0])
    assert GradCAM(model).explain(images, labels).layer == "deep"

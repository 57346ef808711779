"""A user's model on the contract: values by hand, the same maps and attacks as by hand, refusals in one line."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attacks import ProjectedGradientDescent
from interp.attributions import CAM, LRP, GradCAM, IntegratedGradients, VanillaGradient
from interp.core.errors import InputError
from interp.core.names import SCALES
from interp.models import adapt, build_network, find_adaptation, load_model, prepare
from interp.models.image_scale import make_scale
from interp.models.linear_tail import LayeredTail
from tests.models.models_of_users import IMAGES, LABELS, SHAPE, body, two_outputs

L = keras.layers
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.5)


class Own(keras.Model):
    """A class of its own, which ends in a softmax."""

    def __init__(self):
        super().__init__()
        self.convolution, self.dense = L.Conv2D(4, 3, activation="relu"), L.Dense(4, activation="softmax")

    def call(self, inputs, training=None):
        return self.dense(keras.ops.mean(self.convolution(inputs), (1, 2)))


@pytest.mark.parametrize(
    ("scale", "pixel"),
    [
        ("0..1", (0.5, 0.25, 1.0)),
        ("0..255", (127.5, 63.75, 255.0)),
        ("tf", (0.0, -0.5, 1.0)),
        ("imagenet", ((0.5 - 0.485) / 0.229, (0.25 - 0.456) / 0.224, (1 - 0.406) / 0.225)),
        ("caffe", (255 - 103.939, 63.75 - 116.779, 127.5 - 123.68)),
        ((MEAN, STD), (0.5, -1.0, 0.8)),
        ((0.5, 0.25), (0.0, -1.0, 2.0)),
    ],
)
def test_what_a_model_sees_by_hand(scale, pixel):
    model = keras.Sequential([keras.Input((1, 1, 3)), L.Flatten()])
    image = np.array([[[[0.5, 0.25, 1.0]]]], np.float32)
    np.testing.assert_allclose(adapt(model, scale=scale)(image), [pixel], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("scale", "mode"), [("imagenet", "torch"), ("tf", "tf"), ("caffe", "caffe")])
def test_the_scales_are_those_of_keras_applications(scale, mode):
    expected = keras.applications.imagenet_utils.preprocess_input(255 * IMAGES, "channels_last", mode)
    np.testing.assert_allclose(make_scale(scale, 3)(IMAGES), expected, atol=1e-4)


def test_a_softmax_is_cut_wherever_it_stands():
    plain = body(L.Dense(4, name="scores"))
    for end in ([L.Softmax()], [L.Activation("softmax", dtype="float64"), L.Identity()]):
        model = keras.Sequential([plain, *end])
        np.testing.assert_allclose(adapt(model, scale="0..1")(IMAGES), plain(IMAGES), atol=1e-6)
    within = body(L.Dense(4, activation="softmax"))
    within.set_weights(plain.get_weights())
    np.testing.assert_allclose(adapt(within, scale="0..1")(IMAGES), plain(IMAGES), atol=1e-6)


@pytest.mark.integration
@pytest.mark.parametrize("end", [[L.Dense(1, activation="sigmoid")], [L.Dense(1), L.Activation("sigmoid")]])
def test_a_single_sigmoid_unit_becomes_two_logits(end):
    model = body(*end)
    adapted = adapt(model, scale="0..1")
    logits, probabilities = adapted(IMAGES).numpy(), model(IMAGES).numpy()
    assert logits.shape == (6, 2)
    np.testing.assert_array_equal(logits[:, 0], -logits[:, 1])
    np.testing.assert_allclose(2 * logits[:, 1], np.log(probabilities / (1 - probabilities))[:, 0], atol=1e-4)
    np.testing.assert_allclose(tf.nn.softmax(logits)[:, 1:], probabilities, atol=1e-6)
    # Also in maps, as if the head had a column for each, and far out, where probabilities have lost the logits.
    dense = model.layers[-1 if len(end) == 1 else -2]
    by_hand = body(L.Dense(2))
    by_hand.layers[0].set_weights(model.layers[0].get_weights())
    for sign in (1, -1):
        dense.kernel.assign(sign * dense.kernel)
        by_hand.layers[-1].kernel.assign(dense.kernel.numpy() * np.float32([-0.5, 0.5]))
        for method in (GradCAM, CAM):
            maps, expected = (method(each)(IMAGES, np.arange(6) % 2) for each in (adapted, by_hand))
            np.testing.assert_allclose(maps, expected, atol=1e-6)
    dense.bias.assign([500.0])
    assert adapted(IMAGES).numpy()[:, 1].min() > 200


@pytest.mark.parametrize("make", [VanillaGradient, IntegratedGradients, CAM, LRP], ids=lambda make: make.__name__)
def test_the_other_class_of_a_sigmoid_unit_is_explained_too(make):
    """By the map of the first with the other sign; with logits (0, z) half of the images would have maps of 0."""
    adapted = adapt(body(L.Dense(1, activation="sigmoid")), scale="0..1")
    first, other = (make(adapted)(IMAGES, np.full(6, label)) for label in (1, 0))
    assert np.abs(other).max(axis=(1, 2, 3)).min() > 0
    np.testing.assert_allclose(other, -first, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("named", [True, False])
def test_one_of_several_outputs(named):
    model = two_outputs(named=named)
    expected = model(IMAGES)["kind"] if named else model(IMAGES)[0]
    for output in ("kind", 0, -2):
        adapted = adapt(model, scale="0..1", output=output)
        np.testing.assert_allclose(adapted(IMAGES), expected, atol=1e-6)
    colour = adapt(model, scale="0..1", output="colour")
    assert colour(IMAGES).shape == (6, 4)
    assert np.abs(colour(IMAGES).numpy().sum(-1) - 1).max() > 1e-3
    assert GradCAM(colour)(IMAGES, LABELS).shape == (6, 10, 10, 1)


def test_images_of_open_sides_are_large_enough_for_what_keras_builds(tmp_path):
    """InceptionV3 needs 75 pixels, as this does; what its layer adds to the losses took images of one pixel."""
    model = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            L.Conv2D(2, 75, strides=8, activity_regularizer="l2"),
            L.GlobalAveragePooling2D(),
            L.Dense(2),
        ]
    )
    images = np.random.RandomState(0).rand(1, 80, 80, 3).astype(np.float32)
    np.testing.assert_allclose(adapt(model, scale="0..1")(images), model(images), atol=1e-5)
    model.export(tmp_path / "exported", verbose=False)
    np.testing.assert_allclose(load_model(tmp_path / "exported")(images), model(images), atol=1e-5)


@pytest.mark.parametrize("named", [True, False])
def test_several_outputs_behind_other_layers_are_not_guessed(named):
    """The first was taken, whatever it was of."""
    model = keras.Sequential([keras.Input(SHAPE), L.Rescaling(2.0), two_outputs(named=named)])
    expected = model(IMAGES)["kind"] if named else model(IMAGES)[0]
    with pytest.raises(InputError, match=r"2 outputs \(.*'kind'.*\): say which"):
        adapt(model, scale="0..1")
    np.testing.assert_allclose(adapt(model, scale="0..1", output="kind")(IMAGES), expected, atol=1e-6)
    assert adapt(model, scale="0..1", output="colour")(IMAGES).shape == (6, 4)


def test_outputs_of_one_name_are_told_apart_by_their_numbers():
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, list(two_outputs(named=False)(inputs)))
    with pytest.raises(InputError, match=r"unknown output 'functional.*: .*expected one of 0, 1"):
        adapt(model, scale="0..1", output=model.output_names[0])
    for output in ("1", 1):
        assert adapt(model, scale="0..1", output=output)(IMAGES).shape == (6, 4)


@pytest.mark.integration
def test_the_users_model_stays_as_it_is():
    model = body(L.Dense(4, activation="softmax"))
    before, config = [weight.copy() for weight in model.get_weights()], model.get_config()
    probabilities = model(IMAGES).numpy()
    adapted = adapt(model, scale=(MEAN, STD))
    logits = adapted(IMAGES).numpy()
    # It is connected to nothing new.
    with pytest.raises(AttributeError, match="never been called"):
        _ = model.input
    # In training mode its batch normalisation looks at the batch, as in any Keras model, and without saying so it does not.
    np.testing.assert_allclose(adapted(IMAGES, training=False), logits, atol=1e-6)
    ProjectedGradientDescent(epsilon=0.1, step_size=0.05, steps=2)(adapted, IMAGES, LABELS)
    for weight, was in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, was)
    assert model.get_config() == config
    assert model.layers[-1].activation is keras.activations.softmax
    np.testing.assert_array_equal(model(IMAGES), probabilities)
    # Shared, not copied.
    model.layers[-1].bias.assign([0.0, 100.0, 0.0, 0.0])
    np.testing.assert_allclose(adapted(IMAGES) - logits, np.tile([0, 100, 0, 0], (6, 1)), atol=1e-4)


def test_layers_that_are_frozen_later_keep_their_statistics():
    """Called by hand, outside of a compiled function, in which a graph of the unfrozen layers was kept."""
    normal = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input(SHAPE), normal, keras.layers.Flatten(), keras.layers.Dense(2)])
    adapted = adapt(model, scale="0..1")
    adapted(IMAGES, training=True)
    normal.trainable, before = False, np.asarray(normal.moving_mean)
    adapted(IMAGES, training=True)
    np.testing.assert_array_equal(normal.moving_mean, before)
    normal.trainable = True
    adapted(IMAGES, training=True)
    assert np.abs(normal.moving_mean - before).max() > 0


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_it_is_saved_and_loaded(tmp_path, suffix):
    adapted = adapt(body(L.Dense(1, activation="sigmoid")), scale=(MEAN, STD))
    adapted.save(tmp_path / f"mine{suffix}")
    loaded = load_model(tmp_path / f"mine{suffix}")
    np.testing.assert_allclose(loaded(IMAGES), adapted(IMAGES), atol=1e-6)
    np.testing.assert_allclose(loaded.predict(IMAGES, verbose=0), adapted(IMAGES), atol=1e-6)
    assert find_adaptation(loaded).model is loaded


@pytest.mark.integration
def test_cam_grad_cam_and_pgd_are_those_by_hand():
    """The model with logits on scaled images, differentiated by hand."""
    plain = body(L.Dense(4))
    adapted = adapt(keras.Sequential([plain, L.Softmax()]), scale=(MEAN, STD))
    scaled = ((IMAGES - MEAN) / STD).astype(np.float32)
    np.testing.assert_allclose(adapted(IMAGES), plain(scaled), atol=1e-6)
    assert isinstance(prepare(adapted, rearrange=True).tail, LayeredTail)

    features = keras.Model(plain.inputs[0], plain.get_layer("normalised").output)(scaled)
    relu = tf.nn.relu(features).numpy()
    kernel = plain.layers[-1].kernel.numpy()
    maps = np.einsum("nhwc,cn->nhw", relu, kernel[:, LABELS])[..., None]
    expected = tf.image.resize(maps, SHAPE[:2], "bilinear")
    np.testing.assert_allclose(CAM(adapted)(IMAGES, LABELS), expected, atol=1e-6)

    # Behind average pooling the gradient of a logit is the head's weight by the number of positions, where ReLU is on.
    gradients = kernel.T[LABELS][:, None, None] * (features.numpy() > 0) / 64
    weights = tf.reduce_mean(gradients, (1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * features, -1, keepdims=True))
    expected = tf.image.resize(heat, SHAPE[:2], "bilinear")
    np.testing.assert_allclose(GradCAM(adapted, layer="normalised")(IMAGES, LABELS), expected, atol=1e-6)

    points = tf.constant(IMAGES)
    for _ in range(3):
        with tf.GradientTape() as tape:
            tape.watch(points)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, plain((points - MEAN) / STD))
        points = tf.clip_by_value(points + 0.02 * tf.sign(tape.gradient(loss, points)), IMAGES - 0.05, IMAGES + 0.05)
        points = tf.clip_by_value(points, 0, 1)
    attack = ProjectedGradientDescent(epsilon=0.05, steps=3, step_size=0.02, random_start=False)
    np.testing.assert_allclose(attack(adapted, IMAGES, LABELS), points, atol=1e-6)


def test_a_class_of_its_own_takes_the_shape_of_the_images():
    model = Own()
    with pytest.raises(InputError, match=r"give images=.*, and labels="):
        adapt(model, scale="0..1")
    adapted = adapt(model, scale="tf", images=IMAGES, labels=LABELS)
    np.testing.assert_allclose(tf.nn.softmax(adapted(IMAGES)), model(2 * IMAGES - 1), atol=1e-6)
    assert IntegratedGradients(adapted, steps=4)(IMAGES, LABELS).shape == (6, *SHAPE)
    assert CAM(adapted)(IMAGES, LABELS).shape == (6, 10, 10, 1)


@pytest.mark.parametrize(
    ("first", "scale"),
    [
        ([L.Rescaling(1 / 255)], "0..255"),
        ([L.Rescaling(1 / 127.5, -1)], "0..255"),
        ([L.Normalization(mean=[120.0, 110.0, 100.0], variance=[3600.0] * 3)], "0..255"),
        ([L.Rescaling(1 / 255), L.Normalization(mean=MEAN, variance=np.square(STD))], "0..255"),
        ([L.Rescaling(2.0, -1.0)], "0..1"),
        ([L.Normalization(mean=MEAN, variance=np.square(STD))], "0..1"),
    ],
)
def test_layers_that_scale_say_what_comes_in(first, scale):
    found = find_adaptation(body(L.Dense(4), first=first))
    assert found.scale == scale
    assert "scales images itself" in found.reason
    assert found.accuracies == {}
    with pytest.raises(InputError, match=r"use scale='0\.\.255'") if scale == "0..255" else np.errstate():
        adapt(body(L.Dense(4), first=first), scale="0..1")


def brightness(threshold):
    """Class 1 where the first channel is above a threshold, as a model that ends in a sigmoid."""
    model = keras.Sequential([keras.Input((2, 2, 1)), L.Flatten(), L.Dense(1, activation="sigmoid")])
    model.set_weights([np.full((4, 1), 0.25), np.array([-threshold])])
    return model


def test_accuracies_decide():
    images = np.linspace(0, 1, 101, dtype=np.float32)[:100, None, None, None] * np.ones((1, 2, 2, 1), np.float32)
    labels = (images[:, 0, 0, 0] > 0.495).astype(int)
    found = find_adaptation(brightness(0.495 * 255), images=images, labels=labels)
    assert found.scale == "0..255"
    # 0..1 and [-1, 1] are below the threshold always: class 0, of which half of the images are.
    assert found.accuracies == {"0..1": 0.5, "0..255": 1.0, "tf": 0.5}
    assert found.reason == "clean accuracy on 100 images is 1.000 as 0..255, and 0.500 as 0..1, 0.500 as tf"
    # At [-1, 1] the threshold 0 is the middle; for 0..1 and 0..255 all are class 1.
    assert find_adaptation(brightness(-0.01), images=images, labels=labels).scale == "tf"
    with pytest.raises(InputError, match=r"cannot tell '0\.\.255' and '0\.\.1' apart") as caught:
        find_adaptation(brightness(0.15), images=images, labels=(images[:, 0, 0, 0] > 0.07).astype(int))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="above chance"):
        find_adaptation(brightness(0.5), images=images, labels=1 - labels)
    given = find_adaptation(brightness(0.495), scale="0..1", images=images, labels=labels)
    assert given.accuracies == {"0..1": 1.0}


def in_minus_one_to_one(first):
    """A model whose class is whether images of [-1, 1] are bright, behind a layer that was made for those."""
    layer = first(2 * BRIGHT - 1)
    model = keras.Sequential([keras.Input((2, 2, 1)), layer, L.Flatten(), L.Dense(1, activation="sigmoid")])
    black, white = (float(np.mean(layer(np.full((1, 2, 2, 1), value, np.float32)))) for value in (-1, 1))
    model.set_weights([*layer.get_weights(), np.full((4, 1), 0.25), np.array([-0.505 * (white - black) - black])])
    return model


BRIGHT = np.linspace(0, 1, 101, dtype=np.float32)[:100, None, None, None] * np.ones((1, 2, 2, 1), np.float32)


def normalised(images):
    layer = L.Normalization(axis=None)
    layer.adapt(images)
    return layer


def batch_normalised(images):
    layer = L.BatchNormalization()
    layer.build(images.shape)
    layer.moving_mean.assign([images.mean()])
    layer.moving_variance.assign([images.var()])
    return layer


@pytest.mark.parametrize("first", [normalised, batch_normalised, lambda _: L.Rescaling(0.5, 0.5)])
def test_layers_made_for_another_scale_do_not_mislead(first):
    model, labels = in_minus_one_to_one(first), (BRIGHT[:, 0, 0, 0] > 0.505).astype(int)
    found = find_adaptation(model, images=BRIGHT, labels=labels)
    assert (found.scale, found.accuracies["tf"]) == ("tf", 1.0)
    with pytest.raises(InputError, match="no evidence"):
        find_adaptation(model)


def test_layers_hold_where_accuracies_do_not_decide():
    found = find_adaptation(body(L.Dense(4), first=[L.Rescaling(1 / 255)]), images=IMAGES, labels=LABELS)
    assert found.scale == "0..255"
    assert "scales images itself" in found.reason
    assert set(found.accuracies) == set(SCALES)


def test_networks_of_the_package_are_on_the_contract():
    network = build_network("small", (28, 28, 1), 3)
    assert adapt(network) is network
    with pytest.raises(InputError, match="output came as 'nonsense', but the model has one"):
        adapt(network, output="nonsense")


def test_the_way_out_of_two_inputs_is_right():
    first, second = keras.Input(SHAPE), keras.Input((2,))
    model = keras.Model([first, second], L.Dense(3)(L.Concatenate()([L.Flatten()(first), second])))
    with pytest.raises(InputError, match="2 inputs"):
        adapt(model, scale="0..1")
    value, images = np.array([0.5, 2.0], np.float32), keras.Input(SHAPE)
    fixed = keras.Model(images, model([images, keras.ops.zeros_like(images)[:, 0, 0, :1] + value]))
    np.testing.assert_allclose(adapt(fixed, scale="0..1")(IMAGES), model([IMAGES, np.tile(value, (6, 1))]), atol=1e-5)


def test_scales_are_listed():
    assert SCALES == ("0..1", "0..255", "imagenet", "tf", "caffe")

"""Random crops and flips."""

import random

import keras
import numpy as np
import pytest

from interp.core.errors import InputError
from interp.data import Dataset
from interp.models.model_digest import saved_settings
from interp.training.augmentation import crop_and_flip, find_augmentation
from interp.training.description import check_arguments, describe_model_and_data

L = keras.layers


class Holding(L.Layer):
    """A user's own layer around another."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, images, training=False):
        return self.inner(images, training=training)


def test_every_result_is_a_shifted_or_mirrored_image():
    images = np.random.RandomState(0).rand(30, 6, 7, 3).astype(np.float32)
    found = crop_and_flip(images, (1, 2))
    assert found.dtype == np.float32
    mirrored = 0
    for image, result in zip(images, found, strict=True):
        padded = np.pad(image, [(4, 4), (4, 4), (0, 0)])
        crops = [padded[top : top + 6, left : left + 7] for top in range(9) for left in range(9)]
        plain = any(np.array_equal(result, crop) for crop in crops)
        assert plain or any(np.array_equal(result[:, ::-1], crop) for crop in crops)
        mirrored += not plain
    assert 5 < mirrored < 25


def test_the_draw_follows_seed_and_step():
    images = np.random.RandomState(0).rand(4, 6, 6, 1).astype(np.float32)
    np.testing.assert_array_equal(crop_and_flip(images, (1, 2)), crop_and_flip(images, (1, 2)))
    assert not np.array_equal(crop_and_flip(images, (1, 2)), crop_and_flip(images, (1, 3)))


def test_draws_from_the_generator_of_python_follow_seed_and_step():
    """AugMix draws from it: a resumed training did not end where an uninterrupted one does."""
    images = np.random.RandomState(0).rand(4, 6, 6, 3).astype(np.float32)
    first, again = (find_augmentation(L.AugMix(value_range=(0, 1))) for _ in range(2))
    before = random.getstate()
    steps = [first(images, (1, step)) for step in range(4)]
    for step, made in enumerate(steps):
        np.testing.assert_array_equal(again(images, (1, step)), made)
    assert not np.array_equal(steps[0], steps[1])
    # The generator of the user goes on where it was.
    assert random.getstate() == before


RANGED = {
    "RandomBrightness": L.RandomBrightness(0.1),
    "RandomContrast": L.RandomContrast(0.1),
    "RandomColorJitter": L.RandomColorJitter(brightness_factor=0.1),
    "RandAugment": L.RandAugment(),
}


@pytest.mark.parametrize("name", RANGED)
@pytest.mark.parametrize(
    "around", [lambda layer: layer, lambda layer: keras.Sequential([L.RandomFlip(), layer]), Holding]
)
def test_layers_for_bytes_are_refused_wherever_they_stand(name, around):
    with pytest.raises(InputError, match=rf"in \[0, 255\].*keras.layers.{name}\(..., value_range=\(0, 1\)\)"):
        find_augmentation(around(RANGED[name]))


@pytest.mark.parametrize(
    "layer",
    [
        L.RandomBrightness(0.1, value_range=(0, 1)),
        L.RandomColorJitter(value_range=(0.0, 1.0), brightness_factor=0.1),
        L.Pipeline([L.RandomFlip(), L.RandomContrast(0.1, value_range=[0, 1])]),
        L.GaussianNoise(0.1),
    ],
)
def test_layers_for_images_in_0_to_1_are_taken(layer):
    images = np.random.RandomState(0).rand(8, 6, 6, 3).astype(np.float32)
    found = find_augmentation(layer)(images, (1, 2))
    assert 0 <= found.min() < found.max() <= 1
    # Not black and white.
    assert ((found > 0.05) & (found < 0.95)).mean() > 0.5


def test_layers_that_scale_are_refused():
    images = np.random.RandomState(0).rand(8, 6, 6, 3).astype(np.float32)
    with pytest.raises(InputError, match=r"far outside of \[0, 1\]: give layers that keep the shape and the range"):
        find_augmentation(L.Activation(lambda pixels: 255 * pixels))(images, (1, 2))


@pytest.mark.parametrize(
    "layer", [L.Rescaling(255), L.Rescaling(1 / 255), L.Rescaling(2.0, -1.0), L.Normalization(mean=0.5, variance=0.1)]
)
def test_layers_that_scale_are_refused_wherever_they_scale_to(layer):
    """Images that were made nearly black, or of which half was, were trained on without a word."""
    images = np.random.RandomState(0).rand(8, 6, 6, 3).astype(np.float32)
    for augment in (layer, keras.Sequential([layer, L.RandomFlip()])):
        with pytest.raises(InputError, match=f"{layer.name} of augment scales images.*leave it out"):
            find_augmentation(augment)(images, (1, 2))


def test_layers_that_scale_and_scale_back_are_taken():
    images = np.random.RandomState(0).rand(8, 6, 6, 3).astype(np.float32)
    found = find_augmentation(keras.Sequential([L.Rescaling(255), L.RandomFlip("horizontal"), L.Rescaling(1 / 255)]))
    changed = found(images, (1, 2))
    mirrored = [not np.allclose(one, other, atol=1e-5) for one, other in zip(images, changed, strict=True)]
    assert any(mirrored)
    np.testing.assert_allclose(
        changed, [image[:, ::-1] if flip else image for image, flip in zip(images, mirrored, strict=True)], atol=1e-5
    )


@pytest.mark.parametrize("layer", [L.MixUp(), L.CutMix()])
@pytest.mark.parametrize("around", [lambda layer: layer, lambda layer: keras.Sequential([L.RandomFlip(), layer])])
def test_layers_that_mix_images_are_refused(layer, around):
    """Their labels stayed those of one image."""
    with pytest.raises(InputError, match=f"{layer.name} of augment mixes images of several classes"):
        find_augmentation(around(layer))


def links(factor, twice):
    """A functional model of layers, which refer to each other by names that Keras counts up."""
    entered = keras.Input((6, 6, 3))
    flipped = L.RandomFlip()(entered)
    return keras.Model(entered, L.Average()([flipped if twice else entered, L.RandomRotation(factor)(flipped)]))


def described(augment):
    images, labels = np.zeros((2, 6, 6, 3), np.float32), np.arange(2)
    data = Dataset(images=images, labels=labels, class_names=("a", "b"), source="zeros", split="train", name="mine")
    return describe_model_and_data(keras.Sequential([keras.Input((6, 6, 3)), L.Flatten()]), data, augment)


def test_a_functional_model_is_described_alike_whenever_it_is_made():
    """Otherwise a training with it could not be resumed by another process that made other layers before."""
    first = described(links(0.1, True))
    assert described(links(0.1, True)) == first
    assert described(links(0.2, True)) != first
    assert described(links(0.1, False)) != first


def test_layers_are_described_alike_whatever_their_seeds():
    """RandomCrop draws one whenever it is made, and draws of a training come from its own seed."""

    def crops(size, **seed):
        return keras.Sequential([L.ZeroPadding2D(2), L.RandomCrop(size, size, **seed)])

    first = described(crops(6))
    assert described(crops(6)) == first
    assert described(crops(5)) != first
    # As earlier versions kept it.
    before = {**first, "augment": saved_settings(crops(6, seed=3), ("name",))}
    check_arguments("the checkpoint", before, first)
    with pytest.raises(InputError, match="augment"):
        check_arguments("the checkpoint", before, described(crops(5)))


def test_a_layer_that_keras_cannot_save_is_described_by_its_class():
    """A training with it ended in an error of Keras before it began."""
    assert described(Holding(L.RandomFlip()))["augment"] == "Holding"


def test_an_optimizer_is_described_with_the_class_of_its_schedule():
    """Keras names schedules after their class, and names do not count."""
    schedules = keras.optimizers.schedules.CosineDecay(0.1, 10), keras.optimizers.schedules.PolynomialDecay(0.1, 10)
    found = [saved_settings(keras.optimizers.SGD(schedule), ("name",)) for schedule in schedules]
    assert [each["config"]["learning_rate"]["class_name"] for each in found] == ["CosineDecay", "PolynomialDecay"]

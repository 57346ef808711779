"""Selectivity by hand on linear models."""

import dataclasses

import keras
import numpy as np
import pytest
from scipy.special import softmax

from interp.attributions import GradCAM, InputXGradient, RandomBaseline, VanillaGradient
from interp.core.errors import InputError
from interp.evaluation import Selectivity, SelectivityCurves, selectivity
from interp.evaluation.selectivity import patch_side

WEIGHTS = np.array([[3, 0], [-2, 0], [1, 0], [2, 0]], np.float32)
IMAGE = np.array([[[[1.0], [0.5]], [[1.0], [0.25]]]], np.float32)


@pytest.fixture(scope="module", params=["logits", "softmax"])
def model(request):
    end = "softmax" if request.param == "softmax" else None
    model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2, end)])
    model.set_weights([WEIGHTS, np.array([0, 0.75], np.float32)])
    return model


def test_the_strongest_pixel_goes_first(model):
    """Products 3, -1, 1, 0.5: pixels 0, 2, 3 go, then pixel 1, which spoke against the class."""
    found = selectivity(InputXGradient(model), IMAGE, [0], steps=4)
    logits = [3.5, 0.5, -0.5, -1.0, 0.0]
    np.testing.assert_allclose(found.probabilities[:, 0], [softmax([value, 0.75])[0] for value in logits], rtol=1e-5)
    assert found.right[:, 0].tolist() == [True, False, False, False, False]
    assert found.erased.all()
    assert found.area == pytest.approx(found.probabilities.mean())


def test_magnitudes_take_what_speaks_against_the_class_too(model):
    found = selectivity(VanillaGradient(model), IMAGE, [0], steps=3, ranking="magnitude")
    # Weights 3, then -2 or 2, and the other of the two.
    assert found.erased[0].ravel().tolist() == [True, True, False, True]


def test_the_map_is_computed_anew():
    """x0 * x1 + 0.4 x2: when the first of the product is gone, nothing speaks for the other, so pixel 2 is next."""
    inputs = keras.Input((1, 3, 1))
    flat = keras.layers.Flatten()(inputs)
    value = flat[:, 0:1] * flat[:, 1:2] + 0.4 * flat[:, 2:3]
    model = keras.Model(inputs, keras.layers.Concatenate()([value, 0 * value]))
    image = np.array([[[[1.0], [0.9], [1.0]]]], np.float32).reshape(1, 1, 3, 1)
    found = selectivity(VanillaGradient(model), image, [0], steps=2)
    # Gradients 0.9, 1, 0.4: pixel 1 goes; then 0, 1, 0.4 with pixel 1 gone already.
    assert found.erased.ravel().tolist() == [False, True, True]


def test_no_pixel_goes_twice_and_ties_are_drawn(model):
    images = np.repeat(IMAGE, 8, 0)
    found = selectivity(RandomBaseline(model), images, np.zeros(8, int), steps=3)
    assert (found.erased.sum((1, 2)) == 3).all()
    nothing = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Conv2D(1, 1), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    nothing.set_weights([0 * weight for weight in nothing.get_weights()])
    flat = np.zeros((8, 4, 4, 1), np.float32)
    first = selectivity(GradCAM(nothing), flat, np.zeros(8, int), steps=2)
    assert len({tuple(mask.ravel()) for mask in first.erased}) > 1
    same = selectivity(GradCAM(nothing), flat, np.zeros(8, int), steps=2)
    other = selectivity(GradCAM(nothing), flat, np.zeros(8, int), steps=2, seed=1)
    np.testing.assert_array_equal(first.erased, same.erased)
    assert (first.erased != other.erased).any()
    assert first.layer == "conv2d" or first.layer.startswith("conv2d")


def test_the_fill_counts(model):
    black, grey = (selectivity(InputXGradient(model), IMAGE, [0], steps=1, fill=fill) for fill in (0.0, 0.5))
    assert black.probabilities[1] < grey.probabilities[1]
    assert (black.fill, grey.fill) == (0, 0.5)
    assert "a step, set to 0.5, maps" in SelectivityCurves.of({"mine": grey}).caption


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"fill": 0.5}, "fill.: one has 0.0, other 0.5"),
        ({"patch": 2}, "pixels a side of a patch.: one has 1, other 2"),
        ({"probabilities": np.ones((2, 3)), "right": np.ones((2, 3), bool)}, "images.: one has 1, other 3"),
        ({"probabilities": np.ones((4, 1)), "right": np.ones((4, 1), bool)}, "steps.: one has 1, other 3"),
    ],
)
def test_only_results_of_one_measurement_stand_beside_each_other(changed, said):
    one = Selectivity(np.ones((2, 1)), np.ones((2, 1), bool))
    with pytest.raises(InputError, match=said):
        SelectivityCurves.of({"one": one, "other": dataclasses.replace(one, **changed)})


def linear_model(weights):
    """Logits (sum of weights x pixels, -1)."""
    model = keras.Sequential([keras.Input((*weights.shape, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.set_weights(
        [np.stack([weights.ravel(), 0 * weights.ravel()], -1).astype(np.float32), np.array([0, -1], np.float32)]
    )
    return model


def test_patches_by_hand():
    """A 5 x 4 image in patches of 2: three rows of two, the lowest row of half the height; each counts by its sum."""
    weights = np.array([[1, 1, 5, -4], [1, 1, 0, 0], [0, 0, 0, 0], [0, 3, 0, 0], [0, 0, 1, 1]])
    image = np.ones((1, 5, 4, 1), np.float32)
    sums = {"upper left": 4, "middle left": 3, "lower right": 2, "upper right": 1, "other": 0}
    found = selectivity(VanillaGradient(linear_model(weights)), image, [0], steps=4, patch=2)
    logits = 11 - np.cumsum([0, *list(sums.values())[:4]])
    np.testing.assert_allclose(found.probabilities[:, 0], 1 / (1 + np.exp(-logits.astype(float))), rtol=1e-5)
    gone = np.array([[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]], bool)
    np.testing.assert_array_equal(found.erased[0], gone)
    assert found.patch == 2
    # All six, none twice.
    assert selectivity(VanillaGradient(linear_model(weights)), image, [0], steps=6, patch=2).erased.all()
    with pytest.raises(InputError, match="steps came as 7, expected at most 6"):
        selectivity(VanillaGradient(linear_model(weights)), image, [0], steps=7, patch=2)


@pytest.mark.parametrize(
    ("sides", "patch"), [((28, 28), 3), ((32, 32), 3), ((224, 224), 22), ((2, 2), 1), ((20, 5), 1)]
)
def test_a_patch_is_about_a_hundredth_of_the_image(sides, patch):
    """Of 50,176 pixels, twenty single ones are nothing."""
    assert patch_side(*sides) == patch
    if max(sides) < 100:
        model = linear_model(np.random.RandomState(0).randn(*sides))
        found = selectivity(VanillaGradient(model), np.ones((1, *sides, 1), np.float32), [0], steps=1)
        assert found.patch == patch
        assert 1 <= found.erased.sum() <= patch**2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"patch": 0}, "patch came as 0"),
        ({"patch": 3}, "patch came as 3, expected at most 2"),
        ({"patch": 1.5}, "patch came as 1.5"),
        ({"steps": 0}, "steps came as 0"),
        ({"steps": 5}, "expected at most 4"),
        ({"fill": 2}, "fill came as 2"),
        ({"fill": -1}, "fill came as -1"),
        ({"ranking": "first"}, "unknown ranking 'first'"),
        ({"seed": -1}, "seed came as -1"),
    ],
)
def test_settings_are_checked(model, options, said):
    with pytest.raises(InputError) as caught:
        selectivity(InputXGradient(model), IMAGE, [0], **{"steps": 1, **options})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda model: selectivity(model, IMAGE, [0]), "expected an instance such as VanillaGradient(model)"),
        (lambda model: selectivity(VanillaGradient(model), IMAGE, [2]), "the network has classes 0 to 1"),
        (lambda model: selectivity(VanillaGradient(model), IMAGE * 300, [1]), "rescale"),
    ],
)
def test_what_cannot_be_erased_is_refused(model, make, said):
    with pytest.raises(InputError) as caught:
        make(model)
    assert said in str(caught.value)


def test_half_precision_probabilities_are_probabilities():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layers = [keras.layers.Flatten(), keras.layers.Dense(9, "softmax")]
        model = keras.Sequential([keras.Input((2, 2, 1)), *layers])
    finally:
        keras.config.set_dtype_policy("float32")
    found = selectivity(VanillaGradient(model), IMAGE, [3], steps=2)
    assert found.probabilities[0, 0] == pytest.approx(float(model(IMAGE)[0, 3]), rel=1e-3)

"""What stands for no information: numbers, images, several images, and what is made of the image itself."""

import keras
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from interp.attributions import IntegratedGradients, find_attribution
from interp.attributions.baselines import blurred

L = keras.layers
SHAPE = (6, 4, 2)
IMAGES, LABELS = np.random.RandomState(0).rand(3, *SHAPE).astype(np.float32), np.array([0, 1, 1])
SEVERAL = np.random.RandomState(1).rand(4, *SHAPE).astype(np.float32)
MEANS = np.broadcast_to(IMAGES.mean((1, 2), keepdims=True), IMAGES.shape)
CASES = {
    "number": (0.25, np.full((1, 1, *SHAPE), 0.25)),
    "image": (SEVERAL[0], SEVERAL[None, :1]),
    "several": (SEVERAL, SEVERAL[None]),
    "mean": ("mean", MEANS[:, None]),
    "blur": ("blur", np.asarray(blurred(IMAGES))[:, None]),
}


def test_the_blur_is_a_gaussian_filter():
    images = np.random.RandomState(2).rand(1, 56, 28, 1).astype(np.float32)
    expected = gaussian_filter(images[0, ..., 0].astype(float), (5.6, 2.8), mode="reflect", truncate=4)
    np.testing.assert_allclose(np.asarray(blurred(images))[0, ..., 0], expected, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_integrated_gradients_of_a_linear_model(linear, case):
    """The weight times the image minus the mean of its baselines."""
    baseline, images = CASES[case]
    weights = linear.layers[-1].kernel.numpy().T[LABELS].reshape(IMAGES.shape)
    maps = IntegratedGradients(linear, steps=3, baseline=baseline)(IMAGES, LABELS)
    np.testing.assert_allclose(maps, weights * (IMAGES - images.mean(1)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_integrated_gradients_are_complete_and_their_gap_says_so(bent, case):
    baseline, images = CASES[case]
    of_baselines = np.asarray(bent(np.broadcast_to(images, (3, *images.shape[1:])).reshape(-1, *SHAPE)))
    change = np.asarray(bent(IMAGES)) - of_baselines.reshape(3, -1, 2).mean(1)
    change = change[range(3), LABELS]
    found = IntegratedGradients(bent, steps=32, baseline=baseline).explain(IMAGES, LABELS)
    np.testing.assert_allclose(found.maps.sum((1, 2, 3)), change, atol=1e-5)
    rough = IntegratedGradients(bent, steps=1, rule="right", baseline=baseline).explain(IMAGES, LABELS)
    gaps = np.abs(rough.maps.sum((1, 2, 3)) - change)
    assert gaps.max() > 1e-4
    np.testing.assert_allclose(rough.values["gap"], gaps, atol=1e-5)
    assert (rough.values["points"] == 1).all()


@pytest.mark.integration
def test_a_tolerance_holds_for_the_mean_over_baselines(bent):
    found = IntegratedGradients(bent, steps=64, rule="right", baseline=SEVERAL, tolerance=2e-3).explain(IMAGES, LABELS)
    assert (found.values["gap"] <= 2e-3).all()
    assert ((found.values["points"] > 8) & (found.values["points"] <= 64)).any()
    assert not found.values["missed"].any()


@pytest.mark.parametrize("chunk_size", [1, 5])
def test_several_baselines_do_not_depend_on_batches(bent, chunk_size):
    whole = IntegratedGradients(bent, steps=9, baseline=SEVERAL)(IMAGES, LABELS)
    parts = IntegratedGradients(bent, steps=9, baseline=SEVERAL, chunk_size=chunk_size)(IMAGES, LABELS)
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-6)


def test_descriptions_tell_baselines_apart():
    described = {IntegratedGradients(baseline=baseline).describe() for baseline, _ in CASES.values()}
    assert len(described) == len(CASES)
    assert IntegratedGradients() == find_attribution("integrated_gradients")

"""The smallest radius: by hand on a linear model, its properties, and the paper's figures."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from interp import data
from interp.attacks import FastAdaptiveBoundary, MinimumEpsilon, correct
from interp.attacks.classification import target_margin
from interp.attributions import InterpretationMaps
from interp.core.balls import find_ball
from interp.core.errors import InputError
from interp.core.names import THREAT_NORMS
from interp.discrepancy import class_discrepancy
from interp.evaluation import sample_images
from interp.models import load_model


def test_target_margin_by_hand():
    logits = tf.constant([[1.0, 3.0, 2.0], [1.0, 3.0, 2.95], [0.0, 9.0, 2.0]])
    np.testing.assert_allclose(target_margin(logits, tf.constant([0, 1, 1])), [2, -0.05, -0.1], atol=1e-6)


@pytest.mark.integration
@pytest.mark.parametrize("direction", ["sign", "reference"])
def test_a_linear_model_by_hand(linear, direction):
    """Logits (x1 - 2 x2, 0): the score 0.3 falls by 3 eps, so class 1 wins above eps 0.1."""
    images = np.array([[0.7, 0.2], [0.0, 1.0]], np.float32).reshape(2, 1, 2, 1)
    attack = MinimumEpsilon(direction=direction, rounds=14, steps=20)
    found = attack(linear, images, [1, 0])
    assert found.broken.tolist() == [True, True]
    assert 0.1 <= found.epsilons[0] < 0.105
    # x1 up and x2 down by eps: eps - 2 (1 - eps) is above 0 from eps = 2/3 on.
    assert 2 / 3 <= found.epsilons[1] < 0.7
    model = keras.models.clone_model(linear)
    model.layers[-1].set_weights([np.zeros((2, 2), np.float32), np.array([2, 0], np.float32)])
    never = attack(model, images, [1, 1])
    assert not never.broken.any()
    assert np.isnan(never.epsilons).all()
    np.testing.assert_allclose(never.adversarial, images)


def test_an_image_whose_target_ties_needs_next_to_nothing(linear):
    images = np.array([[0.4, 0.2], [0.0, 0.0]], np.float32).reshape(2, 1, 2, 1)
    for norm, most in (("linf", 1e-3), ("l2", 1e-2)):
        assert (MinimumEpsilon(norm=norm)(linear, images, [0, 0]).epsilons < most).all()


def test_a_linear_model_in_l2_by_hand(linear):
    """The same in l2: the score 0.3 is 0.3 / sqrt(5) away from 0, and -2 is 2 / sqrt(5), above the first radius, at (0.4, 0.2)."""
    images = np.array([[0.7, 0.2], [0.0, 1.0]], np.float32).reshape(2, 1, 2, 1)
    found = MinimumEpsilon(norm="l2", rounds=14)(linear, images, [1, 0])
    distances = np.array([0.3, 2.0]) / 5**0.5
    assert (distances <= found.epsilons).all()
    assert (found.epsilons < 1.02 * distances).all()
    np.testing.assert_allclose(found.adversarial[1].ravel(), [0.4, 0.2], atol=0.02)


@pytest.mark.parametrize(("steps", "most"), [(20, 1.05), (60, 1.01)])
@pytest.mark.parametrize("shape", [(4, 5, 2), (32, 32, 3)])
def test_distances_of_a_linear_model_in_l2(shape, steps, most):
    """|difference of logits| / ||difference of weights||, where no border of [0, 1] is near, whatever the size of images."""
    generator = np.random.RandomState(1)
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(2)])
    weights = generator.randn(int(np.prod(shape)), 2).astype(np.float32)
    model.set_weights([weights, np.zeros(2, np.float32)])
    images = generator.uniform(0.45, 0.55, (20, *shape)).astype(np.float32)
    logits = model(images).numpy()
    distances = np.abs(logits[:, 0] - logits[:, 1]) / np.linalg.norm(weights[:, 0] - weights[:, 1])
    found = MinimumEpsilon(norm="l2", rounds=14, steps=steps)(model, images, logits.argmin(-1))
    assert (found.epsilons >= 0.999 * distances).all()
    assert (found.epsilons <= most * distances).all()


def test_the_diagonal_is_the_largest_radius_in_l2(linear):
    """Class 1 wins where x1 - 2 x2 < -1.9, the nearest point to (1, 0) being (0.1, 1), further than 1 but within the diagonal."""
    model = keras.models.clone_model(linear)
    kernel, _ = linear.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, np.array([1.9, 0], np.float32)])
    image = np.array([1.0, 0.0], np.float32).reshape(1, 1, 2, 1)
    [radius] = MinimumEpsilon(norm="l2", rounds=14, steps=40)(model, image, [1]).epsilons
    assert (0.9**2 + 1) ** 0.5 <= radius <= 2**0.5


@pytest.mark.integration
def test_smallest_radii_in_l2_are_those_of_fab(curved, toy):
    """Two ways to the same number: of the nearer target, and at a radius the images that FAB breaks."""
    images, labels = toy
    right = correct(curved, images, labels)
    images, labels = images[right], labels[right]
    smallest, fab = MinimumEpsilon(norm="l2", steps=40), FastAdaptiveBoundary(epsilon=1.0, norm="l2")
    nearest = np.nanmin([smallest(curved, images, (labels + shift) % 3).epsilons for shift in (1, 2)], 0)
    for share in (0.25, 0.5, 0.75):
        epsilon = float(np.quantile(nearest, share))
        found = dataclasses.replace(fab, epsilon=epsilon)(curved, images, labels)
        broken = ~correct(curved, found, labels)
        assert not broken[nearest > 1.05 * epsilon].any()
        assert broken[nearest < 0.95 * epsilon].all()


@pytest.mark.integration
@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**31 - 1),
    steps=st.integers(1, 12),
    rounds=st.integers(1, 6),
    norm=st.sampled_from(THREAT_NORMS),
)
def test_what_is_called_broken_is_broken_within_its_radius(curved, toy, seed, steps, rounds, norm):
    images, labels = toy
    targets = (labels + 1) % 3
    found = MinimumEpsilon(rounds=rounds, steps=steps, norm=norm)(curved, images, targets, seed=seed)
    seen = np.argmax(curved(found.adversarial), -1)
    assert (seen[found.broken] == targets[found.broken]).all()
    moved = find_ball(norm).size(found.adversarial - images).numpy()
    assert (moved[found.broken] <= found.epsilons[found.broken] + 1e-6).all()
    assert (moved[~found.broken] == 0).all()
    assert np.isnan(found.epsilons[~found.broken]).all()
    assert found.adversarial.min() >= 0
    assert found.adversarial.max() <= 1


@pytest.mark.parametrize("norm", THREAT_NORMS)
def test_batches_do_not_change_the_result(curved, toy, norm):
    images, labels = toy
    attack = MinimumEpsilon(norm=norm)
    whole, parts = (attack(curved, images, (labels + 1) % 3, batch_size=size) for size in (250, 7))
    np.testing.assert_array_equal(whole.epsilons, parts.epsilons)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rounds": 0}, "rounds"),
        ({"steps": 0}, "steps"),
        ({"direction": "sgn"}, "did you mean 'sign'"),
        ({"norm": "l1"}, "unknown norm 'l1'"),
        ({"norm": "l2", "direction": "reference"}, "take the direction sign"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(MinimumEpsilon(), **change)


# Images broken of 100, mean margin and mean discrepancy over them (two class, l1), measured with the paper's code.
PUBLISHED = {"normal": (100, 9.679, 11.300), "int": (9, None, None), "adv": (2, None, None)}


@pytest.mark.integration
@pytest.mark.parametrize(
    "method", [each if each == "normal" else pytest.param(each, marks=pytest.mark.slow) for each in PUBLISHED]
)
def test_published_figures_and_the_bound(reference_dir, data_dir, method):
    sample, targets = sample_images(data.load("mnist", "test", data_dir=data_dir), 100)
    net = load_model(reference_dir / "networks" / f"mnist_smallgap_{method}_100.pkl")
    rows = np.arange(100)
    logits = net(sample.images).numpy()
    margin = (logits[rows, sample.labels] - logits[rows, targets]) / 2
    cam, classes = InterpretationMaps(name="cam"), np.stack([sample.labels, targets], -1)

    def discrepancy(moved):
        maps = [cam.flat(net, images, classes) / 49 for images in (sample.images, moved)]
        return class_discrepancy(*maps, "l1").numpy()

    reference = MinimumEpsilon(direction="reference", steps=10)(net, sample.images, targets)
    broken, expected_margin, expected_discrepancy = PUBLISHED[method]
    assert abs(reference.broken.sum() - broken) <= 2
    if expected_margin is not None:
        assert margin[reference.broken].mean() == pytest.approx(expected_margin, rel=0.02)
        assert discrepancy(reference.adversarial)[reference.broken].mean() == pytest.approx(
            expected_discrepancy, rel=0.02
        )
    stronger = MinimumEpsilon()(net, sample.images, targets)
    assert stronger.broken.sum() >= 95
    # The paper's bound: whoever takes the prediction from t to t' moves the maps by at least half the margin.
    for found in (reference, stronger):
        assert (discrepancy(found.adversarial) >= margin - 1e-4)[found.broken].all()

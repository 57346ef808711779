"""The smallest radius: by hand on a linear model, its properties, and the paper's figures."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from interp import data
from interp.attacks import MinimumEpsilon
from interp.attacks.classification import target_margin
from interp.attributions import InterpretationMaps
from interp.core.errors import InputError
from interp.discrepancy import class_discrepancy
from interp.evaluation import sample_images
from interp.models import load_model


def test_target_margin_by_hand():
    logits = tf.constant([[1.0, 3.0, 2.0], [1.0, 3.0, 2.95], [0.0, 9.0, 2.0]])
    np.testing.assert_allclose(target_margin(logits, tf.constant([0, 1, 1])), [2, -0.05, -0.1], atol=1e-6)


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


@settings(max_examples=8)
@given(seed=st.integers(0, 2**31 - 1), steps=st.integers(1, 12), rounds=st.integers(1, 6))
def test_what_is_called_broken_is_broken_within_its_radius(curved, toy, seed, steps, rounds):
    images, labels = toy
    targets = (labels + 1) % 3
    found = MinimumEpsilon(rounds=rounds, steps=steps)(curved, images, targets, seed=seed)
    seen = np.argmax(curved(found.adversarial), -1)
    assert (seen[found.broken] == targets[found.broken]).all()
    moved = np.abs(found.adversarial - images).max((1, 2, 3))
    assert (moved[found.broken] <= found.epsilons[found.broken] + 1e-6).all()
    assert (moved[~found.broken] == 0).all()
    assert np.isnan(found.epsilons[~found.broken]).all()
    assert found.adversarial.min() >= 0
    assert found.adversarial.max() <= 1


def test_batches_do_not_change_the_result(curved, toy):
    images, labels = toy
    whole, parts = (MinimumEpsilon()(curved, images, (labels + 1) % 3, batch_size=size) for size in (250, 7))
    np.testing.assert_array_equal(whole.epsilons, parts.epsilons)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"rounds": 0}, "rounds"), ({"steps": 0}, "steps"), ({"direction": "sgn"}, "did you mean 'sign'")],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(MinimumEpsilon(), **change)


# Images broken of 100, mean margin and mean discrepancy over them (two class, l1), measured with the paper's code.
PUBLISHED = {"normal": (100, 9.679, 11.300), "int": (9, None, None), "adv": (2, None, None)}


@pytest.mark.parametrize("method", PUBLISHED)
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

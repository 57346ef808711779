"""The top-k attack on interpretations: by hand, its contract, and the paper's figures."""

import dataclasses

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.attacks import TopKInterpretation
from interp.attributions import CAM, Maps
from interp.core.balls import find_ball
from interp.core.errors import InputError
from interp.core.names import THREAT_NORMS
from interp.models import build_network

ATTACK = TopKInterpretation(epsilon=0.1, step_size=0.03, steps=4, k=3)


@pytest.fixture(scope="module")
def net():
    return build_network("small", (28, 28, 1), 5)


@pytest.fixture(scope="module")
def images():
    return np.random.RandomState(0).rand(5, 28, 28, 1).astype(np.float32)


LABELS = np.array([0, 1, 2, 3, 4])


@pytest.mark.integration
def test_integrated_gradients_of_a_linear_model_by_hand():
    """IG of w x is w x itself: the strongest two of (.6, .5, .2) with weights 1 are lowered, the third is left alone."""
    model = keras.Sequential([keras.Input((1, 3, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.layers[-1].set_weights([np.array([[1.0, 0], [1, 0], [1, 0]], np.float32), np.zeros(2, np.float32)])
    image = np.array([0.6, 0.5, 0.2], np.float32).reshape(1, 1, 3, 1)
    attack = TopKInterpretation(epsilon=0.1, step_size=0.05, steps=10, k=2, interpretation="ig")
    moved = np.ravel(attack(model, image, [0]))
    np.testing.assert_allclose(moved[:2], [0.5, 0.4], atol=1e-6)
    assert abs(moved[2] - 0.2) <= 0.1  # where the random start put it


def test_a_subclass_of_a_method_is_followed_as_it_is():
    """Maps that are the negatives of CAM: the attack lowers them where CAM is least, which raises that pixel."""

    class Negative(CAM):
        def maps(self, model, points, classes, rows):
            maps, *rest = super().maps(model, points, classes, rows)
            return Maps(-maps, *rest)

    features = keras.layers.Conv2D(1, 1, use_bias=False)
    pooled = keras.layers.GlobalAveragePooling2D()
    model = keras.Sequential([keras.Input((1, 3, 1)), features, pooled, keras.layers.Dense(2, use_bias=False)])
    model.set_weights([np.ones((1, 1, 1, 1), np.float32), np.array([[1, 0]], np.float32)])
    image = np.array([0.6, 0.5, 0.2], np.float32).reshape(1, 1, 3, 1)
    attack = TopKInterpretation(epsilon=0.1, step_size=0.05, steps=5, k=1, interpretation=Negative())
    assert np.ravel(attack(model, image, [0]))[2] == pytest.approx(0.3)


@pytest.mark.integration
def test_the_same_in_l2_by_hand():
    """The two strongest pixels share the radius, 0.1 / sqrt(2) each, and the third is drawn back to the image."""
    model = keras.Sequential([keras.Input((1, 3, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.layers[-1].set_weights([np.array([[1.0, 0], [1, 0], [1, 0]], np.float32), np.zeros(2, np.float32)])
    image = np.array([0.6, 0.5, 0.2], np.float32).reshape(1, 1, 3, 1)
    attack = TopKInterpretation(epsilon=0.1, step_size=0.05, steps=40, k=2, interpretation="ig", norm="l2")
    share = 0.1 / 2**0.5
    np.testing.assert_allclose(np.ravel(attack(model, image, [0])), [0.6 - share, 0.5 - share, 0.2], atol=1e-4)


def strongest_sum(net, images, attacked, k):
    rows = np.arange(len(images))
    clean = net.cam(images).numpy()[rows, :, :, LABELS].reshape(len(images), -1)
    maps = net.cam(attacked).numpy()[rows, :, :, LABELS].reshape(len(images), -1)
    return np.take_along_axis(maps, np.argsort(-clean, -1)[:, :k], -1).sum(-1)


@pytest.mark.parametrize("change", [{"steps": 30}, {"steps": 30, "norm": "l2", "epsilon": 3.0, "step_size": 0.3}])
def test_the_strongest_positions_of_the_map_are_lowered(net, images, change):
    attacked = dataclasses.replace(ATTACK, **change)(net, images, LABELS)
    assert (strongest_sum(net, images, attacked, 3) < strongest_sum(net, images, images, 3)).all()


@pytest.mark.integration
@pytest.mark.parametrize("interpretation", ["cam", "cam++", "ig", "representation"])
@given(epsilon=st.floats(0, 0.5), seed=st.integers(0, 2**31 - 1), norm=st.sampled_from(THREAT_NORMS))
def test_results_keep_to_the_ball(net, images, interpretation, epsilon, seed, norm):
    attack = dataclasses.replace(ATTACK, epsilon=epsilon, interpretation=interpretation, norm=norm)
    before = images.copy()
    attacked = attack(net, images, LABELS, seed=seed)
    assert find_ball(norm).size(attacked - images).numpy().max() <= epsilon + 1e-5
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    np.testing.assert_array_equal(images, before)


@pytest.mark.integration
@pytest.mark.parametrize("interpretation", ["cam", "ig"])
def test_batches_do_not_change_the_result(net, images, interpretation):
    attack = dataclasses.replace(ATTACK, interpretation=interpretation)
    whole = attack(net, images, LABELS, seed=3)
    parts = attack(net, images, LABELS, seed=3, batch_size=2)
    # Where a gradient is all but zero its sign is a matter of rounding.
    assert np.mean(np.abs(whole - parts) > 1e-6) < 0.01
    assert not np.array_equal(attack(net, images, LABELS, seed=4), whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k came as 0"),
        ({"steps": 0}, "steps"),
        ({"epsilon": -1}, "epsilon"),
        ({"interpretation": "cma"}, "did you mean 'cam'"),
        ({"norm": "l1"}, "unknown norm 'l1'"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(ATTACK, **change)


def test_more_positions_than_the_map_has_are_refused(net, images):
    with pytest.raises(InputError, match="the maps have 49 positions"):
        dataclasses.replace(ATTACK, k=50)(net, images, LABELS)

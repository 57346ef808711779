"""Accuracy against the radius: by hand, monotone, and with its protocol named."""

import dataclasses

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp import data
from interp.attacks import ProjectedGradientDescent, accuracy
from interp.core.errors import InputError
from interp.evaluation import accuracy_curve, sample_images
from interp.evaluation.accuracy_curve import check_epsilons
from interp.models import build_network
from interp.training import Schedule, find_objective, train

ATTACK = ProjectedGradientDescent(epsilon=0.1, step_size=0.02, steps=10)


@pytest.fixture(scope="module")
def trained():
    net = build_network("small", (28, 28, 1), 10)
    schedule = Schedule(
        epochs=4,
        batch_size=50,
        learning_rates=((0, 2e-3),),
        epsilon=0,
        ramp=(0, 0),
        attack_steps=1,
        attack_step_size=0.1,
    )
    train(net, find_objective("normal"), data.load("digits", "train"), schedule)
    return net, data.load("digits", "test").take(60)


def test_by_hand():
    """Logits (x, 0) of one pixel, class 0 right: an image stands while x - eps is above 0."""
    model = keras.Sequential([keras.Input((1, 1, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.layers[-1].set_weights([np.array([[1.0, 0.0]], np.float32), np.zeros(2, np.float32)])
    images = np.array([0.05, 0.15, 0.25, 0.35], np.float32).reshape(4, 1, 1, 1)
    curve = accuracy_curve(model, images, np.zeros(4, int), ATTACK, [0.3, 0, 0.1, 0.2])
    assert curve.epsilons == (0, 0.1, 0.2, 0.3)
    # Ten steps of 0.02 reach at most 0.2.
    assert curve.accuracies == (1, 0.75, 0.5, 0.5)
    assert curve.standard_errors[1] == pytest.approx(np.sqrt(0.75 * 0.25 / 4))
    assert curve.count == 4
    # So at 0.3 it says nothing of the network.
    assert [flag.kind for flag in curve.flags] == ["weak attack"]
    assert "reach 0.2 at most, eps is 0.3" in curve.flags[0].text
    assert not accuracy_curve(model, images, np.zeros(4, int), ATTACK, [0, 0.2]).flags


@pytest.mark.integration
@given(
    epsilons=st.lists(st.floats(0, 0.5), min_size=1, max_size=5),
    step_size=st.floats(0.005, 0.3),
    random_start=st.booleans(),
    iterate=st.sampled_from(["last", "worst"]),
)
def test_accuracy_never_rises_with_the_radius(trained, epsilons, step_size, random_start, iterate):
    net, sample = trained
    attack = dataclasses.replace(ATTACK, step_size=step_size, random_start=random_start, iterate=iterate, steps=3)
    curve = accuracy_curve(net, sample.images, sample.labels, attack, epsilons)
    assert all(later <= earlier for earlier, later in zip(curve.accuracies, curve.accuracies[1:], strict=False))
    assert max(curve.accuracies) <= accuracy(net, sample.images, sample.labels)


@pytest.mark.integration
def test_without_carrying_each_radius_stands_alone(trained):
    net, sample = trained
    curve = accuracy_curve(net, sample.images, sample.labels, ATTACK, [0.05, 0.1], carry=False)
    alone = [
        accuracy(net, dataclasses.replace(ATTACK, epsilon=epsilon)(net, sample.images, sample.labels), sample.labels)
        for epsilon in (0.05, 0.1)
    ]
    assert list(curve.accuracies) == alone


@pytest.mark.integration
def test_the_protocol_is_named(trained):
    net, sample = trained
    curve = accuracy_curve(net, sample.images, sample.labels, ATTACK, [0], carry=False)
    assert curve.protocol == (
        "PGD-10 (linf, step 0.02, no random start, last iterate, each eps alone); images that are wrong without an attack are attacked, "
        "too, and count where that makes them right"
    )
    restarts = dataclasses.replace(ATTACK, random_start=True, restarts=2, iterate="worst")
    protocol = accuracy_curve(net, sample.images, sample.labels, restarts, [0]).protocol
    assert (
        protocol
        == "PGD-10 (linf, step 0.02, worst of 2 random starts, worst iterate, found attacks carried to larger eps)"
    )


def test_radii_are_in_rising_order_and_each_once():
    assert check_epsilons([0.1, 0, 0.1]) == (0.0, 0.1)


def test_bad_radii_are_refused(trained):
    net, sample = trained
    with pytest.raises(InputError, match="empty"):
        accuracy_curve(net, sample.images, sample.labels, ATTACK, [])
    with pytest.raises(InputError, match="epsilon came as"):
        accuracy_curve(net, sample.images, sample.labels, ATTACK, [0, -0.1])


def test_the_sample_is_the_papers():
    digits = data.load("digits", "test")
    sample, targets = sample_images(digits, 30)
    generator = np.random.RandomState(99)
    rows = generator.permutation(len(digits))[:30]
    np.testing.assert_array_equal(sample.images, digits.images[rows])
    np.testing.assert_array_equal(targets, (digits.labels[rows] + 1 + generator.randint(9, size=30)) % 10)
    assert not np.any(targets == sample.labels)


@pytest.mark.parametrize("count", [0, 100_000, 2.5])
def test_bad_sample_sizes_are_refused(count):
    with pytest.raises(InputError):
        sample_images(data.load("digits", "test"), count)

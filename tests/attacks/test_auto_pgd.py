"""APGD: its schedule and its loss by hand, and that it is no weaker than plain steps."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp import data
from interp.attacks import AutoPGD, Likeliest, ProjectedGradientDescent, Targeted, Untargeted, accuracy, correct
from interp.attacks.auto_pgd import checkpoint_windows
from interp.attacks.classification import difference_of_logits_ratio
from interp.core.errors import InputError
from interp.evaluation import sample_images
from interp.models import load_model


def test_checkpoints_by_hand():
    """100 steps: the first after 22, then 19, 16, 13, 10, 7 and 6 more."""
    windows = checkpoint_windows(100)
    np.testing.assert_array_equal(np.flatnonzero(windows) + 1, [22, 41, 57, 70, 80, 87, 93, 99])
    np.testing.assert_array_equal(windows[windows > 0], [22, 19, 16, 13, 10, 7, 6, 6])
    assert checkpoint_windows(1).tolist() == [1]


def test_the_difference_of_logits_ratio_by_hand():
    """Right with 5 over 3, first and third 5 and 1: -(5 - 3) / (5 - 1). Wrong by 1: (5 - 4) / (5 - 1)."""
    logits = tf.constant([[5.0, 3.0, 1.0, 0.0], [4.0, 5.0, 1.0, 0.0]])
    np.testing.assert_allclose(difference_of_logits_ratio(logits, tf.constant([0, 0])), [-0.5, 0.25], rtol=1e-6)
    # The same for logits a thousand times as large: that is what the loss is for.
    np.testing.assert_allclose(difference_of_logits_ratio(1000 * logits, tf.constant([0, 0])), [-0.5, 0.25], rtol=1e-6)


def test_two_classes_have_no_ratio(linear):
    with pytest.raises(InputError, match="at least 3 classes"):
        AutoPGD(epsilon=0.1, loss="dlr")(linear, np.full((1, 1, 2, 1), 0.5, np.float32), [0])


def test_a_linear_model_is_solved_exactly(linear):
    """Class 0 is right by 1 - 2 * 0.2 = 0.6; no radius below 0.2 is enough, and the corner of the ball is found."""
    images = np.array([1.0, 0.2], np.float32).reshape(1, 1, 2, 1)
    moved = AutoPGD(epsilon=0.15, steps=10)(linear, images, [0])
    np.testing.assert_allclose(np.ravel(moved), [0.85, 0.35], atol=1e-6)
    assert accuracy(linear, AutoPGD(epsilon=0.21, steps=10)(linear, images, [0]), [0]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["ce", "dlr"])
def test_no_weaker_than_plain_steps_on_a_published_network(reference_dir, data_dir, loss):
    sample, _ = sample_images(data.load("mnist", "test", data_dir=data_dir), 100)
    network = load_model(reference_dir / "networks" / "mnist_smallgap_int_100.pkl")
    images, labels = np.asarray(sample.images), sample.labels
    plain = ProjectedGradientDescent(epsilon=0.3, step_size=0.01, steps=100)
    found = [
        accuracy(network, attack(network, images, labels), labels)
        for attack in (plain, AutoPGD(epsilon=0.3, loss=loss))
    ]
    assert found[1] <= found[0] + 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epsilon": -1.0}, "epsilon"),
        ({"steps": 0}, "steps"),
        ({"loss": "dl"}, "did you mean 'dlr'"),
        ({"restarts": 0}, "restarts"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(AutoPGD(epsilon=0.1), **arguments)


@pytest.mark.integration
@pytest.mark.parametrize("loss", ["ce", "margin"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_towards_classes_a_linear_model_is_solved_exactly(linear, norm, loss):
    """The boundary is 0.6 / 3 away in l_inf and 0.6 / sqrt(5) in l2, and the way there is the gradient."""
    images = np.array([0.9, 0.15], np.float32).reshape(1, 1, 2, 1)
    distance = {"linf": 0.2, "l2": 0.6 / 5**0.5}[norm]
    for goal in (Untargeted(), Likeliest(9)):
        attack = AutoPGD(epsilon=1.01 * distance, steps=30, norm=norm, loss=loss, goal=goal)
        assert accuracy(linear, attack(linear, images, [0]), [0]) == 0
        short = dataclasses.replace(attack, epsilon=0.99 * distance)
        assert accuracy(linear, short(linear, images, [0]), [0]) == 1


@pytest.mark.integration
def test_several_directions_are_no_weaker_than_the_best_of_them(curved, toy):
    images, labels = toy
    attack = AutoPGD(epsilon=0.15, steps=30, loss="margin", goal=Likeliest(2))
    both = correct(curved, attack(curved, images, labels), labels)
    single = [
        correct(
            curved, dataclasses.replace(attack, goal=Targeted((labels + shift) % 3))(curved, images, labels), labels
        )
        for shift in (1, 2)
    ]
    assert both.mean() <= min(each.mean() for each in single) + 0.03
    assert 0 < both.mean() < 1


class Noisy(keras.Model):
    """Gradients are drowned in noise of mean 0, the logits are not."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, images, training=None):
        noise = tf.random.normal(tf.shape(images), stddev=5.0)
        return self.inner(images, training=training) + tf.reduce_sum(
            noise * (images - tf.stop_gradient(images)), (1, 2, 3), keepdims=False
        )[:, None] * tf.constant([1.0, 0.0, 0.0])


@pytest.mark.integration
def test_an_expectation_sees_through_noise(curved, toy):
    images, labels = toy
    model = Noisy(curved)
    shares = [
        accuracy(model, AutoPGD(epsilon=0.15, steps=10, expectation=draws)(model, images, labels), labels)
        for draws in (1, 60)
    ]
    assert shares[1] < shares[0] - 0.1

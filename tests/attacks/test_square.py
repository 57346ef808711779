"""The Square attack: the sizes of its squares by hand, what it may change, and a model without gradients."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attacks import ProjectedGradientDescent, Square, accuracy
from interp.attacks.square_moves import bump, square_sides
from interp.core.errors import InputError


def test_sides_by_hand():
    """Of 20 x 20 pixels 80% are a square of 18; the share is halved after 0.1, 0.5, 2, 5, 10, 20, 40, 60 and 80% of the steps."""
    sides = square_sides(20, 20, 1000, 0.8)
    assert sides[0] == 18
    assert sides[1] == 18
    assert sides[2] == round(np.sqrt(0.4 * 400))
    assert sides[6] == round(np.sqrt(0.2 * 400))
    assert sides[999] == 1
    assert (np.diff(sides) <= 0).all()
    assert square_sides(5, 40, 10, 1.0).max() == 5


def test_a_bump_by_hand():
    """Of 3 x 3: a hill over one row and one over two of the opposite sign, 1 + 1/4 at its middle and 1/4 around it, of length 1."""
    hills = np.array([[0.25, 1.25, 0.25], [-0.25, -0.25, -0.25], [-0.25, -1.25, -0.25]])
    np.testing.assert_allclose(bump(3), hills / np.linalg.norm(hills), rtol=1e-6)
    np.testing.assert_array_equal(bump(1), [[1.0]])


@pytest.mark.integration
@pytest.mark.parametrize("shape", [(4, 4, 1), (5, 9, 3)])
def test_in_l2_it_uses_the_whole_radius(shape):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(3)])
    images = np.random.RandomState(0).uniform(0.4, 0.6, (20, *shape)).astype(np.float32)
    labels = np.argmax(model(images), -1)
    moved = Square(epsilon=0.05, steps=100, norm="l2")(model, images, labels)
    sizes = np.sqrt(((moved - images) ** 2).sum((1, 2, 3)))
    standing = np.argmax(model(moved), -1) == labels
    np.testing.assert_allclose(sizes[standing], 0.05, rtol=1e-3)
    assert accuracy(model, Square(epsilon=1.0, steps=300, norm="l2")(model, images, labels), labels) < 0.2


def test_every_changed_pixel_is_at_the_edge_of_the_ball(curved, toy):
    images, labels = toy
    moved = Square(epsilon=0.05, steps=40)(curved, images, labels)
    difference = np.abs(moved - images)
    at_the_edge = np.isclose(difference, 0.05, atol=1e-6) | np.isclose(moved, 0) | np.isclose(moved, 1)
    assert (at_the_edge | (difference == 0)).all()


def test_a_linear_model_is_solved(linear):
    """The best corner of the ball is one of four sign patterns."""
    images = np.array([1.0, 0.2], np.float32).reshape(1, 1, 2, 1)
    moved = Square(epsilon=0.15, steps=60)(linear, images, [0])
    np.testing.assert_allclose(np.ravel(moved), [0.85, 0.35], atol=1e-6)


@pytest.mark.integration
def test_more_steps_are_never_weaker(curved, toy):
    images, labels = toy
    shares = [accuracy(curved, Square(epsilon=0.15, steps=steps)(curved, images, labels), labels) for steps in (5, 300)]
    assert shares[1] < shares[0]


class Stairs(keras.Model):
    """A model whose pixels are rounded to steps, so that its gradient is zero wherever there is one."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, images, training=None):
        rounded = images + tf.stop_gradient(tf.round(images * 10) / 10 - images) - images + tf.stop_gradient(images)
        return self.inner(rounded, training=training)


@pytest.mark.integration
def test_it_finds_what_masked_gradients_hide(curved, toy):
    images, labels = toy
    model = Stairs(curved)
    pgd = ProjectedGradientDescent(epsilon=0.25, step_size=0.05, steps=20)
    assert accuracy(model, pgd(model, images, labels), labels) > 0.9
    assert accuracy(model, Square(epsilon=0.25, steps=300)(model, images, labels), labels) < 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"epsilon": -1.0}, "epsilon"), ({"steps": 0}, "steps"), ({"share": 0.0}, "share"), ({"share": 1.1}, "at most 1")],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(Square(epsilon=0.1), **arguments)

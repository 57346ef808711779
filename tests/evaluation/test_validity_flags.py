"""What the strong protocol flags, by hand: gains that say something, what is to blame for them, and accuracies at chance."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.attacks import ProjectedGradientDescent
from interp.attributions import InputXGradient
from interp.evaluation import Flag, StrongProtocol, accuracy_curve, chance_accuracy, explanation_validity
from interp.evaluation.predictions import repeated_calls
from interp.evaluation.validity import _blame, _gain


def test_gains_blame_the_attack_or_the_network():
    """40 steps of .001 at 8/255 come to .04, and 2.5 radii are .078."""
    gains = [
        Flag("more steps", "twice the steps find attacks on 30% of the images: the gradients of this network mislead")
    ]
    weak, strong = StrongProtocol(steps=40, step_size=0.001), StrongProtocol(steps=40, step_size=2.5 * 8 / 255 / 40)
    [flag] = _blame(gains, 8 / 255, weak)
    assert flag.kind == "weak attack"
    assert "0.00196" in flag.text
    assert "30% of the images" in flag.text
    assert "mislead" not in flag.text
    assert _blame(gains, 8 / 255, strong) == gains
    assert _blame([], 8 / 255, weak) == []
    [flag] = _blame([], 8 / 255, StrongProtocol(steps=40, step_size=0.0007))
    assert flag.kind == "weak attack"


@pytest.mark.parametrize(
    ("right", "labels", "classes", "flagged"),
    [
        # Of 100 images of 10 classes, .1 + 2 x .03.
        (16, np.arange(100) % 10, 10, True),
        (17, np.arange(100) % 10, 10, False),
        # Nine of ten images are of one class: .9 + 2 x .03.
        (96, np.arange(100) % 10 == 0, 2, True),
        (97, np.arange(100) % 10 == 0, 2, False),
        # Images of one class say nothing of the share.
        (97, np.zeros(100, int), 10, False),
        # Two images, both right: nothing more can be asked of them.
        (2, np.arange(2), 10, False),
        (1, np.zeros(1, int), 10, False),
    ],
)
def test_chance(right, labels, classes, flagged):
    found = chance_accuracy(np.arange(len(labels)) < right, labels.astype(int), classes)
    assert bool(found) == flagged


def test_a_gain_must_exceed_two_points_and_two_standard_errors():
    """Of 200: 4 more are 2 points, no gain; 5 more are 2.5 points with an error of 1.1: a gain. Of 40, 2 are 5 points within 2 errors."""
    before = np.ones(200, bool)
    for broken, flagged in ((4, False), (5, True)):
        after = before.copy()
        after[:broken] = False
        assert bool(_gain("kind", "it finds", before, after)) == flagged
    after = np.ones(40, bool)
    after[:2] = False
    assert not _gain("kind", "it finds", np.ones(40, bool), after)
    assert not _gain("kind", "it finds", after, np.ones(40, bool))


def test_few_images_are_no_gain_and_no_error_is_zero():
    """One image that restarts break says nothing, nor do 19; of 20, all broken, the error is that of 20 ones, a 0 and a 1."""
    for count, flagged in ((1, False), (19, False), (20, True)):
        found = _gain("kind", "it finds", np.ones(count, bool), np.zeros(count, bool))
        assert bool(found) == flagged
    # Squares sum to 21/22, so the variance is 1/22, and so is the error.
    assert "on 100.0% of the images" in found[0].text
    assert "standard error 4.5%" in found[0].text


class Noise(keras.layers.Layer):
    """Adds a number from 0 to 1 to each pixel, in inference, too."""

    def __init__(self):
        super().__init__()
        self.generator = keras.random.SeedGenerator(1)

    def call(self, images):
        return images + keras.random.uniform(keras.ops.shape(images), seed=self.generator)


@pytest.mark.parametrize(("scale", "softmax"), [(100.0, False), (100.0, True), (1e-5, False)])
def test_a_model_that_draws_is_known_by_its_logits(scale, softmax):
    """Of logits of 0 and 100 to 300 a softmax makes 0 and 1, whatever is drawn."""
    inputs = keras.Input((3, 3, 1))
    head = keras.layers.Dense(2, use_bias=False)
    outputs = head(keras.layers.Flatten()(Noise()(inputs)))
    model = keras.Model(inputs, keras.layers.Softmax()(outputs) if softmax else outputs)
    head.set_weights([scale * np.array([[1.0, 0.0]] * 2 + [[0.0, 0.0]] * 7)])
    change, draws = repeated_calls(model, tf.fill([8, 3, 3, 1], 0.5))
    assert draws
    assert 0.01 * scale < change < 2 * scale
    images, labels = np.full((8, 3, 3, 1), 0.5, np.float32), np.zeros(8, int)
    for found in (
        accuracy_curve(model, images, labels, ProjectedGradientDescent(epsilon=0.0, step_size=0.1), [0.0]),
        explanation_validity(model, images, labels, InputXGradient(), [0.0]),
    ):
        assert [flag.kind for flag in found.flags] == ["random output"]
    head.set_weights([np.zeros((9, 2))])
    assert repeated_calls(model, tf.fill([8, 3, 3, 1], 0.5)) == (0.0, False)

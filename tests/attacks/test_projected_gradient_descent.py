"""PGD: by hand on a linear model, its properties, and the paper's figures."""

import dataclasses
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from interp import data
from interp.attacks import ProjectedGradientDescent, accuracy, correct
from interp.attacks.classification import margin
from interp.core.errors import InputError
from interp.evaluation import accuracy_curve, sample_images
from interp.models import load_model

NORMS = {
    "linf": lambda d: np.abs(d).max((1, 2, 3)),
    "l2": lambda d: np.sqrt((d.astype(np.float64) ** 2).sum((1, 2, 3))),
}
PGD = ProjectedGradientDescent(epsilon=0.1, step_size=0.03, steps=5)
VARIANTS = {
    "plain": PGD,
    "worst": dataclasses.replace(PGD, iterate="worst"),
    "random": dataclasses.replace(PGD, random_start=True, restarts=2),
    "l2": dataclasses.replace(PGD, norm="l2"),
    "l2 random": dataclasses.replace(PGD, norm="l2", random_start=True, iterate="worst"),
}


def image(*pixels):
    return np.array(pixels, np.float32).reshape(1, 1, 2, 1)


def test_linf_by_hand(linear):
    # Class 0 is right: lower x1 - 2 x2. Three steps of 0.05 reach the radius 0.12.
    adversarial = ProjectedGradientDescent(epsilon=0.12, step_size=0.05, steps=3)(linear, image(0.6, 0.2), [0])
    np.testing.assert_allclose(np.ravel(adversarial), [0.48, 0.32], rtol=1e-6)
    two_steps = ProjectedGradientDescent(epsilon=0.12, step_size=0.05, steps=2)(linear, image(0.6, 0.2), [0])
    np.testing.assert_allclose(np.ravel(two_steps), [0.5, 0.3], rtol=1e-6)


def test_l2_by_hand(linear):
    adversarial = ProjectedGradientDescent(epsilon=0.1, step_size=0.3, steps=1, norm="l2")(linear, image(0.6, 0.2), [0])
    direction = np.array([-1, 2]) / np.sqrt(5)
    np.testing.assert_allclose(np.ravel(adversarial), [0.6, 0.2] + 0.1 * direction, rtol=1e-5)


def test_the_image_range_is_kept(linear):
    adversarial = ProjectedGradientDescent(epsilon=0.5, step_size=0.5, steps=1)(linear, image(0.1, 0.8), [0])
    np.testing.assert_allclose(np.ravel(adversarial), [0, 1], atol=1e-7)


def test_margin_by_hand():
    logits = tf.constant([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0], [5.0, 5.0, 1.0]])
    np.testing.assert_array_equal(margin(logits, tf.constant([1, 2, 0])), [-1, 1, 0])


def test_a_tie_is_not_correct(linear):
    assert correct(linear, image(0.4, 0.2), [0]).tolist() == [False]
    assert correct(linear, image(0.4, 0.2), [1]).tolist() == [False]
    assert accuracy(linear, np.concatenate([image(0.5, 0.2), image(0.4, 0.3)]), [0, 1]) == 1


@pytest.mark.integration
@given(restarts=st.integers(1, 3), seed=st.integers(0, 2**31 - 1))
def test_more_restarts_are_never_weaker(curved, toy, restarts, seed):
    images, labels = toy
    fewer = dataclasses.replace(VARIANTS["random"], restarts=restarts)
    more = dataclasses.replace(fewer, restarts=restarts + 2)
    harms = [margin(curved(attack(curved, images, labels, seed=seed)), labels).numpy() for attack in (fewer, more)]
    assert (harms[1] >= harms[0] - 1e-5).all()


@pytest.mark.integration
@given(epsilon=st.floats(0.01, 0.5), step_size=st.floats(0.01, 0.5))
def test_the_worst_iterate_is_never_weaker_than_the_last(curved, toy, epsilon, step_size):
    images, labels = toy
    harms = [
        margin(
            curved(dataclasses.replace(VARIANTS[name], epsilon=epsilon, step_size=step_size)(curved, images, labels)),
            labels,
        ).numpy()
        for name in ("plain", "worst")
    ]
    assert (harms[1] >= harms[0] - 1e-5).all()


def test_an_attack_sees_new_weights_of_the_same_model(linear):
    model = keras.models.clone_model(linear)
    attack = dataclasses.replace(PGD, steps=1)
    for sign in (1, -1):
        model.layers[-1].set_weights([sign * np.array([[1, 0], [-2, 0]], np.float32), np.zeros(2, np.float32)])
        moved = attack(model, image(0.6, 0.2), [0]) - image(0.6, 0.2)
        np.testing.assert_allclose(np.ravel(moved), [-0.03 * sign, 0.03 * sign], atol=1e-6)


def test_variants_share_one_graph():
    class Counting(keras.Model):
        """Counts how often Python runs its forward pass: once per call outside of a graph, and while one is traced."""

        runs = 0

        def call(self, images, training=None):
            self.runs += 1
            return tf.reduce_sum(images, (1, 2)) * tf.constant([[1.0, -1.0]])

    model = Counting()
    PGD(model, image(0.6, 0.2), [0])
    traced = model.runs
    dataclasses.replace(PGD, epsilon=0.7, steps=9, step_size=0.2)(
        model, np.tile(image(0.6, 0.2), (3, 1, 1, 1)), [0, 1, 0]
    )
    assert model.runs == traced


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epsilon": -0.1}, "epsilon came as -0.1"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"steps": 0}, "steps came as 0"),
        ({"steps": 1.5}, "steps"),
        ({"step_size": 0}, "step_size"),
        ({"restarts": 0, "random_start": True}, "restarts"),
        ({"restarts": 2}, "set random_start=True"),
        ({"norm": "l3"}, "unknown norm"),
        ({"iterate": "wurst"}, "did you mean 'worst'"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(PGD, **arguments)


REFERENCE_TABLE = {
    "normal": {0: 1.000, 0.05: 0.530, 0.1: 0.045, 0.2: 0, 0.3: 0, 0.35: 0, 0.4: 0},
    "adv": {0: 0.980, 0.05: 0.960, 0.1: 0.940, 0.2: 0.925, 0.3: 0.890, 0.35: 0.010, 0.4: 0},
    "int": {0: 0.935, 0.05: 0.930, 0.1: 0.905, 0.2: 0.840, 0.3: 0.790, 0.35: 0.180, 0.4: 0.140},
}


def published_accuracy(reference_dir, data_dir, method, epsilons, fold):
    """Accuracies of a published MNIST network by the paper's protocol on the paper's sample."""
    sample, _ = sample_images(data.load("mnist", "test", data_dir=data_dir), 200)
    net = load_model(reference_dir / "networks" / f"mnist_smallgap_{method}_100.pkl", fold_tail=fold)
    attack = ProjectedGradientDescent(epsilon=0.3, step_size=0.01, steps=200)
    return accuracy_curve(net, sample.images, sample.labels, attack, epsilons, carry=False).accuracies


@pytest.mark.integration
@pytest.mark.parametrize("method", ["int"])
def test_published_accuracies(reference_dir, data_dir, method):
    epsilons = [0.3]
    expected = [REFERENCE_TABLE[method][epsilon] for epsilon in epsilons]
    np.testing.assert_allclose(
        published_accuracy(reference_dir, data_dir, method, epsilons, True), expected, atol=0.015
    )


@pytest.mark.slow
@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("method", REFERENCE_TABLE)
def test_the_whole_published_table(reference_dir, data_dir, method, fold):
    expected = REFERENCE_TABLE[method]
    found = published_accuracy(reference_dir, data_dir, method, list(expected), fold)
    np.testing.assert_allclose(found, list(expected.values()), atol=0.015)


def test_logits_that_become_nan_after_the_first_images_are_reported(linear):
    model = keras.Sequential([linear, keras.layers.Lambda(lambda z: tf.where(z > 0.9, np.float32(np.nan), z))])
    images = np.tile(image(0.2, 0.1), (20, 1, 1, 1))
    images[15] = image(1.0, 0.0)
    with pytest.raises(InputError, match="image 15"):
        accuracy(model, images, [0] * 20)


def test_threads_may_share_an_attack(linear):
    opposite = keras.models.clone_model(linear)
    opposite.set_weights([-weights for weights in linear.get_weights()])
    attack = dataclasses.replace(PGD, steps=1)
    moves = {}

    def work(name, model):
        moves[name] = [np.ravel(attack(model, image(0.6, 0.2), [0])) for _ in range(5)]

    threads = [threading.Thread(target=work, args=pair) for pair in (("linear", linear), ("opposite", opposite))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(moves["linear"], [[0.57, 0.23]] * 5, atol=1e-6)
    np.testing.assert_allclose(moves["opposite"], [[0.63, 0.17]] * 5, atol=1e-6)


@pytest.mark.slow
@given(
    weights=st.lists(st.floats(-3, 3, width=32), min_size=4, max_size=4),
    pair=st.tuples(st.floats(0, 0.4), st.floats(0, 0.4)),
    norm=st.sampled_from(["linf", "l2"]),
)
def test_a_larger_ball_never_leaves_a_linear_model_more_accurate(weights, pair, norm):
    """Nothing is carried over here: PGD with enough steps solves a linear model exactly, so each radius alone must do."""
    model = keras.Sequential([keras.Input((1, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.layers[-1].set_weights([np.float32(weights).reshape(2, 2), np.zeros(2, np.float32)])
    images = np.random.RandomState(0).rand(50, 1, 2, 1).astype(np.float32)
    labels = np.argmax(model(images), -1)
    attack = dataclasses.replace(PGD, norm=norm, step_size=0.1, steps=12)
    small, large = (
        accuracy(model, dataclasses.replace(attack, epsilon=epsilon)(model, images, labels), labels)
        for epsilon in sorted(pair)
    )
    assert large <= small

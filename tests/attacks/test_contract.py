"""The contract that all attacks on predictions and maps keep, table-driven."""

import copy
import dataclasses
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from interp.attacks import (
    Attack,
    AutoAttack,
    AutoPGD,
    FastAdaptiveBoundary,
    Likeliest,
    ProjectedGradientDescent,
    Square,
    TopKInterpretation,
    accuracy,
)
from interp.attacks.classification import cross_entropy
from interp.core.errors import InputError
from interp.models import Network

NORMS = {
    "linf": lambda d: np.abs(d).max((1, 2, 3)),
    "l2": lambda d: np.sqrt((d.astype(np.float64) ** 2).sum((1, 2, 3))),
}
PGD = ProjectedGradientDescent(epsilon=0.1, step_size=0.03, steps=5)
# Attacks on predictions.
FOOLING = {
    "plain": PGD,
    "worst": dataclasses.replace(PGD, iterate="worst"),
    "first": dataclasses.replace(PGD, iterate="first"),
    "random": dataclasses.replace(PGD, random_start=True, restarts=2),
    "random first": dataclasses.replace(PGD, random_start=True, restarts=2, iterate="first"),
    "l2": dataclasses.replace(PGD, norm="l2"),
    "l2 random": dataclasses.replace(PGD, norm="l2", random_start=True, iterate="worst"),
    "l2 first": dataclasses.replace(PGD, norm="l2", iterate="first"),
    "apgd ce": AutoPGD(epsilon=0.1, steps=7),
    "apgd dlr": AutoPGD(epsilon=0.1, steps=7, loss="dlr", restarts=2),
    "apgd-t": AutoPGD(epsilon=0.1, steps=7, loss="margin", goal=Likeliest(2)),
    "apgd l2": AutoPGD(epsilon=0.1, steps=7, norm="l2"),
    "apgd mean": AutoPGD(epsilon=0.1, steps=4, expectation=3),
    "square": Square(epsilon=0.1, steps=30),
    "square l2": Square(epsilon=0.1, steps=30, norm="l2"),
    "square-t": Square(epsilon=0.1, steps=20, goal=Likeliest(2)),
    "fab": FastAdaptiveBoundary(epsilon=0.1, steps=5, restarts=2),
    "fab l2": FastAdaptiveBoundary(epsilon=0.1, steps=5, norm="l2"),
}
ATTACKS = {**FOOLING, "top k": TopKInterpretation(epsilon=0.1, step_size=0.03, steps=4, k=3, interpretation="ig")}
RANDOM = ("random", "random first", "l2 random", "apgd ce", "apgd dlr", "top k")
RANDOM += ("apgd-t", "apgd l2", "apgd mean", "square", "square l2", "square-t", "fab")


def image(*pixels):
    return np.array(pixels, np.float32).reshape(1, 1, 2, 1)


def norm_of(attack):
    return NORMS[getattr(attack, "norm", "linf")]


@pytest.mark.parametrize("name", ATTACKS)
@given(epsilon=st.floats(0, 0.6), seed=st.integers(0, 2**31 - 1))
@example(epsilon=0.0, seed=0)
@example(epsilon=0.6, seed=2**31 - 1)
@settings(max_examples=3)
def test_results_keep_to_the_ball_and_the_images_to_themselves(name, curved, toy, epsilon, seed):
    images, labels = toy
    before = images.copy()
    attack = dataclasses.replace(ATTACKS[name], epsilon=epsilon)
    adversarial = attack(curved, images, labels, seed=seed)
    assert adversarial.dtype == np.float32
    assert adversarial.shape == images.shape
    assert np.isfinite(adversarial).all()
    assert adversarial.min() >= 0
    assert adversarial.max() <= 1
    assert (norm_of(attack)(adversarial - images) <= epsilon + 1e-5).all()
    np.testing.assert_array_equal(images, before)


@given(epsilon=st.floats(0, 0.6), step_size=st.floats(0.001, 0.5), steps=st.integers(1, 8))
@pytest.mark.parametrize("name", ["plain", "first", "l2"])
def test_steps_of_any_size_keep_to_the_ball(name, curved, toy, epsilon, step_size, steps):
    images, labels = toy
    attack = dataclasses.replace(ATTACKS[name], epsilon=epsilon, step_size=step_size, steps=steps)
    assert (norm_of(attack)(attack(curved, images, labels) - images) <= epsilon + 1e-5).all()


@pytest.mark.integration
@pytest.mark.parametrize("name", ATTACKS)
def test_batches_and_runs_do_not_change_the_result(name, curved, toy):
    images, labels = toy
    whole = ATTACKS[name](curved, images, labels, seed=3)
    np.testing.assert_array_equal(ATTACKS[name](curved, images, labels, seed=3), whole)
    np.testing.assert_allclose(ATTACKS[name](curved, images, labels, seed=3, batch_size=7), whole, atol=1e-6)
    assert np.array_equal(ATTACKS[name](curved, images, labels, seed=4), whole) == (name not in RANDOM)


@pytest.mark.parametrize("name", FOOLING)
def test_every_attack_fools_and_leaves_the_model_alone(name, curved, toy):
    images, labels = toy
    weights = curved.get_weights()
    attack = dataclasses.replace(FOOLING[name], epsilon=1.5 if "l2" in name else 0.4)
    if not isinstance(attack, AutoPGD):
        # AutoPGD compiles again for another number of steps, and needs no more of them.
        more = {"steps": 20, "step_size": 0.1} if "step_size" in vars(attack) else {"steps": 100}
        attack = dataclasses.replace(attack, **more)
    assert accuracy(curved, images, labels) > 0.9
    assert accuracy(curved, attack(curved, images, labels), labels) < 0.3
    for now, before in zip(curved.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, before)


@pytest.mark.parametrize("name", ["first", "l2 first", "apgd ce", "square", "square l2", "fab", "fab l2"])
@given(seed=st.integers(0, 2**31 - 1))
@settings(max_examples=5)
def test_an_image_that_is_misclassified_is_left_as_it_is(name, curved, toy, seed):
    """Nothing more is spent on a broken image, so one that starts broken comes back, but for the random start of APGD."""
    images, _ = toy
    wrong = (np.argmax(curved(images), -1) + 1) % 3
    moved = FOOLING[name](curved, images, wrong, seed=seed)
    if name == "apgd ce":
        assert accuracy(curved, moved, wrong) == 0
    else:
        np.testing.assert_array_equal(moved, images)


@pytest.mark.integration
@pytest.mark.parametrize("name", ATTACKS)
def test_one_image_at_a_time_is_as_good(name, curved, toy):
    images, labels = toy
    moved = ATTACKS[name](curved, images[:1], labels[:1], batch_size=1)
    assert moved.shape == images[:1].shape


def test_a_tensor_gives_a_tensor_and_an_array_an_array(linear):
    assert isinstance(PGD(linear, image(0.6, 0.2), [0]), np.ndarray)
    assert tf.is_tensor(PGD(linear, tf.constant(image(0.6, 0.2)), [0]))


def probabilities_by_hand():
    """No softmax that could be cut."""
    inputs = keras.Input((1, 2, 1))
    odds = keras.ops.exp(keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))
    return keras.Model(inputs, odds / keras.ops.sum(odds, -1, keepdims=True))


@pytest.mark.parametrize(
    ("make", "images", "labels", "message"),
    [
        (lambda linear: probabilities_by_hand(), image(0.6, 0.2), [0], "probabilities"),
        (lambda linear: lambda images: images, image(0.6, 0.2), [0], "expected a keras.Model"),
        (lambda linear: linear, image(0.6, 0.2), [2], "classes 0 to 1"),
        (lambda linear: linear, image(0.6, 0.2), [0, 1], "one label per image"),
        (lambda linear: linear, image(0.6, 0.2) * 255, [0], r"expected \[0, 1\]"),
        (lambda linear: linear, image(0.6, 0.2).astype(np.float64), [0], "float32"),
        (lambda linear: linear, np.zeros((1, 3, 2, 1), np.float32), [0], r"shape \(3, 2, 1\), it takes \(1, 2, 1\)"),
    ],
)
def test_bad_input_is_one_line(linear, make, images, labels, message):
    with pytest.raises(InputError, match=message) as caught:
        PGD(make(linear), images, labels)
    assert "\n" not in str(caught.value)


class Root(keras.Model):
    """Logits from the square root of the image, whose gradient at 0 is infinite times 0."""

    def call(self, images, training=None):
        total = tf.reduce_sum(images * tf.pow(images, 0.5), (1, 2, 3))
        return tf.stack([total, 2 - total], -1)


@pytest.mark.parametrize("iterate", ["last", "worst", "first"])
def test_gradients_that_are_not_finite_are_reported(iterate):
    attack = dataclasses.replace(PGD, iterate=iterate)
    with pytest.raises(InputError, match=r"NaN or infinite on 1 of 2 images under attack \(the first is image 1\)"):
        attack(Root(), np.concatenate([image(0.5, 0.5), image(0.0, 0.5)]), [1, 1])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fails(Attack):
    """Leaves images as they are, and at the second restart makes NaN of the last one."""

    _leaves_broken = True

    def _starts(self, images, seed):
        yield (images,)
        yield (tf.concat([images[:-1], images[-1:] * np.nan], 0),)

    def _run(self, batch):
        return batch.draws[0]


def test_the_image_that_is_named_is_counted_among_all(linear):
    """Not among those that a restart or a member of an ensemble attacks."""
    images = np.concatenate([image(0.1, 0.5), image(0.9, 0.1), image(0.8, 0.1)])
    with pytest.raises(InputError, match=r"\(the first is image 2\)"):
        Fails()(linear, images, [0, 0, 0])
    with pytest.raises(InputError, match=r"\(the first is image 1\)"):
        AutoAttack(epsilon=0.1).run(Root(), np.concatenate([image(0.5, 0.5), image(0.0, 0.0)]), [0, 1])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("iterate", ["last", "worst"])
def test_models_of_any_precision_are_attacked(policy, iterate):
    model = keras.Sequential(
        [keras.Input((1, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2, dtype=keras.DTypePolicy(policy))]
    )
    model.layers[-1].set_weights([np.array([[1, 0], [-2, 0]], np.float32), np.zeros(2, np.float32)])
    adversarial = dataclasses.replace(PGD, iterate=iterate)(model, image(0.6, 0.2), [0])
    np.testing.assert_allclose(np.ravel(adversarial), [0.5, 0.3], atol=1e-6)


@pytest.mark.integration
def test_a_subclass_of_the_network_is_called_as_it_is():
    class Negated(Network):
        def call(self, inputs, training=None, mask=None):
            return -super().call(inputs, training=training)

    images, labels = np.random.RandomState(0).rand(4, 8, 8, 1).astype(np.float32), [0, 1, 2, 0]
    net = Negated("small", (8, 8, 1), 3)
    before, after = (
        cross_entropy(net(points), tf.constant(labels)).numpy() for points in (images, PGD(net, images, labels))
    )
    assert (after > before).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda images: tf.reduce_sum(tf.repeat(images, 2, axis=0), 1)[..., 0], "2 rows for 1 image,"),
        (lambda images: undefined, "name 'undefined' is not defined"),  # noqa: F821
        (lambda images: {"logits": images}, "dict"),
        (lambda images: tf.cast(images[:, 0, :, 0] * 9, tf.int32), r"shape \(1, 2\)"),
    ],
)
def test_models_that_do_not_fit_are_refused_in_one_line(call, message):
    class Model(keras.Model):
        def call(self, inputs, training=None):
            return call(inputs)

    with pytest.raises(InputError, match=message) as caught:
        PGD(Model(), image(0.6, 0.2), [0])
    assert str(caught.value).isprintable()


def test_attacks_can_be_copied_pickled_and_written_down(linear):
    attack = dataclasses.replace(PGD, epsilon=0.2)
    attack(linear, image(0.6, 0.2), [0])
    for copied in (copy.deepcopy(attack), pickle.loads(pickle.dumps(attack))):
        assert copied == attack
        np.testing.assert_array_equal(copied(linear, image(0.6, 0.2), [0]), attack(linear, image(0.6, 0.2), [0]))
    assert dataclasses.asdict(attack)["epsilon"] == 0.2


def test_bad_seed_and_batch_size_are_refused(linear):
    with pytest.raises(InputError, match="seed"):
        PGD(linear, image(0.6, 0.2), [0], seed=-1)
    with pytest.raises(InputError, match="batch_size"):
        PGD(linear, image(0.6, 0.2), [0], batch_size=0)

"""Networks whose cross-entropy underflows are attacked as those that they are."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from interp.attacks import AutoPGD, Fog, ProjectedGradientDescent, accuracy
from interp.attacks.classification import cross_entropy, log_odds_against
from interp.models import build_network
from interp.training import Schedule
from interp.training.batches import Batch
from interp.training.inner_attack import attack_batch
from interp.training.objectives import find_objective

PGD = ProjectedGradientDescent(epsilon=0.3, step_size=0.05, steps=20)
ATTACKS = {
    "plain": PGD,
    "first": dataclasses.replace(PGD, iterate="first"),
    "random": dataclasses.replace(PGD, random_start=True, restarts=2),
    "l2": dataclasses.replace(PGD, norm="l2", epsilon=1.0, step_size=0.2),
    "apgd ce": AutoPGD(epsilon=0.3, steps=20),
}


@given(
    scale=st.sampled_from([1e-3, 1.0, 30.0, 1e5]),
    classes=st.integers(2, 6),
    seed=st.integers(0, 1000),
    half=st.booleans(),
)
def test_the_cross_entropy_is_softplus_of_the_log_odds(scale, classes, seed, half):
    generator = np.random.RandomState(seed)
    logits = tf.constant(scale * generator.randn(4, classes), tf.float16 if half and scale < 100 else tf.float32)
    labels = tf.constant(generator.randint(classes, size=4))
    odds = log_odds_against(logits, labels)
    assert odds.dtype == tf.float32
    values = np.float64(tf.cast(logits, tf.float64))
    others = np.where(np.arange(classes) == labels.numpy()[:, None], -np.inf, values)
    by_hand = np.logaddexp.reduce(others, -1) - values[range(4), labels]
    np.testing.assert_allclose(odds, by_hand, rtol=1e-5, atol=1e-5 * scale)
    expected = cross_entropy(tf.cast(logits, tf.float32), labels)
    np.testing.assert_allclose(tf.nn.softplus(odds), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("margin", [3.0, 100.0, 1e4])
def test_the_gradient_is_that_of_the_cross_entropy_without_its_factor(margin):
    """Softmax over the other classes, and -1 for the label: by hand."""
    logits, labels = tf.constant([[margin, 0.0, np.log(3.0)]]), tf.constant([0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        odds = log_odds_against(logits, labels)
    np.testing.assert_allclose(tape.gradient(odds, logits), [[-1, 0.25, 0.75]], rtol=1e-6)


@pytest.mark.integration
@pytest.mark.parametrize("name", ATTACKS)
def test_logits_times_a_thousand_make_no_network_robust(name, curved, toy):
    images, labels = toy
    loud = keras.Sequential([curved, keras.layers.Rescaling(1000.0)])
    attack = ATTACKS[name]
    plain = accuracy(curved, attack(curved, images, labels), labels)
    assert plain < 0.7
    assert accuracy(loud, attack(loud, images, labels), labels) <= plain + 0.05


@pytest.mark.integration
def test_nor_against_unforeseen_attacks(curved, toy):
    images, labels = (part[:20] for part in toy)
    loud = keras.Sequential([curved, keras.layers.Rescaling(1000.0)])
    fog = Fog(epsilon=500.0, steps=20, goal="untargeted")
    found = [accuracy(model, fog(model, images, labels), labels) for model in (curved, loud)]
    assert found[0] < 0.9
    assert found[1] <= found[0] + 0.1


@pytest.fixture(scope="module")
def sure():
    """The digits in full and in half precision, scaled until the label leads by 16 and more on most images."""
    from interp import data

    train, test = (data.load("digits", split) for split in ("train", "test"))
    keras.utils.set_random_seed(0)
    layers = keras.layers

    def build(policy, scale):
        return keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(8, 5, strides=3, activation="relu", dtype=policy),
                layers.Flatten(dtype=policy),
                layers.Dense(10, dtype=policy),
                layers.Rescaling(scale, dtype=policy),
            ]
        )

    trained = build("float32", 1.0)
    trained.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    trained.fit(np.asarray(train.images), train.labels, epochs=8, verbose=0)
    full, half = (build(keras.DTypePolicy(policy), 6.0) for policy in ("float32", "mixed_float16"))
    full.set_weights(trained.get_weights())
    half.set_weights(trained.get_weights())
    return full, half, np.asarray(test.images[:100]), test.labels[:100]


@pytest.mark.integration
def test_half_precision_makes_no_network_robust(sure):
    full, half, images, labels = sure
    leads = -log_odds_against(tf.cast(half(images), tf.float32), tf.constant(labels)).numpy()
    assert np.median(leads) > 16
    attack = ProjectedGradientDescent(epsilon=0.2, step_size=0.02, steps=20)
    assert accuracy(half, images, labels) > 0.9
    robust = [accuracy(model, attack(model, images, labels), labels) for model in (full, half)]
    assert robust[0] < 0.1
    assert robust[1] <= robust[0] + 0.05


@pytest.mark.parametrize("tag", ["adv", "int2", "int2adv"])
def test_the_inner_attack_of_training_moves_where_the_cross_entropy_is_flat(tag):
    network = build_network("small", (28, 28, 1), 10)
    head = network.kernel_layers()[-1].kernel
    head.assign(1e5 * head)
    images = np.random.RandomState(0).rand(8, 28, 28, 1).astype(np.float32)
    labels = tf.constant(np.argmax(network(images), -1))
    schedule = Schedule(
        epochs=1,
        batch_size=8,
        learning_rates=((0, 1e-3),),
        epsilon=0.2,
        ramp=(0, 0),
        attack_steps=10,
        attack_step_size=0.05,
    )
    start = tf.constant(images)
    moved = attack_batch(
        network,
        find_objective(tag),
        Batch(start, labels, start, tf.range(len(start)), start),
        tf.constant(0.2),
        schedule,
        0.01,
    )
    before, after = (log_odds_against(network(points), labels).numpy() for points in (start, moved))
    assert (after > before).all()

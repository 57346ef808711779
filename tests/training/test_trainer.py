"""The trainer on the digits: it learns, repeats itself, and stops when numbers go bad."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp import data
from interp.core.errors import InputError
from interp.models import NetworkForward, build_network
from interp.training import OBJECTIVES, Schedule, TrainingDiverged, find_objective, train
from interp.training.step import attack_batch

SHORT = Schedule(
    epochs=2,
    batch_size=50,
    learning_rates=((0, 1e-3),),
    epsilon=0.1,
    ramp=(0, 0),
    attack_steps=3,
    attack_step_size=0.05,
)


@pytest.fixture(scope="module")
def digits():
    return {split: data.load("digits", split) for split in ("train", "validation")}


def small(seed=99):
    return build_network("small", (28, 28, 1), 10, seed=seed)


@pytest.mark.parametrize("tag", OBJECTIVES)
def test_every_objective_learns_and_repeats_itself(digits, tag):
    few = digits["train"].take(400)
    schedule = dataclasses.replace(SHORT, epochs=4, learning_rates=((0, 2e-3),), epsilon=0.02)
    histories, weights = [], []
    for _ in range(2):
        net = small()
        histories.append(train(net, find_objective(tag), schedule, few, validation=digits["validation"]))
        weights.append(net.get_weights())
    assert histories[0][-1]["loss"] < histories[0][0]["loss"]
    assert histories[0][-1]["validation_accuracy"] > 0.3
    assert ("validation_robust_accuracy" in histories[0][0]) == (tag != "normal")
    for first, second in zip(*weights, strict=True):
        np.testing.assert_allclose(first, second, atol=2e-5)


def test_one_step_of_normal_training_is_one_step_of_adam(digits):
    few = digits["train"].take(50)
    net, other = small(), small()
    train(net, find_objective("normal"), dataclasses.replace(SHORT, epochs=1), few)
    optimizer = keras.optimizers.Adam(1e-3)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(few.labels, other(few.images)))
    optimizer.apply(tape.gradient(loss, other.trainable_variables), other.trainable_variables)
    for trained, expected in zip(net.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(trained, expected, atol=1e-5)


def test_batches_follow_the_documented_order(digits):
    """Two images per step, learning rate too small to matter: the losses name the images."""
    few = digits["train"].take(6)
    net = small()
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(few.labels, net(few.images)).numpy()
    seen = []
    schedule = dataclasses.replace(SHORT, batch_size=2, learning_rates=((0, 1e-12),))
    train(
        net,
        find_objective("normal"),
        schedule,
        few,
        seed=7,
        report=lambda progress: seen.append(progress.measures["loss"]),
    )
    orders = [np.random.RandomState(7 + epoch).permutation(6).reshape(3, 2) for epoch in range(2)]
    expected = [losses[rows].mean() for order in orders for rows in order]
    # The last report of an epoch holds its mean.
    expected[2], expected[5] = np.mean(expected[:3]), np.mean(expected[3:])
    np.testing.assert_allclose(seen, expected, rtol=1e-4)


def test_progress_counts_to_the_end(digits):
    seen = []
    train(small(), find_objective("normal"), SHORT, digits["train"].take(120), report=seen.append)
    assert [progress.step for progress in seen] == [1, 2, 3, 4]
    assert [progress.epoch for progress in seen] == [0, 0, 1, 1]
    assert seen[-1].total_steps == 4
    assert seen[-1].seconds_left == 0
    assert all(progress.images_per_second > 0 for progress in seen)


@pytest.mark.parametrize("tag", ["adv", "int"])
def test_the_inner_attack_keeps_to_its_ball_and_raises_its_term(digits, tag):
    net = small()
    images, labels = tf.constant(digits["train"].images[:20]), tf.constant(digits["train"].labels[:20])
    start = tf.clip_by_value(images + tf.random.stateless_uniform(images.shape, [0, 0], -0.1, 0.1), 0, 1)

    def attacked(epsilon, steps):
        schedule = dataclasses.replace(SHORT, attack_steps=steps)
        return attack_batch(net, find_objective(tag), images, labels, start, tf.constant(epsilon), schedule, 0.01)

    for steps in (1, 5):
        moved = attacked(0.1, steps) - images
        assert np.abs(moved).max() <= 0.1 + 1e-6
    np.testing.assert_array_equal(attacked(0.0, 5), images)

    def term(points):
        from interp.training.views import Pair, View

        forward = NetworkForward(net)
        clean = View(forward, forward.enter(images))
        return find_objective(tag).attack(Pair(clean, clean.at(forward.enter(points)), labels, 0.01)).numpy().mean()

    assert term(attacked(0.1, 5)) > term(attacked(0.1, 1)) > term(start)


def test_numbers_that_are_not_finite_stop_the_run_and_keep_the_weights(digits):
    net = small()
    few = digits["train"].take(100)
    good = []

    def poison(progress):
        if progress.step == 1:
            net.kernel_layers()[-1].kernel.assign(np.full((100, 10), np.inf, np.float32))
            good.extend(net.get_weights())

    with pytest.raises(TrainingDiverged, match="step 1 "):
        train(net, find_objective("normal"), SHORT, few, report=poison)
    for now, before in zip(net.get_weights(), good, strict=True):
        np.testing.assert_array_equal(now, before)


def test_input_that_does_not_fit_is_refused(digits):
    normal = find_objective("normal")
    with pytest.raises(InputError, match="fewer than one batch"):
        train(small(), normal, SHORT, digits["train"].take(49))
    with pytest.raises(InputError, match="build the network for this dataset"):
        train(build_network("small", (28, 28, 1), 9), normal, SHORT, digits["train"])
    with pytest.raises(InputError, match="penalty"):
        train(small(), find_objective("int"), SHORT, digits["train"], penalty_weight=-1)
    with pytest.raises(InputError, match="has no penalty"):
        train(small(), normal, SHORT, digits["train"], penalty_weight=0.5)
    with pytest.raises(InputError, match="seed"):
        train(small(), normal, SHORT, digits["train"], seed=-1)

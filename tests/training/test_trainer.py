"""The trainer on the digits: it learns, repeats itself, and stops when numbers go bad."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp import data
from interp.core.errors import InputError
from interp.models import build_network, prepare
from interp.training import OBJECTIVES, Schedule, TrainingDiverged, find_objective, plain_schedule, step, train, trainer
from interp.training.batches import Batch
from interp.training.inner_attack import attack_batch
from interp.training.step import make_step
from interp.training.views import Pair, View

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


# One of each kind is enough for every day: they take up to ten seconds each.
LONG = (
    "int",
    "igsum",
    "ig",
    "intig",
    "intigadv",
    "intadv",
    "intone",
    "trades",
    "int2",
    "int2adv",
    "hessian",
    "r2et",
    "igr",
    "art",
    "trades6",
    "lga",
)


@pytest.mark.integration
@pytest.mark.parametrize(
    "tag", [pytest.param(tag, marks=pytest.mark.slow) if tag in LONG else tag for tag in OBJECTIVES]
)
def test_every_objective_learns_and_repeats_itself(digits, tag):
    # The integrated gradients of all logits cost ten times the others; they get fewer images and batches.
    costly = tag in ("intig", "intigadv")
    few = digits["train"].take(100 if costly else 400)
    rate, batch = (0.01, 10) if costly else (2e-3, 50)
    schedule = dataclasses.replace(SHORT, epochs=4, learning_rates=((0, rate),), batch_size=batch, epsilon=0.02)
    histories, weights = [], []
    for _ in range(2):
        net = small()
        histories.append(train(net, find_objective(tag), few, schedule, validation=digits["validation"]))
        weights.append(net.get_weights())
    assert histories[0][-1]["loss"] < histories[0][0]["loss"]
    assert costly or histories[0][-1]["accuracy"] > 0.3
    assert ("validation_robust_accuracy" in histories[0][0]) == (tag != "normal")
    for first, second in zip(*weights, strict=True):
        np.testing.assert_allclose(first, second, atol=2e-5)


@pytest.mark.integration
def test_one_step_of_normal_training_is_one_step_of_adam(digits):
    few = digits["train"].take(50)
    net, other = small(), small()
    train(net, find_objective("normal"), few, dataclasses.replace(SHORT, epochs=1))
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
        few,
        schedule,
        seed=7,
        report=lambda progress: seen.append(progress.measures["loss"]),
    )
    orders = [np.random.RandomState(7 + epoch).permutation(6).reshape(3, 2) for epoch in range(2)]
    expected = [losses[rows].mean() for order in orders for rows in order]
    # The last report of an epoch holds its mean.
    expected[2], expected[5] = np.mean(expected[:3]), np.mean(expected[3:])
    np.testing.assert_allclose(seen, expected, rtol=1e-4)


def recorded_steps(monkeypatch, objective, schedule, data, **arguments):
    """Train with the real step, and note what every step is given."""
    seen = []

    def recording(network, objective, optimizer, schedule, *, penalty_weight, **others):
        step = make_step(network, objective, optimizer, schedule, penalty_weight=penalty_weight, **others)

        def run(images, labels, epsilon, seed, stop):
            rate = float(optimizer.learning_rate)
            seen.append(
                {"epsilon": float(epsilon), "rate": rate, "seed": list(map(int, seed)), "weight": penalty_weight}
            )
            return step(images, labels, epsilon, seed, stop)

        return run

    monkeypatch.setattr(trainer, "make_step", recording)
    train(small(), objective, data, schedule, **arguments)
    return seen


@pytest.mark.integration
def test_every_step_is_given_its_radius_rate_seed_and_weight(digits, monkeypatch):
    schedule = dataclasses.replace(SHORT, ramp=(1, 5), learning_rates=((0, 1e-3), (3, 1e-4)), epochs=3)
    seen = recorded_steps(
        monkeypatch, find_objective("int"), schedule, digits["train"].take(100), seed=5, penalty_weight=0.2
    )
    assert [step["epsilon"] for step in seen] == pytest.approx([0, 0, 0.025, 0.05, 0.075, 0.1])
    assert [step["rate"] for step in seen] == pytest.approx([1e-3] * 3 + [1e-4] * 3)
    assert [step["seed"] for step in seen] == [[5, number] for number in range(6)]
    assert {step["weight"] for step in seen} == {0.2}
    usual = recorded_steps(monkeypatch, find_objective("int"), SHORT, digits["train"].take(50))
    assert {step["weight"] for step in usual} == {0.01}


@pytest.mark.integration
@pytest.mark.parametrize("tag", [pytest.param("adv", marks=pytest.mark.slow), "int"])
def test_the_inner_attack_starts_at_random(digits, tag):
    """Int's discrepancy has no gradient at the image itself, so without a random start nothing would move."""
    losses = []
    images, labels = tf.constant(digits["train"].images[:50]), tf.constant(digits["train"].labels[:50])
    for seed in (0, 0, 1):
        net = small()
        step = make_step(net, find_objective(tag), keras.optimizers.Adam(), SHORT, penalty_weight=0.5)
        measures = step(images, labels, tf.constant(0.1), tf.constant([seed, 0], tf.int64), tf.constant(0.0))
        losses.append(float(measures["loss"]))
    clean = float(tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, small()(images))))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert losses[0] != losses[2]
    assert losses[0] > clean + 0.001


@pytest.mark.slow
@pytest.mark.parametrize(("tag", "architecture"), [("normal", "small"), ("int", "small"), ("adv", "simple_cnn")])
@pytest.mark.parametrize("rows", [1, 7])
def test_a_batch_shared_out_to_streams_gives_the_same_step(tag, architecture, rows, digits, monkeypatch):
    images, labels = tf.constant(digits["train"].images[:rows]), tf.constant(digits["train"].labels[:rows])
    found = []
    for streams in (1, 2):
        monkeypatch.setattr("interp.training.step.count_streams", lambda streams=streams: streams)
        net = build_network(architecture, (28, 28, 1), 10, seed=3)
        step = make_step(net, find_objective(tag), keras.optimizers.SGD(0.1), SHORT, penalty_weight=0.5)
        measures = step(images, labels, tf.constant(0.1), tf.constant([0, 0], tf.int64), tf.constant(0.0))
        found.append((measures, net.get_weights()))
    (one, weights), (two, others) = found
    for name, value in one.items():
        assert float(two[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-6), name
    for weight, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(other, weight, atol=1e-5)


@pytest.mark.integration
@pytest.mark.parametrize("tag", ["normal", "adv"])
def test_batch_normalisation_learns_from_the_pass_of_the_loss_alone(digits, tag):
    images, labels = tf.constant(digits["train"].images[:20]), tf.constant(digits["train"].labels[:20])
    net = build_network("simple_cnn", (28, 28, 1), 10)
    first, normalisation = net.get_layer("conv1"), net.get_layer("batchnorm1")
    step = make_step(net, find_objective(tag), keras.optimizers.Adam(), SHORT, penalty_weight=0.0)
    expected = 0.01 * tf.reduce_mean(first(images), (0, 1, 2)).numpy()
    step(images, labels, tf.constant(0.0), tf.constant([0, 0], tf.int64), tf.constant(0.0))
    np.testing.assert_allclose(normalisation.moving_mean, expected, atol=1e-5)


@pytest.mark.integration
def test_a_broken_step_takes_back_the_statistics_of_batch_normalisation(digits):
    net = build_network("simple_cnn", (28, 28, 1), 10)
    net.get_layer("conv1").kernel.assign(np.full((3, 3, 1, 32), np.inf, np.float32))
    before = net.get_weights()
    with pytest.raises(TrainingDiverged):
        train(net, find_objective("normal"), digits["train"].take(50), SHORT)
    for now, then in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_progress_counts_to_the_end(digits):
    seen = []
    train(small(), find_objective("normal"), digits["train"].take(120), SHORT, report=seen.append)
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
        batch = Batch(images, labels, start, tf.range(20), tf.zeros_like(images))
        return attack_batch(net, find_objective(tag), batch, tf.constant(epsilon), schedule, 0.01)

    for steps in (1, 5):
        moved = attacked(0.1, steps) - images
        assert np.abs(moved).max() <= 0.1 + 1e-6
    np.testing.assert_array_equal(attacked(0.0, 5), images)

    def term(points):
        forward = prepare(net, rearrange=True)
        clean = View(forward, forward.enter(images))
        return find_objective(tag).attack(Pair(clean, clean.at(forward.enter(points)), labels, 0.01)).numpy().mean()

    assert term(attacked(0.1, 5)) > term(attacked(0.1, 1)) > term(start)


@pytest.mark.integration
def test_numbers_that_are_not_finite_stop_the_run_and_keep_the_weights(digits):
    net = small()
    few = digits["train"].take(100)
    good = []

    def poison(progress):
        if progress.step == 1:
            net.kernel_layers()[-1].kernel.assign(np.full((100, 10), np.inf, np.float32))
            good.extend(net.get_weights())

    # Normal has no radius that could be told.
    with pytest.raises(TrainingDiverged, match=r"step 1 \((?!.*radius)"):
        train(net, find_objective("normal"), few, SHORT, report=poison)
    for now, before in zip(net.get_weights(), good, strict=True):
        np.testing.assert_array_equal(now, before)


def test_input_that_does_not_fit_is_refused(digits):
    normal = find_objective("normal")
    with pytest.raises(InputError, match="fewer than one batch"):
        train(small(), normal, digits["train"].take(49), SHORT)
    with pytest.raises(InputError, match="build the network for this dataset"):
        train(build_network("small", (28, 28, 1), 9), normal, digits["train"], SHORT)
    with pytest.raises(InputError, match="penalty"):
        train(small(), find_objective("int"), digits["train"], SHORT, penalty_weight=-1)
    with pytest.raises(InputError, match="has no penalty"):
        train(small(), normal, digits["train"], SHORT, penalty_weight=0.5)
    with pytest.raises(InputError, match="has no layers"):
        train(keras.Sequential(), normal, digits["train"], SHORT)
    with pytest.raises(InputError, match="seed"):
        train(small(), normal, digits["train"], SHORT, seed=-1)


@pytest.mark.integration
@pytest.mark.parametrize("tag", ["adv", "trades"])
def test_clean_accuracy_is_of_a_sample_where_the_loss_makes_no_pass_of_clean_images(digits, tag, monkeypatch):
    monkeypatch.setattr(step, "count_streams", lambda: 1)
    few, net, seen = digits["train"].take(50), small(), []
    right = np.argmax(net(few.images), 1) == few.labels
    schedule = dataclasses.replace(SHORT, epochs=1)
    train(net, find_objective(tag), few, schedule, seed=3, report=lambda progress: seen.append(progress.measures))
    order = np.random.RandomState(3).permutation(50)
    sample = order[: step.SAMPLED] if tag == "adv" else order
    assert seen[0]["accuracy"] == pytest.approx(right[sample].mean())


@pytest.mark.parametrize(
    ("rate", "given", "said"),
    [
        (1e-3, {"class_weights": {0: 2.0}}, "class_weights came beside compiled"),
        (
            1e-3,
            {"optimizer": keras.optimizers.SGD(0.1), "batch_statistics": "fixed"},
            "optimizer and batch_statistics came",
        ),
        (keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.9), {}, "expected one rate"),
    ],
)
def test_nothing_beside_a_compiled_step_is_passed_over(digits, rate, given, said):
    """Weights of classes were ignored without a word; a schedule of rates ended in an AttributeError."""
    network, schedule = small(), plain_schedule(epochs=1, batch_size=20, learning_rate=1e-3)
    optimizer = keras.optimizers.Adam(rate)
    compiled = optimizer, make_step(network, "normal", optimizer, schedule, penalty_weight=0.0)
    with pytest.raises(InputError, match=said):
        train(network, "normal", digits["train"].take(20), schedule, compiled=compiled, **given)

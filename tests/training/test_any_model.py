"""Training of models as users bring them: as plain Keras does it where there is no attack, and by every objective."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp import InputError
from interp.attacks import ProjectedGradientDescent, accuracy
from interp.attributions import CAM
from interp.data import from_arrays
from interp.models import adapt, build_network
from interp.training import (
    OBJECTIVES,
    CheckpointFolder,
    Checkpointing,
    RobustModel,
    plain_schedule,
    train,
    usual_schedule,
    with_explanation,
)
from interp.training.batches import draw_batch
from interp.training.inner_attack import attack_batch
from interp.training.model_state import ModelState
from interp.training.step import make_step

L = keras.layers
SHAPE = (12, 12, 3)
PLAIN = plain_schedule(epochs=2, batch_size=8, learning_rate=0.05)
ATTACKED = usual_schedule(24, 0.05, epochs=1, batch_size=8, attack_steps=2)


def pictures(count=24):
    """Three classes, told apart by the brightest channel."""
    generator = np.random.RandomState(0)
    labels = np.arange(count) % 3
    images = 0.5 * generator.rand(count, *SHAPE)
    images[np.arange(count), :, :, labels] += 0.4
    return from_arrays(images.astype(np.float32), labels, split="train")


def normalised(*, dropout=0.0, regulariser=None):
    """Batch normalisation, average pooling, logits."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            L.Conv2D(6, 3, kernel_regularizer=regulariser),
            L.BatchNormalization(momentum=0.9),
            L.ReLU(),
            L.GlobalAveragePooling2D(),
            L.Dropout(dropout),
            L.Dense(3),
        ]
    )


def rescaling():
    """Takes 0 to 255 and gives probabilities."""
    keras.utils.set_random_seed(2)
    inputs = keras.Input(SHAPE)
    maps = L.Conv2D(6, 3, activation="relu")(L.Rescaling(1 / 255)(inputs))
    maps = L.Conv2D(6, 3, activation="relu")(L.MaxPooling2D()(maps))
    hidden = L.Dropout(0.3)(L.Dense(16, activation="relu")(L.Flatten()(maps)))
    return keras.Model(inputs, L.Dense(3, activation="softmax")(hidden))


def nested():
    """A backbone, of which the first layer is frozen, and a new head."""
    keras.utils.set_random_seed(3)
    backbone = keras.Sequential(
        [
            keras.Input(SHAPE),
            L.Conv2D(4, 3, name="frozen", trainable=False),
            L.BatchNormalization(name="frozen_norm", trainable=False),
            L.ReLU(6),
            L.DepthwiseConv2D(3),
            L.BatchNormalization(),
            L.ReLU(6),
        ],
        name="backbone",
    )
    inputs = keras.Input(SHAPE)
    pooled = L.GlobalAveragePooling2D()(backbone(inputs))
    return keras.Model(inputs, L.Dense(3, activation="softmax")(L.Dropout(0.2)(pooled)))


KINDS = {
    "normalised": (lambda: normalised(dropout=0.3), "0..1"),
    "rescaling": (rescaling, "0..255"),
    "nested": (nested, "0..1"),
}
HAS_CAM = ("normalised", "nested")


def orders(count, epochs, seed=99):
    return [np.random.RandomState(seed + epoch).permutation(count) for epoch in range(epochs)]


@pytest.mark.integration
@pytest.mark.parametrize("way", ["train", "RobustModel"])
def test_without_an_attack_it_is_plain_keras(way):
    """Batch normalisation, weights of classes, weight decay and regularisers, to rounding."""
    data = pictures()
    mine, plain = (normalised(regulariser=keras.regularizers.L2(0.02)) for _ in range(2))
    weights = {0: 3.0, 2: 0.5}
    first, second = (keras.optimizers.SGD(0.05, momentum=0.9, weight_decay=0.1) for _ in range(2))
    plain.compile(second, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images, labels = np.asarray(data.images[:]), data.labels
    factors = np.array([weights.get(label, 1.0) for label in labels], np.float32)
    for order in orders(24, 2):
        for rows in order.reshape(3, 8):
            plain.train_on_batch(images[rows], labels[rows], sample_weight=factors[rows])
    if way == "train":
        train(mine, "normal", data, PLAIN, optimizer=first, class_weights=weights)
    else:
        robust = RobustModel(mine, "normal", PLAIN)
        robust.compile(first)
        for order in orders(24, 2):
            for rows in order.reshape(3, 8):
                robust.train_on_batch(images[rows], labels[rows], class_weight={1: 1.0, **weights})
    for one, other in zip(mine.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


FAST = [
    ("normalised", "normal"),
    ("normalised", "int"),
    ("rescaling", "adv"),
    ("rescaling", "int"),
    ("nested", "trades"),
]


@pytest.mark.parametrize(
    ("kind", "tag"),
    [
        pytest.param(kind, tag, marks=[] if (kind, tag) in FAST else pytest.mark.slow)
        for kind in KINDS
        for tag in OBJECTIVES
    ],
)
def test_every_objective_trains_every_model_that_can_serve_it(kind, tag):
    make, scale = KINDS[kind]
    model = make()
    before = model.get_weights()
    adapted = adapt(model, scale=scale)
    if OBJECTIVES[tag].explanation == CAM() and kind not in HAS_CAM:
        with pytest.raises(InputError, match=r"with_explanation.*grad_cam"):
            train(adapted, tag, pictures(), ATTACKED)
        return
    [measures] = train(adapted, tag, pictures(), ATTACKED)
    assert np.isfinite(measures["loss"])
    assert ("robust_accuracy" in measures) == (OBJECTIVES[tag].attack is not None)
    frozen = {
        id(variable) for layer in model.layers if layer.name == "backbone" for variable in layer.layers[0].weights
    }
    for variable, was in zip(model.weights, before, strict=True):
        moved = np.abs(np.asarray(variable) - was).max() > 0
        assert moved == (id(variable) not in frozen and "frozen_norm" not in variable.path), variable.path


@pytest.mark.integration
def test_another_explanation_serves_where_there_is_no_cam():
    adapted = adapt(rescaling(), scale="0..255")
    [measures] = train(adapted, with_explanation("intone", "grad_cam"), pictures(), ATTACKED)
    assert np.isfinite(measures["loss"])


@pytest.mark.integration
@pytest.mark.parametrize(("chosen", "seen"), [("clean", "clean"), ("attacked", "attacked"), ("each", "both")])
@pytest.mark.parametrize("tag", ["adv", "trades"])
def test_whose_statistics_batch_normalisation_keeps(tag, chosen, seen):
    """By hand: momentum .9, one step from mean 0."""
    model, data = normalised(), pictures(8)
    images, labels = tf.constant(np.asarray(data.images[:])), tf.constant(data.labels)
    convolution, norm = model.layers[0], model.layers[1]
    step = make_step(model, tag, keras.optimizers.SGD(0.0), ATTACKED, penalty_weight=1.0, batch_statistics=chosen)
    step(images, labels, tf.constant(0.05), tf.constant([0, 0], tf.int64), tf.constant(0.0))
    clean = tf.reduce_mean(convolution(images), (0, 1, 2)).numpy()
    mean = norm.moving_mean.numpy()
    if seen == "clean":
        np.testing.assert_allclose(mean, 0.1 * clean, atol=1e-5)
    elif seen == "attacked":
        assert np.abs(mean - 0.1 * clean).max() > 1e-4
        assert np.abs(mean - 0.1 * clean).max() < 0.1 * 0.05 * 27
    elif tag == "trades":
        # Both passes: .9 of one tenth of the first and a tenth of the second.
        assert np.abs(mean - 0.19 * clean).max() < 0.1 * 0.05 * 27
        assert np.abs(mean - 0.1 * clean).max() > 1e-3
    else:
        # Adv's loss looks at attacked images alone.
        assert 1e-4 < np.abs(mean - 0.1 * clean).max() < 0.1 * 0.05 * 27


def test_what_a_pass_in_training_mode_moves_is_found_in_its_graph():
    model = nested()
    state = ModelState(adapt(model, scale="0..1"), SHAPE)
    # The frozen normalisation stays as it is.
    assert [variable.name for variable in state.statistics] == ["moving_mean", "moving_variance"]
    assert len(state.seeds) == 1
    assert not state.is_half
    network = ModelState(build_network("simple_cnn", SHAPE, 3), SHAPE)
    assert len(network.statistics) == 6


@pytest.mark.integration
def test_clean_and_attacked_images_meet_the_same_dropout():
    """With a radius of 0 their maps and probabilities are the same, so TRADES has no second term."""
    model = normalised(dropout=0.5)
    data = pictures(8)
    schedule = usual_schedule(8, 0.0, epochs=1, batch_size=8)
    losses = []
    for weight in (0.0, 100.0):
        model = normalised(dropout=0.5)
        losses.append(train(model, "trades", data, schedule, penalty_weight=weight)[0]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.integration
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(tmp_path):
    """Bitwise, with dropout, batch normalisation, augmentation by layers and an optimizer with its own schedule of rates."""
    data = pictures(40)
    schedule = usual_schedule(40, 0.05, epochs=3, batch_size=8, attack_steps=2)

    def run(folder, stop_after=None):
        model = normalised(dropout=0.4)
        flips = keras.Sequential([L.RandomFlip("horizontal"), L.RandomTranslation(0.1, 0.1)])
        optimizer = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.05, 15), momentum=0.9)

        def report(progress):
            if progress.step == stop_after:
                raise KeyboardInterrupt

        checkpointing = Checkpointing(folder=CheckpointFolder(folder), every_steps=4)
        train(
            model, "int", data, schedule, augment=flips, optimizer=optimizer, checkpointing=checkpointing, report=report
        )
        return model.get_weights()

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", stop_after=9)
    resumed, whole = run(tmp_path / "cut"), run(tmp_path / "whole")
    for one, other in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.integration
def test_half_precision_is_trained_with_a_scaled_loss():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential(
            [
                keras.Input(SHAPE),
                L.Conv2D(6, 3, activation="relu"),
                L.GlobalAveragePooling2D(),
                L.Dense(3),
                L.Activation("linear", dtype="float32"),
            ]
        )
    finally:
        keras.config.set_dtype_policy(before)
    assert ModelState(model, SHAPE).is_half
    weights = model.get_weights()
    history = train(model, "adv", pictures(), usual_schedule(24, 0.02, epochs=4, batch_size=8, attack_steps=2))
    assert history[-1]["loss"] < history[0]["loss"]
    assert any(np.abs(now - then).max() > 1e-3 for now, then in zip(model.get_weights(), weights, strict=True))
    robust = RobustModel(model, "adv", ATTACKED)
    robust.compile(keras.optimizers.Adam())
    assert isinstance(robust.optimizer, keras.optimizers.LossScaleOptimizer)
    robust.fit(np.asarray(pictures().images[:]), pictures().labels, batch_size=8, verbose=0)


@pytest.mark.slow
def test_what_is_trained_is_saved_as_a_plain_keras_model(tmp_path):
    data, model = pictures(48), rescaling()
    adapted = adapt(model, scale="0..255")
    train(adapted, "adv", data, usual_schedule(48, 0.05, epochs=40, batch_size=8, attack_steps=4))
    images, labels = np.asarray(data.images[:]), data.labels
    attacked = ProjectedGradientDescent(epsilon=0.05, step_size=0.015, steps=10)(adapted, images, labels)
    assert accuracy(adapted, attacked, labels) > 0.9
    model.save(tmp_path / "mine.keras")
    np.savez(tmp_path / "attacked.npz", images=255 * attacked, labels=labels)
    code = (
        "import sys, keras, numpy as np; found = np.load('attacked.npz'); model = keras.models.load_model('mine.keras');"
        "print(np.mean(model.predict(found['images'], verbose=0).argmax(-1) == found['labels'])); assert 'interp' not in sys.modules"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, env=_environment()
    )
    assert float(said.stdout.split()[-1]) == pytest.approx(accuracy(adapted, attacked, labels), abs=1e-6)


def _environment():
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": ""}


def test_a_schedule_follows_from_the_number_of_images_and_the_radius():
    few, many = usual_schedule(1000, 0.1), usual_schedule(100_000, 8 / 255)
    assert (few.batch_size, few.epochs, many.batch_size, many.epochs) == (32, 60, 128, 10)
    steps = 60 * (1000 // 32)
    assert few.ramp == (0, round(0.3 * steps))
    assert few.learning_rates == ((0, 1e-3), (round(0.6 * steps), 1e-4))
    assert few.attack_step_size == pytest.approx(0.025)
    assert usual_schedule(5, 0.1).batch_size == 5
    with pytest.raises(InputError, match="images"):
        usual_schedule(0, 0.1)


@pytest.mark.integration
def test_what_cannot_be_trained_is_told_in_one_line():
    data, model = pictures(), normalised()
    for layer in model.layers:
        layer.trainable = False
    told = {
        "no weights to train": lambda: train(model, "adv", data, ATTACKED),
        "scales its images itself": lambda: train(rescaling(), "adv", data, ATTACKED),
        "gives 4 logits": lambda: train(
            keras.Sequential([keras.Input(SHAPE), L.Flatten(), L.Dense(4)]), "adv", data, ATTACKED
        ),
        "class_weights name the class 7": lambda: train(normalised(), "adv", data, ATTACKED, class_weights={7: 1.0}),
        "augment came as str": lambda: train(normalised(), "adv", data, ATTACKED, augment="flip"),
        "augment made images": lambda: train(normalised(), "adv", data, ATTACKED, augment=L.CenterCrop(6, 6)),
        "unknown batch_statistics": lambda: train(normalised(), "adv", data, ATTACKED, batch_statistics="all"),
        "the optimizer came as str": lambda: train(normalised(), "adv", data, ATTACKED, optimizer="adam"),
    }
    for said, action in told.items():
        with pytest.raises(InputError, match=said) as caught:
            action()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("make", [normalised, lambda: build_network("small", SHAPE, 3)])
def test_inner_attacks_stay_in_their_ball_and_reach_its_surface(make, norm):
    model, data = make(), pictures(8)
    images, labels = tf.constant(np.asarray(data.images[:])), tf.constant(data.labels)
    schedule = usual_schedule(8, 0.2, epochs=1, norm=norm)

    @tf.function(autograph=False)
    def search():
        epsilon = tf.constant(schedule.epsilon, tf.float32)
        batch = draw_batch(images, labels, epsilon, tf.constant([1, 2], tf.int64), norm)
        return attack_batch(model, OBJECTIVES["adv"], batch, epsilon, schedule, 0.0)

    moved = search().numpy() - images.numpy()
    sizes = np.abs(moved).max((1, 2, 3)) if norm == "linf" else np.sqrt((moved**2).sum((1, 2, 3)))
    assert (sizes < 0.2 + 1e-5).all()
    assert (sizes > 0.19).all()


@pytest.mark.integration
def test_training_in_an_l2_ball():
    model = normalised()
    history = train(
        model, "adv", pictures(), usual_schedule(24, 0.5, epochs=12, batch_size=8, attack_steps=3, norm="l2")
    )
    assert history[-1]["robust_accuracy"] > history[0]["robust_accuracy"]


@pytest.mark.integration
def test_activity_losses_count_with_fixed_statistics():
    """A layer with such a loss is called as it is, however often it was called before."""
    keras.utils.set_random_seed(1)
    layers = [L.Conv2D(4, 3, activity_regularizer="l2"), L.BatchNormalization(), L.ReLU(), L.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input(SHAPE), *layers, L.Dense(3)])
    data = pictures()
    logits = model(data.images, training=False)
    own = keras.losses.sparse_categorical_crossentropy(data.labels, logits, from_logits=True).numpy().mean()
    expected = own + float(sum(model.losses))
    still = plain_schedule(epochs=1, batch_size=24, learning_rate=1e-12)
    for statistics in ("fixed", "each", "fixed"):
        told = train(model, "normal", data, still, batch_statistics=statistics)
        if statistics == "fixed":
            assert told[-1]["loss"] == pytest.approx(expected, rel=1e-4)

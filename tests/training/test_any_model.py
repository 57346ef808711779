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
from interp.models import adapt, build_network
from interp.training import OBJECTIVES, RobustModel, plain_schedule, train, usual_schedule, with_explanation
from interp.training.batches import draw_batch
from interp.training.inner_attack import attack_batch
from interp.training.model_state import ModelState
from tests.training.models_of_users import ATTACKED, SHAPE, L, nested, normalised, pictures, rescaling

PLAIN = plain_schedule(epochs=2, batch_size=8, learning_rate=0.05)
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

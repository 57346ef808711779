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
from interp.attributions import CAM, VanillaGradient
from interp.data import from_arrays
from interp.models import adapt, build_network, prepare
from interp.training import (
    OBJECTIVES,
    CheckpointFolder,
    Checkpointing,
    Keeping,
    RobustModel,
    TrainingDiverged,
    plain_schedule,
    train,
    usual_schedule,
    with_explanation,
)
from interp.training.batches import draw_batch
from interp.training.inner_attack import attack_batch
from interp.training.model_state import ModelState
from interp.training.views import View
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


class Own(keras.Model):
    """A class of a user's, which says neither what it takes nor what it gives."""

    def __init__(self):
        super().__init__()
        self.maps, self.head = L.Conv2D(4, 3, activation="relu"), L.Dense(3)

    def call(self, images):
        return self.head(keras.ops.mean(self.maps(images), (1, 2)))


def test_maps_of_all_classes_of_a_model_of_a_class_of_its_own():
    """It was asked for its `output_shape`, which Keras does not know."""
    model, images = Own(), tf.constant(pictures(2).images[:])
    model(images)

    @tf.function(autograph=False)
    def maps(images):
        forward = prepare(model, rearrange=True)
        return View(forward, forward.enter(images), explanation=VanillaGradient()).maps

    found = maps(images)
    for label in range(3):
        expected = VanillaGradient(model, softplus=20.0)(images, np.full(2, label))
        np.testing.assert_allclose(found[:, 0, :, label], np.reshape(expected, (2, -1)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [Own, lambda: keras.Sequential([L.Flatten(), L.Dense(3)])])
def test_a_model_that_knows_no_shape_is_trained_by_keras_once_it_is_adapted(make):
    model = make()
    with pytest.raises(InputError, match=r"adapt\(model, scale='0..1', images=a few of them, labels=theirs\)"):
        RobustModel(model, "adv", ATTACKED)
    images, labels = np.asarray(pictures().images[:8]), pictures().labels[:8]
    robust = RobustModel(adapt(model, scale="0..1", images=images, labels=labels), "adv", ATTACKED)
    before = model.get_weights()
    robust.compile("sgd")
    robust.fit(images, labels, verbose=0)
    assert all((one != other).any() for one, other in zip(model.get_weights(), before, strict=True))


def test_a_model_of_bfloat16_goes_on_from_its_checkpoints(tmp_path):
    """They could not be read back, were taken for damaged, and all began anew."""
    found = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [keras.Input(SHAPE), L.GlobalAveragePooling2D(dtype="bfloat16"), L.Dense(3, dtype="bfloat16")]
        )
        checkpointing = Checkpointing(folder=CheckpointFolder(tmp_path), warn=pytest.fail)
        keeping = Keeping(keep="best", average=0.5)
        history = train(
            model, "normal", pictures(), PLAIN, validation=pictures(), keeping=keeping, checkpointing=checkpointing
        )
        found.append((history, [np.asarray(each, np.float32).tolist() for each in model.get_weights()]))
    # The second run makes no step, and its seconds are those of the first.
    assert found[0] == found[1]


def test_validation_images_of_other_classes_are_refused():
    """Networks were measured, and the best of them chosen, on labels that meant another class."""
    data, images = pictures(), np.asarray(pictures().images[:])
    named = from_arrays(images, data.labels, class_names=("red", "green", "blue"), split="train")
    for of, wrong, told in (
        (data, from_arrays(images, data.labels % 2), "have 3 and 2 classes"),
        (data, from_arrays(images, data.labels, class_names=list("abcd")), "have 3 and 4 classes"),
        (
            named,
            from_arrays(images, data.labels, class_names=["blue", "green", "red"]),
            "have the class red as 0 and as 2",
        ),
    ):
        with pytest.raises(InputError, match=told):
            train(normalised(), "normal", of, PLAIN, validation=wrong)
    [_, measures] = train(normalised(), "normal", named, PLAIN, validation=data)
    assert "validation_accuracy" in measures


def test_validation_images_of_other_sides_are_refused_before_the_first_epoch():
    data, steps = pictures(), []
    small = from_arrays(np.asarray(data.images[:, :8, :8]), data.labels)
    flat = keras.Sequential([keras.Input(SHAPE), L.Flatten(), L.Dense(3)])
    for model in (flat, build_network("small", SHAPE, 3)):
        with pytest.raises(InputError, match=r"^images of validation are \(8, 8, 3\), those of training \(12, 12, 3\)"):
            train(model, "normal", data, PLAIN, validation=small, report=steps.append)
    assert not steps
    anything = keras.Sequential([keras.Input((None, None, 3)), L.GlobalAveragePooling2D(), L.Dense(3)])
    [_, measures] = train(anything, "normal", data, PLAIN, validation=small)
    assert "validation_accuracy" in measures


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


class NoGradient(L.Layer):
    """Gives what it takes, with a gradient that is not a number."""

    def call(self, inputs):
        return inputs + keras.ops.sqrt(inputs - inputs)


@pytest.mark.integration
@pytest.mark.parametrize("way", ["train", "RobustModel"])
def test_gradients_that_are_never_finite_are_told_in_half_precision_too(way):
    """All steps were left out, as those are whose scaled loss overflows, and the weights were those of the start."""
    layers = [L.Conv2D(2, 3, dtype="mixed_float16"), NoGradient(dtype="mixed_float16"), L.GlobalAveragePooling2D()]
    model, data = keras.Sequential([keras.Input(SHAPE), *layers, L.Dense(3)]), pictures()
    robust = RobustModel(model, "normal", PLAIN)
    robust.compile("sgd")
    run = {
        "train": lambda: train(model, "normal", data, plain_schedule(epochs=12, batch_size=8, learning_rate=0.05)),
        "RobustModel": lambda: robust.fit(np.asarray(data.images[:]), data.labels, batch_size=8, epochs=12, verbose=0),
    }
    with pytest.raises(TrainingDiverged, match="a gradient was not finite"):
        run[way]()


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

"""A training objective under `model.fit`: the same loss as the project's own step, and Keras's callbacks work."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import interp
from interp.core.errors import InputError
from interp.models import build_network
from interp.training import OBJECTIVES, Objective, RobustModel, Schedule, TrainingDiverged, train
from tests.training.small_robust_model import SCHEDULE, make


def fit(model, digits, epochs=2, **options):
    if not model.compiled:
        model.compile(keras.optimizers.Adam(5e-3))
    train = digits["train"]
    return model.fit(train.images, train.labels, batch_size=50, epochs=epochs, shuffle=False, verbose=0, **options)


@pytest.mark.integration
def test_it_does_what_the_projects_own_loop_does(digits):
    """The loop shuffles, so both get one batch of all images, and the same seed (99, step) of the random start."""
    schedule = Schedule(**{**vars(SCHEDULE), "batch_size": 100, "ramp": (0, 0)})
    network = build_network("small", (28, 28, 1), 10, seed=3)
    history = train(network, "intadv", digits["train"], schedule, seed=99)
    model = RobustModel(build_network("small", (28, 28, 1), 10, seed=3), "intadv", schedule)
    model.compile(keras.optimizers.Adam(1e-3))
    losses = []
    for epoch in range(2):
        rows = np.random.RandomState(99 + epoch).permutation(100)
        images, labels = digits["train"].images[rows], digits["train"].labels[rows]
        found = model.fit(images, labels, batch_size=100, shuffle=False, verbose=0)
        losses += found.history["loss"]
    np.testing.assert_allclose(losses, [measures["loss"] for measures in history], rtol=1e-4)
    for one, other in zip(network.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)


@pytest.mark.integration
@pytest.mark.parametrize("objective", ["normal", "int", "igsum"])
def test_history_holds_what_was_measured(digits, objective):
    history = fit(make(objective), digits, validation_data=(digits["validation"].images, digits["validation"].labels))
    names = {"loss", "accuracy", *(["robust_accuracy"] if OBJECTIVES[objective].attack else [])}
    assert set(history.history) == {*names, *(f"val_{name}" for name in names)}
    assert np.isfinite(history.history["loss"]).all()
    # With a growing radius a loss may grow too.
    assert objective != "normal" or history.history["loss"][1] < history.history["loss"][0]
    assert 0 < history.history["accuracy"][-1] <= 1


@pytest.mark.integration
def test_the_radius_follows_the_ramp(digits):
    """At radius 0 the robust accuracy is the clean one, and the first two steps, of batches of 50, have radius 0."""
    schedule = Schedule(**{**vars(SCHEDULE), "epsilon": 0.5, "attack_step_size": 0.3})
    model = RobustModel(build_network("small", (28, 28, 1), 10, seed=3), "adv", schedule)
    first = fit(model, digits, epochs=1).history
    assert first["accuracy"] == first["robust_accuracy"]
    later = fit(model, digits, epochs=3).history
    assert later["robust_accuracy"][-1] < later["accuracy"][-1]


@pytest.mark.integration
def test_callbacks_of_keras_work(digits, tmp_path):
    model = make("adv")
    validation = digits["validation"].images, digits["validation"].labels
    callbacks = [
        keras.callbacks.ModelCheckpoint(
            tmp_path / "best.keras", monitor="val_robust_accuracy", save_best_only=True, mode="max"
        ),
        keras.callbacks.ModelCheckpoint(tmp_path / "last.weights.h5", save_weights_only=True),
        keras.callbacks.TensorBoard(tmp_path / "logs"),
        keras.callbacks.EarlyStopping(monitor="val_loss", min_delta=100.0, patience=1),
    ]
    history = fit(model, digits, epochs=9, validation_data=validation, callbacks=callbacks)
    # Nothing gets better by 100, so the second epoch is the last.
    assert len(history.history["loss"]) == 2
    images = digits["train"].images[:8]
    kept = keras.models.load_model(tmp_path / "best.keras")
    assert isinstance(kept, RobustModel)
    assert kept.schedule == SCHEDULE
    anew = make("adv")
    anew.load_weights(tmp_path / "last.weights.h5")
    np.testing.assert_allclose(anew.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-5)
    scalars = [path.read_bytes() for path in (tmp_path / "logs").rglob("events.out.tfevents*")]
    assert any(b"epoch_robust_accuracy" in content for content in scalars)


@pytest.mark.integration
def test_it_survives_a_round_trip(digits, tmp_path):
    model = make("int", penalty_weight=0.02)
    fit(model, digits, epochs=1)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    images = digits["train"].images[:8]
    np.testing.assert_allclose(again.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-6)
    assert (again.penalty_weight, again.objective.tag) == (0.02, "int")


@pytest.mark.integration
def test_a_file_of_it_is_loaded_as_its_network(digits, tmp_path):
    """ModelCheckpoint keeps the whole; another process that loads the file may not have imported interp.training."""
    model = make("adv")
    model.save(tmp_path / "best.keras")
    source = str(Path(interp.__file__).parents[1])
    loads = "import interp; model = interp.load_model('best.keras'); print(type(model).__name__, model.architecture)"
    done = subprocess.run(
        [sys.executable, "-c", loads],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["Network", "small"], done.stderr[-500:]
    images = digits["train"].images[:8]
    loaded = interp.load_model(tmp_path / "best.keras")
    np.testing.assert_allclose(loaded(images), model.network(images), atol=1e-6)
    with pytest.raises(InputError, match=r"give the \.network that it holds"):
        interp.attributions.GradCAM(model)(images, digits["train"].labels[:8])


def test_losses_of_layers_in_an_eager_step_are_told():
    images, labels = np.random.default_rng(0).random((4, 8, 8, 3), np.float32), np.arange(4) % 2
    layers = [keras.layers.Conv2D(4, 3, activity_regularizer="l2"), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = RobustModel(keras.Sequential([keras.Input((8, 8, 3)), *layers]), "adv", SCHEDULE)
    model.compile("sgd", run_eagerly=True)
    with pytest.raises(InputError, match="leave out run_eagerly"):
        model.fit(images, labels, verbose=0)
    model.compile("sgd")
    assert np.isfinite(model.fit(images, labels, verbose=0).history["loss"]).all()


@pytest.mark.integration
def test_layers_that_are_trained_after_all_keep_statistics_as_was_asked():
    """A backbone that is frozen when the model is made, and no longer when it is compiled anew."""
    images, labels = np.random.default_rng(0).random((20, 8, 8, 3), np.float32), np.arange(20) % 2
    kept = []
    for frozen in (False, True):
        keras.utils.set_random_seed(0)
        normal = keras.layers.BatchNormalization(trainable=not frozen)
        layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), normal, keras.layers.GlobalAveragePooling2D()]
        network = keras.Sequential([*layers, keras.layers.Dense(2)])
        model = RobustModel(network, "trades", SCHEDULE, batch_statistics="clean")
        normal.trainable = True
        model.compile(keras.optimizers.SGD(1e-2))
        model.fit(images, labels, batch_size=10, shuffle=False, verbose=0)
        kept.append(np.asarray(normal.moving_mean))
    np.testing.assert_allclose(*kept, atol=1e-7)
    assert np.abs(kept[0]).max() > 0


def test_what_it_cannot_train_is_told(digits):
    with pytest.raises(InputError, match="takes Keras models, got str"):
        RobustModel("mine.keras", "adv", SCHEDULE)
    with pytest.raises(InputError, match="did you mean 'int'"):
        make("imt")


@pytest.mark.integration
def test_a_loss_that_is_not_finite_changes_no_weight(digits):
    """Batch normalisation's statistics neither."""
    model = RobustModel(build_network("wresnet", (28, 28, 1), 10), "normal", SCHEDULE)
    model.compile("sgd")
    head = model.network.layers[-1].kernel
    head.assign(3e38 * tf.ones_like(head))
    before = model.get_weights()
    few = digits["train"].take(20)
    with pytest.raises(TrainingDiverged, match="no weight was changed"):
        model.fit(few.images, few.labels, batch_size=10, verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "mse"},
        {"metrics": ["accuracy"]},
        {"loss": "mse", "loss_weights": [2.0]},
        {"weighted_metrics": ["accuracy"]},
        {"optimizer": keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())},
        {"optimizer": None},
    ],
)
def test_what_compile_would_ignore_is_refused(options):
    with pytest.raises(InputError, match=r"would not use|expected a keras.Optimizer"):
        make("adv").compile(**{"optimizer": "adam", **options})
    with pytest.raises(InputError, match="loss, which"):
        make("adv").compile("adam", "mse")


@pytest.mark.slow
def test_a_global_policy_and_a_scaled_loss_change_nothing(digits):
    """A half precision policy would have the optimiser divide gradients by a scale that the loss never had."""
    few = digits["train"].take(40)
    plain, scaled = make("adv"), make("adv")
    plain.compile(keras.optimizers.SGD(0.1))
    scaled.compile(keras.optimizers.SGD(0.1, loss_scale_factor=1024.0))
    network = build_network("small", (28, 28, 1), 10, seed=3)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        under_policy = RobustModel(network, "adv", SCHEDULE)
        under_policy.compile(keras.optimizers.SGD(0.1))
    finally:
        keras.config.set_dtype_policy("float32")
    for model in (plain, scaled, under_policy):
        model.fit(few.images, few.labels, batch_size=20, shuffle=False, verbose=0)
    for model in (scaled, under_policy):
        for one, other in zip(plain.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.integration
def test_a_loaded_model_goes_on_where_it_was(digits, tmp_path):
    model = make("adv")
    model.compile("adam")
    few = digits["train"].take(40)
    model.fit(few.images, few.labels, batch_size=20, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert int(again.optimizer.iterations) == 2
    for each in (model, again):
        each.fit(few.images, few.labels, batch_size=20, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": Objective}, "objective came as the class Objective, expected an instance"),
        ({"objective": None}, "objective came as NoneType"),
        ({"schedule": Schedule}, "schedule came as the class Schedule"),
        ({"schedule": {"epochs": 2}}, "schedule came as dict"),
        ({"network": keras.Model}, "got the class Model"),
        ({"seed": "a"}, "seed came as a"),
        ({"penalty_weight": "a"}, "penalty weight"),
    ],
)
def test_objects_of_another_kind_are_told(change, message):
    arguments = {"network": build_network("small", (28, 28, 1), 10), "objective": "int", "schedule": SCHEDULE, **change}
    with pytest.raises(InputError, match=message):
        RobustModel(**arguments)


def test_the_norm_of_the_inner_attack_is_kept():
    schedule = Schedule(**{**vars(SCHEDULE), "norm": "l2", "epsilon": 1.5})
    model = RobustModel(build_network("small", (28, 28, 1), 10), "adv", schedule)
    kept = RobustModel.from_config(model.get_config()).schedule
    assert (kept.norm, kept) == ("l2", schedule)


def test_more_replicas_are_refused(monkeypatch):
    """Each would add its whole gradient to the others'."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    monkeypatch.setattr(type(strategy.extended), "_num_replicas_in_sync", 2)
    with strategy.scope(), pytest.raises(InputError, match="one replica"):
        make("adv")


@pytest.mark.parametrize(
    "change", [{"loss": OBJECTIVES["normal"].loss}, {"attack": None}, {"tag": "mine"}, {"near": True}]
)
def test_an_objective_that_a_file_cannot_hold_is_refused(change):
    with pytest.raises(InputError, match=r"save its network instead, model\.network\.save\('name\.keras'\)"):
        make(replace(OBJECTIVES["adv"], **change)).get_config()


@pytest.mark.integration
def test_losses_of_weights_count_in_validation_too(digits):
    images, labels = digits["train"].images[:50], digits["train"].labels[:50]
    network = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10, kernel_regularizer="l2")]
    )
    model = RobustModel(network, "normal", SCHEDULE)
    model.compile(keras.optimizers.SGD(0.0))
    told = model.fit(images, labels, batch_size=50, epochs=1, verbose=0, validation_data=(images, labels)).history
    own = float(keras.losses.sparse_categorical_crossentropy(labels, network(images), from_logits=True).numpy().mean())
    expected = own + 0.01 * float(np.square(network.layers[-1].kernel).sum())
    np.testing.assert_allclose([told["loss"][0], told["val_loss"][0]], [expected, expected], rtol=1e-5)


@pytest.mark.integration
def test_batches_are_counted_where_gradients_are_accumulated(digits):
    """Each draws for itself, and the ramp is as many batches long as without: at a rate of 0 all measures are those of single steps."""
    few = digits["train"].take(20)
    measured = []
    for steps in (None, 2):
        network = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
        network.layers[-1].kernel.assign(tf.random.stateless_normal((784, 10), (1, 2)))
        schedule = replace(SCHEDULE, ramp=(0, 4), attack_steps=1)
        model = RobustModel(network, "adv", schedule)
        model.compile(keras.optimizers.SGD(0.0, gradient_accumulation_steps=steps))
        # The same images in each batch, so that radius and draw alone make a difference.
        batches = [model.train_on_batch(few.images, few.labels, return_dict=True) for _ in range(4)]
        measured.append([each["loss"] for each in batches])
    assert len(set(measured[0])) == 4
    assert measured[1] == measured[0]

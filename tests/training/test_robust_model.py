"""A training objective under `model.fit`: the same loss as the project's own step, and Keras's callbacks work."""

import keras
import numpy as np
import pytest

from interp import data
from interp.core.errors import InputError
from interp.models import build_network
from interp.training import OBJECTIVES, RobustModel, Schedule, find_objective, train

SCHEDULE = Schedule(
    epochs=2,
    batch_size=50,
    learning_rates=((0, 1e-3),),
    epsilon=0.1,
    ramp=(1, 3),
    attack_steps=2,
    attack_step_size=0.05,
)


@pytest.fixture(scope="module")
def digits():
    return {split: data.load("digits", split).take(100) for split in ("train", "validation")}


def make(objective="int", **options):
    return RobustModel(build_network("small", (28, 28, 1), 10, seed=3), objective, SCHEDULE, **options)


def fit(model, digits, epochs=2, **options):
    if not model.compiled:
        model.compile(keras.optimizers.Adam(5e-3))
    train = digits["train"]
    return model.fit(train.images, train.labels, batch_size=50, epochs=epochs, shuffle=False, verbose=0, **options)


def test_it_does_what_the_projects_own_loop_does(digits):
    """The loop shuffles, so both get one batch of all images, and the same seed (99, step) of the random start."""
    schedule = Schedule(**{**vars(SCHEDULE), "batch_size": 100, "ramp": (0, 0)})
    network = build_network("small", (28, 28, 1), 10, seed=3)
    history = train(network, find_objective("intadv"), schedule, digits["train"], seed=99)
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


@pytest.mark.parametrize("objective", ["normal", "int", "igsum"])
def test_history_holds_what_was_measured(digits, objective):
    history = fit(make(objective), digits, validation_data=(digits["validation"].images, digits["validation"].labels))
    names = {"loss", "accuracy", *(["robust_accuracy"] if OBJECTIVES[objective].attack else [])}
    assert set(history.history) == {*names, *(f"val_{name}" for name in names)}
    assert np.isfinite(history.history["loss"]).all()
    # With a growing radius a loss may grow too.
    assert objective != "normal" or history.history["loss"][1] < history.history["loss"][0]
    assert 0 < history.history["accuracy"][-1] <= 1


def test_the_radius_follows_the_ramp(digits):
    """At radius 0 the robust accuracy is the clean one, and the first two steps, of batches of 50, have radius 0."""
    schedule = Schedule(**{**vars(SCHEDULE), "epsilon": 0.5, "attack_step_size": 0.3})
    model = RobustModel(build_network("small", (28, 28, 1), 10, seed=3), "adv", schedule)
    first = fit(model, digits, epochs=1).history
    assert first["accuracy"] == first["robust_accuracy"]
    later = fit(model, digits, epochs=3).history
    assert later["robust_accuracy"][-1] < later["accuracy"][-1]


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


def test_it_survives_a_round_trip(digits, tmp_path):
    model = make("int", penalty_weight=0.02)
    fit(model, digits, epochs=1)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    images = digits["train"].images[:8]
    np.testing.assert_allclose(again.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-6)
    assert (again.penalty_weight, again.objective.tag) == (0.02, "int")


def test_what_it_cannot_train_is_told(digits):
    with pytest.raises(InputError, match="takes this package's networks"):
        RobustModel(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), "adv", SCHEDULE)
    with pytest.raises(InputError, match="did you mean 'int'"):
        make("imt")
    model = make("adv")
    model.compile(keras.optimizers.Adam())
    with pytest.raises(InputError, match="without sample weights"):
        model.fit(digits["train"].images, digits["train"].labels, sample_weight=np.ones(100), verbose=0)

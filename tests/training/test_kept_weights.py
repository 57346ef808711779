"""Which weights a training keeps: of the last or the best epoch, averaged or not."""

import signal
from dataclasses import replace

import keras
import numpy as np
import pytest

from interp import data
from interp.attacks import ProjectedGradientDescent
from interp.core.errors import InputError
from interp.models import build_network
from interp.training import CheckpointFolder, Checkpointing, Keeping, Schedule, TrainingInterrupted, train
from interp.training.objectives import find_objective
from interp.training.signals import StopRequest
from interp.training.validation import validate, validation_attack

# The rate of the last epoch ruins the network.
SCHEDULE = Schedule(
    epochs=3,
    batch_size=50,
    learning_rates=((0, 5e-3), (16, 3.0)),
    epsilon=0.05,
    ramp=(0, 0),
    attack_steps=1,
    attack_step_size=0.05,
)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", "train").take(400), data.load("digits", "validation").take(100)


def small():
    return build_network("small", (28, 28, 1), 10, seed=1)


def history_of(*values, name="validation_robust_accuracy"):
    return [{"validation_accuracy": 1 - value, name: value} for value in values]


def test_the_first_best_epoch_is_kept_and_patience_counts_from_it():
    best, last = Keeping(keep="best", patience=2), Keeping()
    history = history_of(0.1, 0.5, 0.5, 0.4)
    assert best.kept_epoch(history) == 1
    assert last.kept_epoch(history) == 3
    assert [best.has_ended(history[:count]) for count in range(5)] == [False, False, False, False, True]
    assert not last.has_ended(history)
    # Before the radius of validation is reached in training, epochs keep no attacked image right, and say nothing.
    ramp = history_of(0.0, 0.0, 0.0, 0.0, 0.0)
    assert [best.has_ended(ramp[:count], growing=2) for count in range(6)] == [False, False, False, False, True, True]
    assert best.has_ended(ramp[:3])
    # Clean accuracy counts where nothing is attacked, and among epochs that keep as many attacked images.
    clean = [{"validation_accuracy": value, "validation_robust_accuracy": 0.0} for value in (0.5, 0.8, 0.9, 0.9, 0.7)]
    assert best.kept_epoch(clean) == 2
    assert not best.has_ended(clean[:4])
    assert best.has_ended(clean)
    assert best.kept_epoch(history_of(0.3, 0.9, 0.4, name="validation_accuracy")) == 1


@pytest.mark.integration
def test_the_weights_of_the_best_epoch_come_back(digits):
    images, validation = digits
    network = small()
    history = train(network, "adv", images, SCHEDULE, validation=validation, keeping=Keeping(keep="best"))
    assert len(history) == 3
    best = Keeping(keep="best").kept_epoch(history)
    assert best < 2
    found = validate(network, validation_attack(find_objective("adv"), SCHEDULE), validation)
    assert found == {name: history[best][name] for name in found}
    assert history[best]["validation_robust_accuracy"] > history[-1]["validation_robust_accuracy"]


def test_attacked_validation_images_are_of_all_classes_of_a_sorted_set():
    """A model that always says 0 is right on a tenth of them, and on the same ones in each epoch; of few images all are taken."""
    rows = np.argsort(data.load("digits", "train").labels, kind="stable")
    sorted_by_class = data.load("digits", "train").take(rows)
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.layers[-1].kernel.assign(np.zeros((784, 10)))
    model.layers[-1].bias.assign(5 * np.eye(10)[0] - 1)
    attack = ProjectedGradientDescent(epsilon=0.05, step_size=0.05, steps=1, random_start=True)
    found = [validate(model, attack, sorted_by_class, images=200)["validation_robust_accuracy"] for _ in range(2)]
    assert 0.05 < found[0] < 0.15
    assert found[0] == found[1]
    assert validate(model, attack, sorted_by_class.take(120), images=200)["validation_robust_accuracy"] == 1


@pytest.mark.integration
def test_patience_ends_the_training(digits):
    images, validation = digits
    longer = replace(SCHEDULE, epochs=8)
    history = train(small(), "adv", images, longer, validation=validation, keeping=Keeping(keep="best", patience=2))
    assert len(history) < 8
    assert Keeping(keep="best").kept_epoch(history) == len(history) - 3


@pytest.mark.integration
@pytest.mark.parametrize(("method", "epochs"), [("normal", 3), ("hessian", 3), ("lga", 6)])
def test_patience_waits_for_a_radius_that_the_method_looks_at_alone(digits, method, epochs):
    """The rate is so small that no epoch is better than the first one; the radius of the schedule grows in the first four."""
    images, validation = digits
    still = replace(SCHEDULE, epochs=7, learning_rates=((0, 1e-12),), ramp=(0, 4 * len(images) // SCHEDULE.batch_size))
    history = train(small(), method, images, still, validation=validation, keeping=Keeping(patience=2))
    assert len(history) == epochs


@pytest.mark.integration
@pytest.mark.parametrize("stop_at", [10, pytest.param(20, marks=pytest.mark.slow)])
def test_a_stopped_training_keeps_what_an_uninterrupted_one_keeps(digits, tmp_path, stop_at):
    images, validation = digits
    settings = {"validation": validation, "keeping": Keeping(keep="best", average=0.5)}
    undisturbed = small()
    history = train(undisturbed, "adv", images, SCHEDULE, **settings)
    checkpointing = Checkpointing(folder=CheckpointFolder(tmp_path / "checkpoints"), every_steps=7)
    stop = StopRequest()

    def report(progress):
        if progress.step == stop_at:
            stop.signal = signal.SIGTERM

    with pytest.raises(TrainingInterrupted):
        train(small(), "adv", images, SCHEDULE, checkpointing=checkpointing, stop=stop, report=report, **settings)
    resumed = small()
    again = train(resumed, "adv", images, SCHEDULE, checkpointing=checkpointing, **settings)
    for first, second in zip(undisturbed.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    for before, after in zip(history, again, strict=True):
        assert {**before, "seconds": 0} == {**after, "seconds": 0}


@pytest.mark.integration
def test_averages_are_those_of_the_steps(digits):
    images, _ = digits
    network, seen = small(), []
    schedule = replace(SCHEDULE, epochs=1)
    few = images.take(200)
    train(
        network,
        "adv",
        few,
        schedule,
        keeping=Keeping(average=0.75),
        report=lambda _: seen.append([weight.numpy().copy() for weight in network.trainable_variables]),
    )
    assert len(seen) == 4
    for place, weight in enumerate(network.trainable_variables):
        expected = seen[0][place]
        for step in seen[1:]:
            expected = 0.75 * expected + 0.25 * step[place]
        np.testing.assert_allclose(weight, expected, atol=1e-6)
        assert not np.allclose(weight, seen[-1][place], atol=1e-6)


@pytest.mark.integration
def test_an_optimizer_that_averages_is_measured_by_its_averages(digits):
    images, validation = digits
    settings = {"validation": validation, "keeping": Keeping(keep="best")}
    own = keras.optimizers.Adam(5e-3, use_ema=True, ema_momentum=0.5)
    first, second = small(), small()
    schedule = replace(SCHEDULE, epochs=2, learning_rates=((0, 5e-3),))
    train(first, "adv", images, schedule, optimizer=own, **settings)
    train(second, "adv", images, schedule, **{**settings, "keeping": Keeping(keep="best", average=0.5)})
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_what_makes_no_sense_is_refused(digits):
    images, _ = digits
    for keeping in (Keeping(keep="best"), Keeping(patience=2)):
        with pytest.raises(InputError, match="none came: give validation, or leave keep and patience out"):
            train(small(), "adv", images, SCHEDULE, keeping=keeping)
    with pytest.raises(InputError, match="did you mean 'best'"):
        Keeping(keep="bst")
    with pytest.raises(InputError, match="average came as 1, expected a decay below 1"):
        Keeping(average=1.0)
    with pytest.raises(InputError, match="average is for the usual optimizer: give yours use_ema=True"):
        train(small(), "adv", images, SCHEDULE, keeping=Keeping(average=0.9), optimizer=keras.optimizers.Adam())
    with pytest.raises(InputError, match="keeping came as"):
        train(small(), "adv", images, SCHEDULE, keeping="best")

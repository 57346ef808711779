"""The callback that measures under attack: figures by hand, what other callbacks see, best weights, and one compilation."""

import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

import interp
from interp import data
from interp.core.errors import InputError
from interp.training import RobustModel, Schedule

# Of the classes x < 0.5 and x > 0.5; two of the four lie further than 0.1 from where they meet.
IMAGES = np.float32([0.3, 0.45, 0.58, 0.9]).reshape(4, 1, 1, 1)
LABELS = np.array([0, 0, 1, 1])
FIGURES = {"val_clean_accuracy": 1.0, "val_pgd_accuracy": 0.5}


@keras.saving.register_keras_serializable(package="tests")
class CountsTraces(keras.layers.Layer):
    """Passes images on, and counts how often it was traced into a graph."""

    traces = 0

    def call(self, inputs):
        if not tf.executing_eagerly():
            CountsTraces.traces += 1
        return inputs


def toy(rate=0.0, scale=1.0):
    model = keras.Sequential(
        [
            keras.Input((1, 1, 1)),
            keras.layers.Rescaling(scale),
            CountsTraces(),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    model.layers[-1].set_weights([np.float32([[0.0, 10.0]]), np.float32([0.0, -5.0])])
    model.compile(
        keras.optimizers.SGD(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=False
    )
    return model


class Seen(keras.callbacks.Callback):
    """What a callback of another library reads, and the weights it could have kept."""

    def __init__(self):
        super().__init__()
        self.logs, self.weights = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))
        self.weights.append(self.model.get_weights())


def fit(model, *callbacks, epochs=2, labels=LABELS):
    return model.fit(IMAGES, labels, epochs=epochs, verbose=0, shuffle=False, callbacks=[*callbacks])


@pytest.mark.integration
def test_every_callback_after_it_sees_the_figures(tmp_path):
    seen = Seen()
    others = [
        seen,
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.ModelCheckpoint(
            tmp_path / "best.keras", monitor="val_pgd_accuracy", mode="max", save_best_only=True
        ),
        keras.callbacks.EarlyStopping(monitor="val_pgd_accuracy", mode="max", patience=1),
        keras.callbacks.TensorBoard(tmp_path / "events"),
    ]
    history = fit(toy(), interp.RobustValidation(IMAGES, LABELS, 0.1), *others, epochs=9).history
    # The first epoch is the best one, and one more is waited for.
    assert {name: values for name, values in history.items() if name in FIGURES} == {
        name: [value] * 2 for name, value in FIGURES.items()
    }
    assert FIGURES.items() <= seen.logs[0].items()
    with open(tmp_path / "log.csv") as file:
        assert [float(row["val_pgd_accuracy"]) for row in csv.DictReader(file)] == [0.5, 0.5]
    assert (tmp_path / "best.keras").is_file()
    events = b"".join(path.read_bytes() for path in (tmp_path / "events").rglob("events.out*"))
    assert b"epoch_pgd_accuracy" in events


@pytest.mark.integration
def test_it_measures_the_first_each_third_and_the_last_epoch():
    seen, robust = Seen(), interp.RobustValidation(IMAGES, LABELS, 0.1, every=3)
    history = fit(toy(), robust, seen, epochs=6).history
    # Epochs 0, 3 and 5; the others repeat the figures.
    assert robust.history == [FIGURES] * 3
    assert history["val_pgd_accuracy"] == [0.5] * 6
    # Of a training that goes on with epoch 2, that one and 5.
    toy().fit(IMAGES, LABELS, initial_epoch=2, epochs=6, verbose=0, callbacks=[robust])
    assert robust.history == [FIGURES] * 2


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["quick", "strong"])
def test_the_strong_protocol_finds_as_much_on_a_linear_model(protocol):
    history = fit(toy(), interp.RobustValidation(IMAGES, LABELS, 0.1, protocol=protocol), epochs=1).history
    assert history[f"val_{protocol}_accuracy"] == [0.5]


@pytest.mark.integration
def test_the_attack_is_compiled_once():
    robust, counts = interp.RobustValidation(IMAGES, LABELS, 0.1), []
    after = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: counts.append(CountsTraces.traces))
    fit(toy(), robust, after, epochs=4)
    assert counts[0] > 0
    assert len(set(counts)) == 1


@pytest.mark.integration
def test_the_best_weights_are_put_back():
    """Trained on wrong labels, the model gets worse from epoch to epoch."""
    seen, model = Seen(), toy(rate=2.0)
    robust = interp.RobustValidation(IMAGES, LABELS, 0.01, keep_best=True)
    fit(model, robust, seen, epochs=4, labels=1 - LABELS)
    accuracies = [figures["val_pgd_accuracy"] for figures in robust.history]
    best = int(np.argmax(accuracies))
    assert accuracies[best] > accuracies[-1]
    for one, other in zip(model.get_weights(), seen.weights[best], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.integration
def test_a_model_of_another_scale_is_measured_through_its_adapter():
    model = toy(scale=1 / 255)
    adapted = interp.models.adapt(model, scale="0..255")
    robust = interp.RobustValidation(IMAGES, LABELS, 0.1, network=adapted)
    model.fit(255 * IMAGES, LABELS, epochs=1, verbose=0, callbacks=[robust])
    assert robust.history == [FIGURES]


def test_a_model_of_another_scale_without_its_adapter_is_told_how_to_give_it():
    with pytest.raises(InputError, match=r"network=interp\.models\.adapt\(model, scale='0\.\.255'\)"):
        fit(toy(scale=1 / 255), interp.RobustValidation(IMAGES, LABELS, 0.1))


@pytest.mark.slow
def test_a_robust_model_is_measured_with_its_maps(tmp_path):
    images = data.load("digits", "validation").take(20)
    network = interp.build_network("small", (28, 28, 1), 10, seed=3)
    schedule = Schedule(
        epochs=1,
        batch_size=20,
        learning_rates=((0, 1e-2),),
        epsilon=0.1,
        ramp=(0, 0),
        attack_steps=1,
        attack_step_size=0.1,
    )
    model = RobustModel(network, "adv", schedule)
    model.compile(keras.optimizers.Adam(1e-2))
    robust = interp.RobustValidation(images.images, images.labels, 0.05, explanation="cam", log_dir=tmp_path)
    history = model.fit(images.images, images.labels, epochs=6, batch_size=20, verbose=0, callbacks=[robust]).history
    right = interp.attacks.accuracy(network, images.images, images.labels)
    assert history["val_clean_accuracy"][-1] == right > 0
    assert history["val_pgd_accuracy"][-1] <= right
    assert -1 <= history["val_pgd_tau"][-1] < 1
    events = [
        event for path in (tmp_path / "maps").iterdir() for event in tf.compat.v1.train.summary_iterator(str(path))
    ]
    pictures = [value for event in events for value in event.summary.value if value.tensor.string_val]
    assert pictures
    width, height = (int(text) for text in pictures[0].tensor.string_val[:2])
    assert width > 4 * 100
    assert height > 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epsilon": 8}, "expected at most 1"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"protocol": "stong"}, "did you mean 'strong'"),
        ({"every": 0}, "every"),
        ({"explanation": "grad_cm"}, "grad_cam"),
        ({"log_dir": "logs"}, "without an explanation"),
        ({"network": "mine.keras"}, "network came as"),
        ({"labels": LABELS[:3]}, "labels"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        interp.RobustValidation(**{"images": IMAGES, "labels": LABELS, "epsilon": 0.1, **arguments})


def test_a_model_of_other_images_is_refused_before_the_training():
    with pytest.raises(InputError, match="does not run on images of shape"):
        fit(toy(), interp.RobustValidation(np.zeros((4, 2, 2, 1), np.float32), LABELS, 0.1))


def test_labels_without_a_class_are_told_before_an_epoch():
    model = toy(rate=1.0)
    before = model.get_weights()
    with pytest.raises(InputError, match="the network has classes 0 to 1"):
        model.fit(IMAGES, LABELS, verbose=0, callbacks=[interp.RobustValidation(IMAGES, LABELS + 1, 0.1)])
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)

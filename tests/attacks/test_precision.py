"""Attacks that search in bfloat16 find what those in float32 find, and what they found is judged in float32."""

import dataclasses

import keras
import numpy as np
import pytest

from interp import data
from interp.attacks import ProjectedGradientDescent, accuracy, correct, faster_precision
from interp.core.errors import InputError
from interp.evaluation import sample_images
from interp.models import build_network, load_model

PGD = ProjectedGradientDescent(epsilon=0.3, step_size=0.01, steps=40)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["adv", "int"])
@pytest.mark.parametrize("iterate", ["last", "first", "worst"])
def test_robust_accuracy_does_not_change(method, iterate, reference_dir, data_dir):
    network = load_model(reference_dir / "networks" / f"mnist_smallgap_{method}_100.pkl")
    sample, _ = sample_images(data.load("mnist", "test", data_dir=data_dir), 200)
    images, labels = np.asarray(sample.images), sample.labels
    found = [
        accuracy(
            network, dataclasses.replace(PGD, precision=precision, iterate=iterate)(network, images, labels), labels
        )
        for precision in ("float32", "bfloat16")
    ]
    assert found[1] == pytest.approx(found[0], abs=0.011)


@pytest.mark.integration
def test_what_bfloat16_calls_broken_is_broken():
    """An attack that stops at the first success does not stop at a success of rounding."""
    network = build_network("small", (28, 28, 1), 10)
    images = np.random.RandomState(0).rand(20, 28, 28, 1).astype(np.float32)
    labels = network(images).numpy().argmax(1)
    attack = ProjectedGradientDescent(epsilon=0.1, step_size=0.002, steps=60, iterate="first", precision="bfloat16")
    longer = dataclasses.replace(attack, iterate="last", precision="float32")
    assert (
        correct(network, attack(network, images, labels), labels).sum()
        <= correct(network, longer(network, images, labels), labels).sum() + 1
    )


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [({"float32": 1.0, "bfloat16": 0.5}, "bfloat16"), ({"float32": 1.0, "bfloat16": 0.95}, "float32")],
)
def test_the_faster_precision_must_be_clearly_faster(seconds, expected, monkeypatch):
    network = build_network("small", (28, 28, 1), 10)
    clock = {"now": 0.0}
    monkeypatch.setattr("time.perf_counter", lambda: clock["now"])
    plain = ProjectedGradientDescent.__call__

    def timed(attack, *arguments, **named):
        clock["now"] += seconds[attack.precision]
        return plain(attack, *arguments, **named)

    monkeypatch.setattr(ProjectedGradientDescent, "__call__", timed)
    images = np.zeros((2, 28, 28, 1), np.float32)
    assert faster_precision(PGD, network, images, np.array([0, 1])) == expected


def test_other_models_keep_their_own_precision():
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(5)])
    assert faster_precision(PGD, model, np.zeros((2, 28, 28, 1), np.float32), np.array([0, 1])) == "float32"
    with pytest.raises(InputError, match="unknown precision"):
        ProjectedGradientDescent(epsilon=0.3, step_size=0.01, precision="float16")

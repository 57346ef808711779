"""On a GPU attacks, maps and training steps give what they give on the CPU."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import interp
from interp import data
from interp.core.quiet_import import import_tensorflow
from interp.core.streams import count_streams
from interp.models import build_network
from interp.training import find_objective, plain_schedule, train

COUNT = len(tf.config.list_physical_devices("GPU"))
HERE = Path(__file__).parent
HIDDEN = {"CUDA_VISIBLE_DEVICES": "-1"}
pytestmark = [pytest.mark.integration, pytest.mark.skipif(not COUNT, reason="needs a GPU")]


def run(script, *words, hidden):
    """The arrays that a script wrote in a process of its own, which sees the GPUs or none, and what it printed."""
    environment = {**os.environ, **(HIDDEN if hidden else {})}
    command = [sys.executable, str(HERE / script), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=HERE.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def compare(here, there):
    """Assert that two devices agree: logits and maps to rounding, decisions on all but one image in a hundred."""
    assert here.keys() == there.keys()
    labels = here["labels"]
    for name in set(here) - {"labels"}:
        one, other = here[name], there[name]
        if name.startswith("logits after"):
            right = [(logits.argmax(-1) == labels).sum() for logits in (one, other)]
            assert abs(right[0] - right[1]) <= (2 if "bfloat16" in name else 1), name
        else:
            np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(one).max(), err_msg=name)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    made = build_network("small", (28, 28, 1), 10)
    schedule = plain_schedule(epochs=3, batch_size=50, learning_rate=1e-3)
    train(made, find_objective("normal"), data.load("digits", "train").take(1000), schedule)
    return interp.save_model(made, tmp_path_factory.mktemp("networks") / "mine.safetensors", {})


def test_attacks_and_maps_are_those_of_the_cpu(network, tmp_path):
    found = []
    for hidden, count in ((True, 0), (False, COUNT)):
        target = tmp_path / f"{count}.npz"
        assert f"{count} GPUs" in run("device_run.py", network, target, hidden=hidden)
        with np.load(target) as arrays:
            found.append(dict(arrays))
    compare(*found)


@pytest.mark.parametrize(("kind", "replicas"), [("none", 1), ("mirrored", COUNT)])
@pytest.mark.parametrize("architecture", ["smooth", "simple_cnn"])
def test_twenty_steps_are_those_of_the_cpu(tmp_path, kind, replicas, architecture):
    weights = []
    for hidden, chosen, count in ((True, "none", 1), (False, kind, replicas)):
        target = tmp_path / f"{hidden}.npz"
        assert f"{count} replicas" in run("training/replica_run.py", chosen, target, architecture, hidden=hidden)
        with np.load(target) as arrays:
            weights.append([arrays[name] for name in arrays.files])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_float32_is_not_rounded_to_tf32():
    import_tensorflow()
    # TF32 has 10 bits after the point.
    value = np.float32(1 + 2**-14)
    matrix = tf.fill([512, 512], value)
    np.testing.assert_array_equal(matrix @ tf.eye(512), matrix)
    images, kernel = tf.fill([8, 32, 32, 64], value), tf.reshape(tf.eye(64), [1, 1, 64, 64])
    np.testing.assert_array_equal(tf.nn.conv2d(images, kernel, 1, "SAME"), images)


def test_a_batch_is_one_stream_and_runs_on_the_gpu():
    assert count_streams() == 1
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    attack = interp.attacks.ProjectedGradientDescent(epsilon=0.1, step_size=0.05, steps=2)
    found = attack(model, tf.zeros([20, 28, 28, 1]), tf.range(20) % 10)
    assert "GPU" in found.device

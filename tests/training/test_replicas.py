"""The result does not depend on how many replicas share the work."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from interp.core.errors import ComputationError, InputError
from interp.training.replica_statistics import check_shared_statistics, shared_statistics
from interp.training.replicas import make_strategy
from interp.training.trainer import _run

SCRIPT = Path(__file__).parent / "replica_run.py"
TOLERANCE = 1e-5


def run(kind, target, architecture="small", environment=None):
    command = [sys.executable, SCRIPT, kind, str(target), architecture]
    # On CPUs, whether or not there is a GPU.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **(environment or {})}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def weights(process, target, replicas):
    output, errors = process.communicate(timeout=480)
    assert process.returncode == 0, errors
    assert f"{replicas} replicas" in output
    with np.load(target) as arrays:
        return [arrays[name] for name in arrays.files]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def same(one, two, tolerance):
    for first, second in zip(one, two, strict=True):
        np.testing.assert_allclose(first, second, atol=tolerance)


# By a rounding error a step of an attack, a ReLU or a maximum may change sides. The smallest with batch normalisation is not slow.
CASES = [
    pytest.param("small", TOLERANCE, marks=pytest.mark.slow),
    pytest.param("smooth", 1e-4, marks=pytest.mark.integration),
    pytest.param("simple_cnn", 1e-4, marks=pytest.mark.slow),
    pytest.param("preact_resnet18", 1e-4, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("architecture", "tolerance"), CASES)
def test_two_logical_devices(tmp_path, architecture, tolerance):
    targets = {kind: tmp_path / f"{kind}.npz" for kind in ("none", "mirrored")}
    found = {
        kind: weights(run(kind, target, architecture), target, 1 if kind == "none" else 2)
        for kind, target in targets.items()
    }
    same(found["none"], found["mirrored"], tolerance)


def test_what_else_keeps_something_of_each_batch_is_refused_to_several_replicas():
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.BatchNormalization(renorm=True), keras.layers.Flatten()]
    )
    usual = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.BatchNormalization(), keras.layers.Flatten()])
    check_shared_statistics(usual, usual.non_trainable_variables)
    with pytest.raises(InputError, match=r"keeps something of each batch .*moving_mean"):
        check_shared_statistics(model, model.non_trainable_variables)


def test_moments_are_those_of_keras_again_afterwards():
    usual = keras.layers.BatchNormalization._moments
    with shared_statistics(2):
        assert keras.layers.BatchNormalization._moments is not usual
    assert keras.layers.BatchNormalization._moments is usual


def two_workers(tmp_path, *what):
    """Start two worker processes on the loopback address, each with its own words of `what`."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    tasks = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}) for index in range(2)]
    return [
        run("multiworker", tmp_path / f"worker{index}.npz", words, {"TF_CONFIG": task})
        for index, (task, words) in enumerate(zip(tasks, what, strict=True))
    ]


@pytest.mark.parametrize(("architecture", "tolerance"), CASES)
def test_two_worker_processes(tmp_path, architecture, tolerance):
    alone = weights(run("none", tmp_path / "one.npz", architecture), tmp_path / "one.npz", 1)
    for index, worker in enumerate(two_workers(tmp_path, architecture, architecture)):
        same(alone, weights(worker, tmp_path / f"worker{index}.npz", 2), tolerance)


@pytest.mark.slow
def test_workers_that_start_from_different_steps_all_refuse(tmp_path):
    for worker in two_workers(tmp_path, "from step 0", "from step 122"):
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode != 0
        assert "start from different steps or arguments" in errors


def test_bad_strategies_are_refused(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(InputError, match="did you mean 'mirrored'"):
        make_strategy("miror")
    with pytest.raises(InputError, match="TF_CONFIG"):
        make_strategy("multiworker")


@pytest.mark.parametrize(
    "told",
    [
        "{",
        "[]",
        "5",
        '{"cluster": 5}',
        '{"cluster": {"worker": ["127.0.0.1:4000"]}}',
        '{"cluster": {"worker": ["127.0.0.1:4000"]}, "task": {"type": "worker", "index": 3}}',
        '{"cluster": {"worker": ["127.0.0.1:4000"]}, "task": {"type": "worker", "index": -1}}',
        '{"cluster": {"worker": ["127.0.0.1:4000x"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["127.0.0.1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["127.0.0.1:99999"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"ps": ["127.0.0.1:4000"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_workers_that_are_named_wrongly_are_refused(monkeypatch, told):
    monkeypatch.setenv("TF_CONFIG", told)
    with pytest.raises(InputError, match=r"TF_CONFIG came as .*, expected such as"):
        make_strategy("multiworker")


MESSAGE = """Graph execution error:

Detected at node CollectiveReduceV2 defined at (most recent call last):
  File "train.py", line 10, in <module>

  File "interp/training/step.py", line 131, in step

Collective ops is aborted by: Error reported from /job:worker/task:1: The following tasks are unhealthy:
/job:worker/replica:0/task:1
\t [[{{node CollectiveReduceV2}}]] [Op:__inference_step_897]"""


def test_a_step_that_fails_names_its_cause():
    """As it comes from a worker whose partner was killed."""

    def failing(*_):
        raise tf.errors.UnavailableError(None, None, MESSAGE)

    images, labels = np.zeros((1, 4, 4, 1), np.float32), np.zeros(1, np.int64)
    with pytest.raises(ComputationError) as told:
        _run(failing, (images, labels), 0.1, (0, 7), False)
    assert str(told.value).startswith(
        "step 7 failed in TensorFlow: Collective ops is aborted by: Error reported from /job:worker/task:1: The following tasks are "
        "unhealthy: /job:worker/replica:0/task:1; "
    )

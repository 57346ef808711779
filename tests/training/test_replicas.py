"""The result does not depend on how many replicas share the work."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from interp.core.errors import InputError
from interp.training.replicas import make_strategy

SCRIPT = Path(__file__).parent / "replica_run.py"
TOLERANCE = 1e-5


def run(kind, target, architecture="small", environment=None):
    command = [sys.executable, SCRIPT, kind, str(target), architecture]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )


def weights(process, target, replicas):
    output, errors = process.communicate(timeout=240)
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


def test_two_logical_devices(tmp_path):
    targets = {kind: tmp_path / f"{kind}.npz" for kind in ("none", "mirrored")}
    found = {kind: weights(run(kind, target), target, 1 if kind == "none" else 2) for kind, target in targets.items()}
    for one, two in zip(found["none"], found["mirrored"], strict=True):
        np.testing.assert_allclose(one, two, atol=TOLERANCE)


@pytest.mark.slow
def test_batch_normalisation_is_refused_to_several_replicas(tmp_path):
    _, errors = run("mirrored", tmp_path / "x.npz", "simple_cnn").communicate(timeout=120)
    assert "statistics would depend on the number of replicas" in errors


def two_workers(tmp_path, *what):
    """Start two worker processes on the loopback address, each with its own words of `what`."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    tasks = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}) for index in range(2)]
    return [
        run("multiworker", tmp_path / f"worker{index}.npz", words, {"TF_CONFIG": task})
        for index, (task, words) in enumerate(zip(tasks, what, strict=True))
    ]


@pytest.mark.slow
def test_two_worker_processes(tmp_path):
    alone = weights(run("none", tmp_path / "one.npz"), tmp_path / "one.npz", 1)
    for index, worker in enumerate(two_workers(tmp_path, "small", "small")):
        for one, two in zip(alone, weights(worker, tmp_path / f"worker{index}.npz", 2), strict=True):
            np.testing.assert_allclose(one, two, atol=TOLERANCE)


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

"""What commands and their workers set up for a GPU, and what changes where one is seen; the rest is in tests/test_gpu.py."""

import os
import threading

import numpy as np
import pytest
import tensorflow as tf

from interp.attacks import ProjectedGradientDescent
from interp.core import compiled, streams
from interp.core.command_line import run
from interp.core.quiet_import import MEMORY_GROWTH
from interp.core.threads import AT_ONCE, PER_OPERATION
from interp.models import build_network


@pytest.fixture
def tf32():
    """TensorFlow's default, and what was chosen before again afterwards."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(True)
    yield
    tf.config.experimental.enable_tensor_float_32_execution(before)


@pytest.mark.parametrize(("chosen", "expected"), [(None, "true"), ("false", "false")])
def test_a_command_takes_memory_as_needed_unless_told_and_computes_in_float32(tf32, chosen, expected, monkeypatch):
    # Set first, so that what the command sets is taken back.
    monkeypatch.setenv(MEMORY_GROWTH, chosen or "")
    if chosen is None:
        monkeypatch.delenv(MEMORY_GROWTH)
    found = []

    def work(_):
        found.append(tf.config.experimental.tensor_float_32_execution_enabled())
        return 0

    assert run(lambda words: words, work, [], has_streams=lambda _: False) == 0
    assert found == [False]
    assert os.environ[MEMORY_GROWTH] == expected


@pytest.fixture
def gpu_is_seen(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: [f"{kind}:0"])
    # As many streams as there are on a CPU.
    monkeypatch.setenv(PER_OPERATION, "1")
    monkeypatch.setenv(AT_ONCE, "4")


def test_a_gpu_gets_whole_batches_from_one_thread(gpu_is_seen):
    assert streams.count_streams() == 1
    calls = []

    def double(values):
        calls.append((len(values), threading.current_thread()))
        return (2 * values,)

    compiled.run_in_batches(double, (tf.zeros([50, 2]),), 40)
    assert calls == [(40, threading.main_thread()), (10, threading.main_thread())]


@pytest.mark.integration
def test_what_is_computed_where_a_gpu_is_seen_is_the_same(request):
    """Convolutions have their usual gradients there."""
    images, labels = np.random.RandomState(0).rand(6, 28, 28, 1).astype(np.float32), np.arange(6)
    attack = ProjectedGradientDescent(epsilon=0.1, step_size=0.01, steps=3)
    usual = attack(build_network("simple_cnn", (28, 28, 1), 10), images, labels)
    request.getfixturevalue("gpu_is_seen")
    seen = attack(build_network("simple_cnn", (28, 28, 1), 10), images, labels)
    # By rounding a step changes sides where the gradient is next to 0.
    assert (np.abs(usual - seen) > 1e-6).mean() < 0.01

"""A run that is killed, however and whenever, ends where an undisturbed one ends."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "run_and_report.py"
TOTAL = 60


def start(folder, every=1):
    return subprocess.Popen(
        [sys.executable, SCRIPT, str(folder), str(every)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(folder):
    process = start(folder)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output.split("weights ")[1].strip(), output


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return finish(tmp_path_factory.mktemp("undisturbed"))[0]


def kill_after(folder, lines, delay, number):
    """Start a run, wait for a number of its lines and then a little, and send a signal."""
    process = start(folder)
    for _ in range(lines):
        process.stdout.readline()
    time.sleep(delay)
    process.send_signal(number)
    process.communicate(timeout=60)
    return process.returncode


@pytest.mark.slow
def test_twenty_kills_at_random_moments(tmp_path, undisturbed):
    """A checkpoint after every step, so that about every second kill falls into the writing of one."""
    moments = random.Random(0)
    for _ in range(20):
        kill_after(tmp_path / "run", moments.randint(1, 3), moments.uniform(0, 0.05), signal.SIGKILL)
    assert finish(tmp_path / "run")[0] == undisturbed


@pytest.mark.slow
def test_neither_a_kill_nor_a_polite_signal_changes_the_result(tmp_path, undisturbed):
    send_politely(tmp_path / "run", signal.SIGTERM)
    assert kill_after(tmp_path / "run", 20, 0.013, signal.SIGKILL) == -signal.SIGKILL
    weights, output = finish(tmp_path / "run")
    assert weights == undisturbed
    assert len(output.splitlines()) < TOTAL - 20


@pytest.mark.slow
def test_ctrl_c_saves_too(tmp_path, undisturbed):
    send_politely(tmp_path / "run", signal.SIGINT)
    weights, output = finish(tmp_path / "run")
    assert weights == undisturbed
    assert len(output.splitlines()) < TOTAL


def send_politely(folder, number):
    """Start a run whose first epoch does not end before the signal: what is saved is saved because of it."""
    process = start(folder, every=1000)
    for _ in range(12):
        process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "to go on from there" in errors

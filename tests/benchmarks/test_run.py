"""The benchmark's rows are told apart, and its guard tells what became slower."""

import importlib
import json
import time
from pathlib import Path

import pytest
import tensorflow as tf

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def run(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("run")


def test_rows_have_names_of_their_own_and_are_in_the_accepted_table(run):
    names = [row.name for row in run.ROWS]
    assert len(set(names)) == len(names)
    assert set(names) == set(json.loads(run.ACCEPTED.read_text())["rows"])


@pytest.mark.parametrize(("units", "code"), [(12.4, 0), (12.6, 1)])
def test_the_guard_names_rows_a_quarter_slower(run, units, code, capsys):
    results = {"PGD": {"units": units}, "new": {"units": 1.0}, "without data": {"skipped": "no MNIST"}}
    assert run.compare(results, {"PGD": {"units": 10.0}, "without data": {"units": 3.0}}) == code
    printed = capsys.readouterr().out
    assert ("slower: PGD" in printed) == bool(code)
    assert "not compared: new" in printed
    assert "not compared: without data" in printed


def test_a_line_shows_what_was_measured(run):
    result = {
        "seconds": 0.1,
        "units": 20.0,
        "lowest": 19.0,
        "highest": 21.0,
        "naive_units": 200.0,
        "useful_gflops": 50.0,
        "matrix_peak_gflops": 200.0,
        "peak_gib": 0.7,
        "found": {"robust accuracy": 0.9},
    }
    line = run.line(run.ROWS[0], result)
    for part in (run.ROWS[0].name, "20.0", "(19.0-21.0)", "10.0", "25%", "0.70", "robust accuracy 0.9"):
        assert part in line
    assert "skipped: no MNIST" in run.line(run.ROWS[0], {"skipped": "no MNIST"})


@pytest.mark.parametrize("arguments", [["--only", "no such row"], ["--rounds", "0"]])
def test_nothing_to_measure_is_said_in_one_line(run, arguments, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["run.py", *arguments])
    assert run.main() == 2
    assert "nothing to measure" in capsys.readouterr().err


def test_times_end_when_a_gpu_is_done(run, monkeypatch):
    timing = importlib.import_module("timing")
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [f"{kind}:0"])
    assert tf.test.experimental.sync_devices in timing._waits.__wrapped__()
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    assert timing._waits.__wrapped__() == ()
    monkeypatch.setattr(timing, "_waits", lambda: (lambda: time.sleep(0.1),))
    assert timing.seconds_of(lambda: None) >= 0.1

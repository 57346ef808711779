"""The benchmark's rows are told apart, and its guard tells what became slower."""

import ast
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
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


def test_the_page_has_the_figures_that_were_measured(run):
    tables = importlib.import_module("tables")
    page = tables.PAGE.read_text()
    assert page.count("<!-- end -->") == 5
    assert tables.filled(page) == page
    # Nor do records name places of the machine that they were made on.
    assert not [path.name for path in tables.RESULTS.glob("*.json") if ': "/' in path.read_text()]


def test_comparisons_are_of_rows_and_of_works_that_there_are(run):
    comparisons = importlib.import_module("run_peers").COMPARISONS
    assert {row.ours for row in comparisons} <= {row.name for row in run.ROWS}
    source = ast.parse((BENCHMARKS / "peers" / "works.py").read_text())
    works = {node.name for node in source.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"}
    assert {name for row in comparisons for name in row.peers} == works
    (photographs,) = (row for row in comparisons if row.ours == "PGD, 10 steps, 8 photographs, EfficientNet-Lite0")
    assert photographs.peers == {"torchattacks_pgd": None, "foolbox_pgd": 8, "foolbox_pgd_tensorflow": 5}


@pytest.mark.parametrize(("units", "code"), [(12.4, 0), (12.6, 1)])
def test_the_guard_names_rows_a_quarter_slower(run, units, code, capsys):
    results = {"PGD": {"units": units}, "new": {"units": 1.0}, "without data": {"skipped": "no MNIST"}}
    assert run.compare(results, {"PGD": {"units": 10.0}, "without data": {"units": 3.0}}) == code
    printed = capsys.readouterr().out
    assert ("slower: PGD" in printed) == bool(code)
    assert "not compared: new" in printed
    assert "not compared: without data" in printed


def test_a_row_that_was_skipped_keeps_its_figures(run):
    before = {"PGD": {"units": 10.0}, "CAM": {"skipped": "no MNIST"}, "IG": {"units": 3.0}}
    now = {
        "PGD": {"skipped": "no network"},
        "CAM": {"skipped": "no network"},
        "IG": {"units": 2.0},
        "new": {"units": 1.0},
    }
    assert run.merged(before, now) == {
        "PGD": {"units": 10.0},
        "CAM": {"skipped": "no network"},
        "IG": {"units": 2.0},
        "new": {"units": 1.0},
    }


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
    (asked,) = (row for row in run.ROWS if row.faster)
    assert "10.0 of 1.5" in run.line(asked, result)


def test_nothing_to_measure_is_said_in_one_line(run, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["run.py", "--only", "no such row"])
    assert run.main() == 2
    assert "no row has no such row in its name, such as" in capsys.readouterr().err


def test_what_was_measured_is_kept_when_a_later_row_fails(run, tmp_path, monkeypatch, capsys):
    first, second = run.ROWS[:2]
    found = {"seconds": 0.1, "units": 2.0, "lowest": 1.0, "highest": 3.0, "peak_gib": 0.5, "found": {}}

    def measure(row, rounds, *version):
        if row is second:
            raise run.InputError("measure.py ended with code 1: no memory")
        return dict(found)

    monkeypatch.setattr(run, "measure", measure)
    monkeypatch.setattr("sys.argv", ["run.py", "--out", str(tmp_path / "bench.json")])
    assert run.main() == 2
    assert "no memory" in capsys.readouterr().err
    rows = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert list(rows) == [first.name]
    assert rows[first.name]["units"] == 2.0
    assert "out" not in rows[first.name]["run"]["arguments"]


def test_each_idea_is_measured_with_both_kinds_of_threads(run, tmp_path, monkeypatch, capsys):
    levers = importlib.import_module("levers")
    monkeypatch.setattr(levers, "RESULTS", tmp_path / "levers.json")
    monkeypatch.setattr(levers, "result_of", lambda command: {"PGD": 1.5 if "shared" in command[-1] else 2.5})
    monkeypatch.setattr("sys.argv", ["levers.py"])
    assert levers.main() == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["PGD", "2.5", "1.5"]
    assert list(json.loads((tmp_path / "levers.json").read_text())["units"]) == list(levers.THREADS)


@pytest.mark.parametrize("text", ["{", "[]", '{"rows": []}', '{"rows": {"PGD": 1}}'])
def test_a_damaged_file_of_figures_is_told_before_anything_is_measured(run, text, tmp_path, monkeypatch, capsys):
    out = tmp_path / "bench.json"
    out.write_text(text)
    monkeypatch.setattr("sys.argv", ["run.py", "--out", str(out)])
    monkeypatch.setattr(run, "measure", lambda *_: pytest.fail("it was measured"))
    assert run.main() == 2
    error = capsys.readouterr().err
    assert (str(out) in error, len(error.splitlines())) == (True, 1)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("measure", ["no such row", "1"], "unknown row 'no such row'"),
        ("measure", ["PGD, 200 images, 40 steps, Adv", "0"], "0 is less than 1"),
        ("measure", [], "required: name, rounds"),
        ("run", ["--rounds", "0"], "--rounds: 0 is less than 1"),
        ("run", ["--check", "--accept"], "--accept: not allowed with argument --check"),
        ("run_peers", ["python", "--rounds", "0"], "--rounds: 0 is less than 1"),
        ("levers", ["--threads", "all"], "--threads: invalid choice: 'all'"),
        ("levers", ["measure"], "unrecognized arguments: measure"),
        ("run_input", ["--rounds", "0"], "--rounds: 0 is less than 1"),
        ("run_input", ["--images", "3"], "--images: 3 is less than 25"),
    ],
)
def test_what_cannot_be_measured_is_one_line(run, name, arguments, message, monkeypatch, capsys):
    script = importlib.import_module(name)
    monkeypatch.setattr(run, "measure", lambda *_: pytest.fail("it was measured"))
    monkeypatch.setattr("sys.argv", [f"{name}.py", *arguments])
    with pytest.raises(SystemExit) as stopped:
        script.main()
    error = capsys.readouterr().err
    assert (stopped.value.code, message in error, len(error.splitlines())) == (2, True, 1)


def measured_again(comparison, accuracy):
    """A comparison of ensembles, in which each side finds that accuracy."""
    figures = {"robust accuracy": accuracy, "seconds": 2.0, "processor seconds": 2.0}
    return figures if comparison[1].endswith("auto_attack.py") else {}


def test_figures_of_two_norms_are_in_two_files(run, tmp_path, monkeypatch, capsys):
    """In one, those of l2 stood in the place of those of linf, and both were summed up."""
    script = importlib.import_module("run_auto_attack")
    monkeypatch.setenv("INTERP_NETWORKS_DIR", str(tmp_path))
    monkeypatch.setattr(script, "HERE", tmp_path)

    def measure(*words, accuracy):
        monkeypatch.setattr(script, "result_of", lambda command: measured_again(command, accuracy))
        monkeypatch.setattr("sys.argv", ["run_auto_attack.py", sys.executable, *words])
        return script.main()

    assert measure("--only", "normal", accuracy=0.5) == 0
    assert measure("--only", "mnist_smallgap_normal", "--norm", "l2", accuracy=0.25) == 0
    first, second = (json.loads((tmp_path / "results" / f"auto_attack{end}.json").read_text()) for end in ("", "_l2"))
    assert {name: row["ours"][0]["robust accuracy"] for name, row in first["rows"].items()} == {
        "mnist_smallgap_normal_100": 0.5,
        "cifar_smallgap_normal_200": 0.5,
    }
    assert second["rows"]["mnist_smallgap_normal_100"]["epsilon"] == 1.5
    # A network that is measured alone says with what, and the others still do.
    assert measure("--only", "cifar_smallgap_normal", accuracy=0.0) == 0
    rows = json.loads((tmp_path / "results" / "auto_attack.json").read_text())["rows"]
    assert {name: row["run"]["arguments"]["only"] for name, row in rows.items()} == {
        "mnist_smallgap_normal_100": ["normal"],
        "cifar_smallgap_normal_200": ["cifar_smallgap_normal"],
    }
    # Where figures are is no setting of theirs.
    assert "out" not in rows["mnist_smallgap_normal_100"]["run"]["arguments"]
    given = tmp_path / "results" / "auto_attack.json"
    capsys.readouterr()
    assert measure("--only", "normal", "--norm", "l2", "--out", str(given), accuracy=0.0) == 2
    assert "in another ball than l2: name another file" in capsys.readouterr().err
    assert json.loads(given.read_text())["rows"] == rows


@pytest.fixture
def compare(run, tmp_path, monkeypatch):
    """Measures comparisons with what ours and a peer are said to take, into a file."""
    script = importlib.import_module("run_peers")

    def call(*words, ours):
        seconds = iter(ours)

        def result_of(command):
            if command[1].endswith("export.py"):
                return {}
            value = 10.0 if "peers" in command[1] else next(seconds, None)
            if value is None:
                raise script.InputError("ended with code 1")
            return {"units": 2 * value, "seconds": value, "peak_gib": 0.5, "found": {}}

        monkeypatch.setattr(script, "result_of", result_of)
        monkeypatch.setattr("sys.argv", ["run_peers.py", sys.executable, "--out", str(tmp_path / "peers.json"), *words])
        return script.main()

    return call


def test_seconds_and_u_of_ours_are_means_of_both_runs(compare, capsys):
    assert compare("--only", "deletion", ours=(1.0, 3.0)) == 0
    _, ours, peer, _ = capsys.readouterr().out.splitlines()
    assert ours.split()[4:] == ["2.000", "4.0", "0.50"]
    assert peer.split() == ["xplique_deletion", "10.000", "20.0", "5.0", "3", "0.50"]


def test_comparisons_are_kept_beside_others_and_although_a_later_one_fails(compare, tmp_path):
    assert compare("--only", "insertion", ours=(1.0, 1.0)) == 0
    before = json.loads((tmp_path / "peers.json").read_text())["rows"]
    assert compare("--only", "RISE", "deletion", ours=(2.0, 2.0, 4.0)) == 2
    rows = json.loads((tmp_path / "peers.json").read_text())["rows"]
    assert [name.split(",")[0] for name in rows] == ["RISE", "insertion"]
    assert rows["insertion, 20 steps, Adv"] == before["insertion, 20 steps, Adv"]
    assert rows["RISE, 500 masks, Adv"]["run"]["arguments"]["only"] == ["RISE", "deletion"]


def test_images_of_an_incomplete_batch_are_in_no_epoch(run, tmp_path, monkeypatch):
    script = importlib.import_module("run_input")
    monkeypatch.setattr(script, "share_cores_among_streams", lambda: None)
    monkeypatch.setattr(script, "make_photographs", lambda *_: None)
    monkeypatch.setattr(script, "decode", lambda *_: (None, 2.0))
    monkeypatch.setattr(script, "epochs", lambda *_: {"ahead": {"seconds": 2.0, "waiting": 0.5}})
    monkeypatch.setattr(script, "RESULTS", tmp_path / "input.json")
    monkeypatch.setattr("sys.argv", ["run_input.py", "--images", "70"])
    script.main()
    rows = json.loads((tmp_path / "input.json").read_text())["rows"]
    assert {name: row["images a second"] for name, row in rows.items()} == {
        "decoding, 1 thread": 35,
        "decoding, 2 threads": 35,
        "epoch, normal, batches made ahead": 25,
        "epoch, adv, batches made ahead": 25,
    }


def test_a_process_that_ends_at_its_start_leaves_no_pipe_open(run, monkeypatch):
    unit, started, start = importlib.import_module("unit"), [], subprocess.Popen

    def note(*arguments, **settings):
        started.append(start(*arguments, **settings))
        return started[-1]

    monkeypatch.setattr(unit.subprocess, "Popen", note)
    with pytest.raises(RuntimeError, match="the process that measures U has ended"):
        unit.UnitProcess("false")
    (process,) = started
    assert (process.stdin.closed, process.stdout.closed, process.returncode is None) == (True, True, False)


def test_times_end_when_a_gpu_is_done(run, monkeypatch):
    timing = importlib.import_module("timing")
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [f"{kind}:0"])
    assert tf.test.experimental.sync_devices in timing._waits.__wrapped__()
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    assert timing._waits.__wrapped__() == ()
    monkeypatch.setattr(timing, "_waits", lambda: (lambda: time.sleep(0.1),))
    assert timing.seconds_of(lambda: None) >= 0.1


def test_batches_are_the_same_made_ahead_or_when_asked_for(run, tmp_path):
    from interp.training.batches import made_ahead

    measured = importlib.import_module("run_input")
    measured.make_photographs(tmp_path / "photographs", 8)
    found = [measured.decode(tmp_path / "photographs", tmp_path / str(threads), threads)[0] for threads in (1, 2)]
    assert found[0].images[:].shape == (8, 224, 224, 3)
    assert sorted(found[0].labels) == sorted(2 * list(range(measured.CLASSES)))
    made = []
    for photographs, way in zip(found, measured.WAYS.values(), strict=True):
        with way():
            made.append(list(made_ahead(photographs, lambda images, seed: images, 4, 7, range(2))))
    for one, other in zip(*made, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])

"""Jobs of `eval.py`, one after another, in workers and in Ray: the results are the same, and a job that fails fails alone."""

import json

import numpy as np
import pytest
import tensorflow as tf

from interp.commands.evaluate import main
from interp.commands.evaluate_network import main as task
from interp.commands.tasks.task_registry import TASKS
from interp.commands.tasks.topk import intr_topk
from tests.commands.evaluated_digits import options


def kept(folder):
    """The records of a directory without what says when and where they were made."""
    records = {path.relative_to(folder): json.loads(path.read_text()) for path in sorted(folder.glob("*/*.json"))}
    for record in records.values():
        for name in ("arguments", "finished"):
            del record[name]
    return records


@pytest.mark.slow
@pytest.mark.parametrize("where", ["--workers=2", "--ray=local"])
def test_workers_find_what_one_process_finds(call, networks, tmp_path, where):
    """Accuracies, radii and maps; what is kept already is not evaluated again."""
    arguments = options(networks, tmp_path, "--only", "pgd", "topk", "aai")
    assert call(main, arguments).returncode == 1
    side_by_side = [*arguments, where, f"--out={tmp_path / 'two'}"]
    result = call(main, side_by_side)
    assert result.stderr.splitlines()[-1].startswith("missing, train.py makes them")
    alone, two = kept(tmp_path / "out"), kept(tmp_path / "two")
    assert alone.keys() == two.keys()
    assert len(alone) == 8
    for path, record in alone.items():
        assert two[path]["rows"] == [
            [cell if not isinstance(cell, float) else pytest.approx(cell, abs=1e-5) for cell in row]
            for row in record["rows"]
        ]
        assert two[path].get("right") == record.get("right")
        assert two[path]["made_of"] == record["made_of"]
    places = [path.stat().st_mtime_ns for path in sorted((tmp_path / "two").glob("*/*.json"))]
    call(main, side_by_side)
    assert places == [path.stat().st_mtime_ns for path in sorted((tmp_path / "two").glob("*/*.json"))]


@pytest.mark.integration
def test_ray_finds_what_one_process_finds(call, networks, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed")
    names = ("digits_smallgap_int_1", "digits_smallgap_int_20")
    arguments = options(networks, tmp_path, "--only", "topk", "--networks", *names)
    assert call(main, arguments).returncode == 0
    assert call(main, [*arguments, "--ray=local", f"--out={tmp_path / 'ray'}"]).returncode == 0
    alone = kept(tmp_path / "out")
    assert len(alone) == 2
    assert kept(tmp_path / "ray") == alone


@pytest.mark.parametrize(
    ("fail", "told"),
    [
        (lambda: tf.zeros([2**24, 2**24]), "memory ran out (OOM when allocating tensor with shape[16777216,16777216]"),
        (lambda: np.zeros([2**24, 2**24]), "memory ran out (Unable to allocate 2.00 PiB"),
        (lambda: tf.reshape(tf.zeros(3), [2]), "TensorFlow failed: "),
    ],
    ids=["memory of TensorFlow", "memory", "an operation"],
)
def test_a_job_that_fails_in_tensorflow_fails_alone(call, networks, tmp_path, monkeypatch, fail, told):
    def failing(run):
        if run.name == "digits_smallgap_int_1":
            fail()
        return intr_topk(run)

    monkeypatch.setattr("interp.commands.tasks.topk.intr_topk", failing)
    names = ("digits_smallgap_int_1", "digits_smallgap_int_20")
    result = call(main, options(networks, tmp_path, "--only", "topk", "--networks", *names))
    assert result.returncode == 1
    [line] = [line for line in result.stderr.splitlines() if line.startswith("failed: ")]
    assert line.startswith(f"failed: topk of digits_smallgap_int_1: {told}")
    assert ("a smaller --batch-size" in line) == told.startswith("memory")
    assert [path.stem for path in (tmp_path / "out" / "topk").glob("*.json")] == ["digits_smallgap_int_20"]


def test_a_task_that_fails_in_tensorflow_is_told_in_one_line(call, networks, tmp_path, monkeypatch):
    monkeypatch.setattr("interp.commands.tasks.topk.intr_topk", lambda run: tf.zeros([2**24, 2**24]))
    network = networks / "digits_smallgap_int_1.safetensors"
    common = [
        "--task=intr_topk",
        "--dataset=digits",
        "--num-image=2",
        f"--network={network}",
        f"--output-dir={tmp_path}",
    ]
    result = call(task, [*common, f"--picture-dir={tmp_path}"])
    assert result.returncode == 1
    assert result.stderr.startswith("failed: memory ran out (OOM when allocating tensor")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_network_that_cannot_be_evaluated_fails_alone(call, networks, tmp_path):
    (networks / "digits_smallgap_int_1.safetensors").write_bytes(b"nothing")
    result = call(main, options(networks, tmp_path, "--only", "topk", "--workers=2"))
    assert result.returncode == 1
    assert "failed: topk of digits_smallgap_int_1: " in result.stderr
    assert [path.stem for path in (tmp_path / "out" / "topk").glob("*.json")] == ["digits_smallgap_int_20"]


@pytest.mark.slow
def test_accuracies_are_measured_by_the_workers(call, networks, tmp_path, monkeypatch):
    """Tasks that can share their work among workers run side by side all the same: what is broken here is whole there."""
    monkeypatch.delattr("interp.commands.runner.open_run")
    arguments = options(networks, tmp_path, "--only", "pgd", "--networks", "digits_smallgap_int_1", "--workers=2")
    assert call(main, arguments).returncode == 0
    assert (tmp_path / "out" / "pgd" / "digits_smallgap_int_1.json").is_file()


def test_tasks_that_retrain_or_compare_methods_have_all_workers():
    assert {name for name, task in TASKS.items() if task.options.has_all_workers} == {"faithfulness", "roar", "kar"}

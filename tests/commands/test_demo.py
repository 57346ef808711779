"""The demo's command line, run as a user runs it."""

import json
import subprocess
import sys
import time

import pytest

import interp
from interp.commands.demo import main


def run(*arguments):
    command = [sys.executable, "-m", "interp.commands.demo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_short_run_writes_everything(tmp_path):
    result = run("--epochs", 1, "--num-image", 20, "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    written = {path.name for path in (tmp_path / "out").iterdir()}
    networks = {f"digits_smallgap_{method}_1.safetensors" for method in ("normal", "adv", "int")}
    assert written == networks | {
        "accuracy.png",
        "cam_normal.png",
        "cam_adv.png",
        "cam_int.png",
        "attributions_normal.png",
        "attributions_int.png",
        "selectivity_normal.png",
        "selectivity_int.png",
        "report.html",
        "results.json",
    }
    record = json.loads((tmp_path / "out" / "results.json").read_text())
    assert record["arguments"]["seed"] == 99
    assert record["versions"]["tensorflow"]
    assert len(record["results"]["int"]["accuracies"]) == len(record["results"]["int"]["epsilons"])
    net = interp.load_model(tmp_path / "out" / "digits_smallgap_int_1.safetensors")
    assert net.metadata["method"] == "int"
    assert net.metadata["result"]["accuracies"] == record["results"]["int"]["accuracies"]


def test_bad_input_in_a_process_of_its_own():
    result = run("--dataset", "digitz")
    assert result.returncode == 2
    assert (
        result.stderr
        == "error: unknown dataset 'digitz': did you mean 'digits'? expected one of digits, mnist, cifar10, restimagenet, cifar\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "digitz"], "did you mean 'digits'"),
        (["--dataset", "mnist", "--data-dir", "/nonexistent"], "/nonexistent"),
        (["--epochs", "0"], "0 is less than 1"),
        (["--epochs", "many"], "no whole number"),
        (["--epsilon", "-0.1"], "-0.1"),
        (["--epsilon", "nan"], "nan"),
        (["--num-image", "100000"], "ask for fewer"),
        (["--out", "/proc/nothing/here"], "cannot write"),
        (["--unknown"], "--unknown"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(call, arguments, message, tmp_path):
    out = [] if "--out" in arguments else ["--out", tmp_path / "out"]
    result = call(main, [*arguments, *out])
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_help_and_import_do_not_import_tensorflow():
    code = "import sys, interp.commands.demo; interp.commands.demo.parser().format_help(); sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_another_one_begins_anew(call, tmp_path, monkeypatch):
    """Stopped before the report is written, the next one takes the networks that are there; with another seed it takes none."""
    written = []

    def stop(arguments, finished, splits, sample):
        written.append({trained.objective.tag: trained.result() for trained in finished})
        raise KeyboardInterrupt

    monkeypatch.setattr("interp.commands.demo._write", stop)
    arguments = ["--epochs", 1, "--num-image", 5, "--out", tmp_path]
    for more, taken in (([], 0), ([], 3), (["--seed", 1], 0)):
        result = call(main, [*arguments, *more])
        assert result.returncode == 130
        assert result.stderr.endswith("interrupted: what was finished is kept\n")
        assert result.stdout.count("finished by the run before") == taken
    assert written[0] == written[1]
    assert written[2] != written[0]


@pytest.mark.slow
def test_a_killed_run_goes_on_within_a_training(tmp_path):
    command = [sys.executable, "-m", "interp.commands.demo", "--epochs", "30", "--num-image", "5", "--out", tmp_path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    checkpoints, end = tmp_path / ".unfinished" / "normal", time.monotonic() + 120
    while not list(checkpoints.glob("step_*")):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.communicate()
    reached = max(int(path.name[5:]) for path in checkpoints.glob("step_*"))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while max((int(path.name[5:]) for path in checkpoints.glob("step_*")), default=0) <= reached:
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    output, _ = process.communicate()
    # The bar begins where the first run was.
    assert f"| {reached}/" in output.replace("\r", "\n") or f" {reached + 1}/" in output


@pytest.mark.slow
def test_robust_training_keeps_forty_points_more_than_normal(tmp_path):
    result = run("--out", tmp_path)
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / "results.json").read_text())
    at_training_radius = {
        method: dict(zip(measured["epsilons"], measured["accuracies"], strict=True))[0.1]
        for method, measured in record["results"].items()
    }
    assert at_training_radius["adv"] - at_training_radius["normal"] >= 0.4
    assert at_training_radius["int"] - at_training_radius["normal"] >= 0.4

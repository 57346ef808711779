"""The demo's command line, run as a user runs it."""

import json
import subprocess
import sys
import time

import pytest

import interp
from interp import data
from interp.commands.demo import DemoOptions, load_splits, main


def run(*arguments):
    command = [sys.executable, "-m", "interp", "demo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def record(folder, section, method, epochs):
    return json.loads((folder / section / f"digits_smallgap_{method}_{epochs}.json").read_text())


@pytest.mark.slow
def test_a_short_run_writes_everything(tmp_path):
    out = tmp_path / "out"
    result = run("--epochs", 1, "--num-image", 20, "--out", out)
    assert result.returncode == 0, result.stderr
    written = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    networks = {f"digits_smallgap_{method}_1.safetensors" for method in ("normal", "adv", "int")}
    sections = {"accuracy", "maps", "attributions", "selectivity"}
    tables = {f"{section}.tsv" for section in sections}
    others = {"accuracy_digits_smallgap.png", "report.html", "run.json", "settings.json", "training"}
    assert written == networks | sections | tables | others
    for method in ("normal", "adv", "int"):
        kept = record(out, "accuracy", method, 1)
        assert kept["arguments"]["seed"] == 99
        assert kept["versions"]["tensorflow"]
        assert len(kept["accuracies"]) == len(kept["epsilons"]) == 7
        assert interp.load_model(out / f"digits_smallgap_{method}_1.safetensors").metadata["method"] == method
    text = (out / "report.html").read_text()
    for said in (
        "Three networks of the architecture small",
        "accuracy under PGD",
        "class activation maps",
        "selectivity",
    ):
        assert said in text


@pytest.mark.parametrize("seed", [1, 99])
def test_other_commands_do_not_test_its_networks_on_their_training_images(seed):
    """They load the digits without a seed; that of the demo is of weights, order and attacks."""
    splits = load_splits(DemoOptions(seed=seed))
    tested = {image.tobytes() for image in data.load("digits", "test").images}
    assert not tested & {image.tobytes() for image in splits["train"].images}
    assert splits["test"].identity == data.load("digits", "test").identity


def test_bad_input_in_a_process_of_its_own():
    result = run("--dataset", "digitz")
    assert result.returncode == 2
    assert (
        result.stderr
        == "error: unknown dataset 'digitz': did you mean 'digits'? expected one of digits, mnist, cifar10, restimagenet, cifar, "
        "or the path of your own images\n"
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


@pytest.mark.parametrize("place", ["maps/mine.png", "digits_smallgap_adv_1.safetensors", "settings.json"])
def test_what_no_demo_wrote_is_not_removed(call, tmp_path, place):
    file = tmp_path / place
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine")
    result = call(main, ["--epochs", "1", "--num-image", "5", "--out", tmp_path])
    assert result.returncode == 2
    assert "is there, and no demo wrote it: choose another --out, or move it away" in result.stderr
    assert file.read_text() == "mine"


def test_help_and_import_do_not_import_tensorflow():
    code = "import sys, interp.commands.demo as demo\ntry: demo.main(['--help'])\nfinally: print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "False")


@pytest.mark.slow
def test_a_second_run_takes_what_is_there_and_another_one_begins_anew(tmp_path):
    line = ["--epochs", 1, "--num-image", 5, "--out", tmp_path]
    times, tables = [], []
    for more, taken in (([], 0), ([], 3), (["--seed", 1], 0)):
        result = run(*line, *more)
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("is there already") == taken
        times.append((tmp_path / "accuracy" / "digits_smallgap_int_1.json").stat().st_mtime_ns)
        tables.append((tmp_path / "accuracy.tsv").read_bytes())
    assert times[0] == times[1] < times[2]
    assert tables[0] == tables[1] != tables[2]


@pytest.mark.slow
def test_a_killed_run_goes_on_within_a_training(tmp_path):
    command = [sys.executable, "-m", "interp", "demo", "--epochs", "30", "--num-image", "5", "--out", tmp_path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    checkpoints, end = tmp_path / ".runs" / "digits_smallgap_normal_30" / "checkpoints", time.monotonic() + 120
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
    process.communicate()
    # The log of the run has every step once.
    assert reached > 0


@pytest.mark.slow
def test_robust_training_keeps_forty_points_more_than_normal(tmp_path):
    result = run("--out", tmp_path)
    assert result.returncode == 0, result.stderr
    robust = {}
    for method in ("normal", "adv", "int"):
        kept = record(tmp_path, "accuracy", method, 40)
        robust[method] = dict(zip(kept["epsilons"], kept["accuracies"], strict=True))[0.1]
    assert robust["adv"] - robust["normal"] >= 0.4
    assert robust["int"] - robust["normal"] >= 0.4

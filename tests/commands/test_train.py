"""`train.py` as a user runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import interp
from interp.commands.train import main

SCRIPT = Path(__file__).parents[2] / "train.py"
SMOKE = ["1", "--dataset", "digits", "--profile", "smoke"]


def command(folder, *arguments):
    places = ["--networks-dir", folder / "networks", "--pictures-dir", folder / "pictures"]
    return [sys.executable, SCRIPT, *map(str, [*arguments, *places])]


def run(folder, *arguments):
    return subprocess.run(command(folder, *arguments), capture_output=True, text=True, check=False)


def test_a_network_its_picture_and_its_logs(tmp_path):
    result = run(tmp_path, *SMOKE, "--only", "mnist_smallgap_int", "cifar_smallgap_normal")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    net = interp.load_model(tmp_path / "networks" / "digits_smallgap_int_1.safetensors")
    assert net.metadata["schedule"]["epsilon"] == 0.3
    assert net.metadata["run"]["arguments"]["profile"] == "smoke"
    assert (tmp_path / "pictures" / "digits_smallgap_int_1.png").stat().st_size > 10_000
    log = (tmp_path / "networks" / ".runs" / "digits_smallgap_int_1" / "log.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["validation_robust_accuracy"] >= 0
    again = run(tmp_path, *SMOKE, "--only", "mnist_smallgap_int")
    assert "is there already" in again.stdout
    other = run(tmp_path, *SMOKE, "--only", "mnist_smallgap_int", "--seed", "3")
    assert other.returncode == 2
    assert "seed was 99 and is 3" in other.stderr


def test_the_whitebox_network_tells_its_accuracy_per_class(tmp_path):
    result = run(tmp_path, "8", "--dataset", "digits", "--profile", "smoke", "--only", "mnist_simplecnn_normal")
    assert result.returncode == 0, result.stderr
    assert "accuracy on 400 test images" in result.stdout
    net = interp.load_model(tmp_path / "networks" / "digits_simplecnn_normal_1.safetensors")
    assert len(net.metadata["accuracy_per_class"]) == 11


def test_an_interrupted_run_goes_on(tmp_path):
    arguments = ["1", "--dataset", "digits", "--only", "mnist_smallgap_adv", "--epochs", "2"]
    process = subprocess.Popen(command(tmp_path, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "networks" / ".runs" / "digits_smallgap_adv_2" / "log.jsonl"
    while process.poll() is None and not log.exists():
        pass
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert len(errors.splitlines()) == 1
    assert "the same command goes on from there" in errors
    assert list((log.parent / "checkpoints").glob("step_*"))
    result = run(tmp_path, *arguments)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "networks" / "digits_smallgap_adv_2.safetensors").exists()


def test_lists_name_what_is_trained(tmp_path):
    everything = run(tmp_path, "--list")
    assert [line[0] for line in everything.stdout.splitlines()[:8]] == list("12345678")
    some = run(tmp_path, "4", "--list", "--only", "mnist_smallgap_int2", "cifar_smallgap_int2adv")
    assert some.returncode == 0, some.stderr
    assert "mnist_smallgap_int2_100" in some.stdout
    assert any(unit in some.stdout for unit in (" min", " h", " days"))
    assert not (tmp_path / "networks").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no number was given"),
        (["9"], "no training script 9"),
        (["one"], "invalid int value"),
        (["1", "--only", "mnist_smallgap_imt"], "did you mean"),
        (["1", "--profile", "papper"], "did you mean 'paper'"),
        (["1", "--dataset", "minst"], "did you mean 'mnist'"),
        (["1", "--only", "mnist_smallgap_int", "--data-dir", "/nonexistent"], "/nonexistent"),
        ([*SMOKE, "--epochs", "0"], "less than 1"),
        ([*SMOKE, "--strategy", "miror"], "did you mean 'mirrored'"),
        ([*SMOKE, "--strategy", "multiworker"], "TF_CONFIG"),
        ([*SMOKE, "--networks-dir", "/proc/nothing"], "cannot write"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(call, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    result = call(main, arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())

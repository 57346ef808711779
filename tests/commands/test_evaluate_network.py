"""`eval_cmd.py` as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import interp
from interp.commands.evaluate_network import main
from interp.models import build_network

SCRIPT = Path(__file__).parents[2] / "eval_cmd.py"


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    net = build_network("small", (28, 28, 1), 10)
    return interp.save_model(net, tmp_path_factory.mktemp("networks") / "digits_smallgap_normal_0.safetensors")


def test_accuracy_under_attack(network, tmp_path):
    common = ["--task", "pgd_attack", "--dataset", "digits", "--network", network, "--output_dir", tmp_path]
    result = run(*common, "--num_image", 30, "--steps", 3, "--epsilons", "0,0.1")
    assert result.returncode == 0, result.stderr
    assert "PGD-3 (linf, step 0.01, no random start, last iterate, each eps alone)" in result.stdout
    record = json.loads((tmp_path / "pgd_attack_digits_digits_smallgap_normal_0.json").read_text())
    assert record["result"]["epsilons"] == [0, 0.1]
    assert record["network"]["architecture"] == "small"


def test_pictures_of_maps(call, network, tmp_path):
    common = ["--task", "vis_cam", "--dataset", "digits", "--network", network, "--output_dir", tmp_path]
    result = call(main, [*common, "--num_image", 3, "--steps", 2])
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "vis_cam_digits_smallgap_normal_0.png").stat().st_size > 10_000


GOOD = {"--task": "pgd_attack", "--dataset": "digits"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--task": "pgd_atack"}, "pgd_attack"),
        ({"--dataset": "minst"}, "did you mean 'mnist'"),
        ({"--network": "mnist_smallgap_nothing_1"}, "looked in"),
        ({"--network": "/nonexistent/net.pkl"}, "no network file /nonexistent/net.pkl"),
        ({"--dataset": "cifar10", "--data_dir": "/nonexistent"}, "/nonexistent"),
        ({"--epsilons": "-0.1"}, "negative"),
        ({"--epsilons": "a,b"}, "no list of numbers"),
        ({"--steps": "0"}, "less than 1"),
        ({"--num_image": "999999"}, "ask for fewer"),
        ({"--output_dir": "/proc/nothing"}, "cannot write"),
        ({"--seed": "5000000000"}, "too large"),
        ({"--steps": "3000000000"}, "too large"),
        ({"--epsilons": "1e39"}, "too large"),
        ({"--step_size": "1e39"}, "at most"),
        ({"--num_image": "9" * 400}, "too large"),
        ({"--network": "x" * 300}, "too long"),
        ({"--network": "two\nlines.pkl"}, "two\\nlines"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(call, network, tmp_path, changes, message):
    chosen = {**GOOD, "--network": network, "--output_dir": tmp_path / "out", **changes}
    # "--epsilons=-0.1": a value that begins with a minus is joined to its option, as a shell user has to.
    result = call(main, [f"{name}={value}" for name, value in chosen.items()])
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_reader_that_goes_away_is_no_error_of_ours(network, tmp_path):
    command = (
        f"{sys.executable} {SCRIPT} --task pgd_attack --dataset digits --network {network} --num_image 5 --steps 1"
    )
    result = subprocess.run(
        ["bash", "-c", f"{command} --output_dir {tmp_path} | true"], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in result.stderr


def test_a_network_of_other_images_is_refused(call, tmp_path):
    net = interp.save_model(build_network("small", (32, 32, 3), 10), tmp_path / "cifar.safetensors")
    common = ["--task", "pgd_attack", "--dataset", "digits", "--output_dir", tmp_path / "out"]
    result = call(main, [*common, "--network", net])
    assert result.returncode == 2
    assert "choose the dataset it was trained on" in result.stderr

"""Commands whose output nobody reads, or whose standard streams are closed: what they finish is kept all the same."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import interp
from interp.models import build_network

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    for seed, name in enumerate(("digits_smallgap_normal_1", "digits_smallgap_int_1")):
        network = build_network("small", (28, 28, 1), 10, seed=seed)
        interp.save_model(network, folder / f"{name}.safetensors", {})
    return folder


def commands(networks, out):
    """A short line of every command, and the file that says that it is finished."""
    network = networks / "digits_smallgap_int_1.safetensors"
    task = [ROOT / "eval_cmd.py", "--task=min_pgd_attack", "--dataset=digits", f"--network={network}", "--num_image=3"]
    number = [ROOT / "eval.py", "1", "--dataset=digits", f"--networks-dir={networks}", "--networks", network.stem]
    training = [ROOT / "train.py", "1", "--only=mnist_smallgap_normal", "--dataset=digits", "--profile=smoke"]
    return {
        "eval_cmd": (
            [*task, "--steps=1", f"--output_dir={out}", f"--picture_dir={out}"],
            "min_pgd_attack_digits_cam_l1_two_class.tsv",
        ),
        "eval": ([*number, "--only", "aai", "topk", "--num-image=3", f"--out={out}"], "report.html"),
        "train": (
            [*training, "--epochs=1", f"--networks-dir={out}", f"--pictures-dir={out}"],
            "digits_smallgap_normal_1.safetensors",
        ),
        "demo": (["-m", "interp", "demo", "--epochs=1", "--num-image=5", f"--out={out}"], "report.html"),
    }


def start(command, redirections):
    words = [sys.executable, *map(str, command)]
    line = " ".join(f"'{word}'" for word in words)
    return subprocess.run(
        ["bash", "-c", f"{line} {redirections}"], capture_output=True, text=True, check=False, cwd=ROOT
    )


CASES = [
    ("<&- >&- 2>&-", 0),
    ("> /dev/full", 2),
    ("| head -c 1 > /dev/null; exit ${PIPESTATUS[0]}", 1),
    ("2>&1 | true; exit ${PIPESTATUS[0]}", None),
]
# Each starts a process of its own, which takes seconds.
QUICK = (("eval_cmd", CASES[1]),)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "redirections", "code"),
    [
        pytest.param(command, *case, marks=() if (command, case) in QUICK else pytest.mark.slow)
        for command in ("eval_cmd", "eval", "train", "demo")
        for case in CASES
    ],
)
def test_what_is_finished_is_kept(networks, tmp_path, command, redirections, code):
    line, last = commands(networks, tmp_path / "out")[command]
    result = start(line, redirections)
    assert (tmp_path / "out" / last).stat().st_size > 100, result.stderr
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr
    # A reader may also have taken all before it went.
    assert code is None or result.returncode in ((0, 1) if code == 1 else (code,))
    if code == 2:
        assert f"cannot write standard output: {os.strerror(errno.ENOSPC)}" in result.stderr
    # Nothing that was meant for a terminal went into a file that took the number of a closed stream.
    for path in (tmp_path / "out").rglob("*.json"):
        json.loads(path.read_text())


@pytest.mark.slow
def test_a_stage_that_fails_is_told_by_its_own_code(networks, tmp_path):
    result = start([ROOT / "eval_cmd.py", "--task=pgd_attack", "--dataset=digits", "--network=nothing"], "> /dev/full")
    assert result.returncode == 2
    assert "nothing" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.integration
@pytest.mark.parametrize(
    "backend", ["jax", *(pytest.param(name, marks=pytest.mark.slow) for name in ("torch", "nothing"))]
)
def test_keras_on_something_else_is_told_in_one_line(networks, backend):
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    for script in (
        "eval_cmd.py --task=saliency --dataset=mnist --network=mnist_smallgap_int_20",
        "eval.py 1",
        "train.py 1 --list",
    ):
        done = subprocess.run(
            [sys.executable, *script.split()], capture_output=True, text=True, check=False, env=environment, cwd=ROOT
        )
        assert done.returncode == 2
        assert f"KERAS_BACKEND={backend}" in done.stderr
        assert "set the environment variable KERAS_BACKEND=tensorflow" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    for code in ("import interp; interp.load_model", "from interp.attributions import CAM", "import interp.report"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd=ROOT
        )
        last = done.stderr.splitlines()[-1]
        assert last.startswith("interp.core.errors.InputError: Keras cannot run on what KERAS_BACKEND=")
        assert "KERAS_BACKEND=tensorflow" in last


@pytest.mark.slow
def test_settings_of_keras_that_name_another_backend_are_told(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    environment |= {"KERAS_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    code = [sys.executable, "-c", "import interp; interp.load_model"]
    done = subprocess.run(code, capture_output=True, text=True, check=False, env=environment)
    assert "InputError: Keras cannot run on what its settings name" in done.stderr.splitlines()[-1]
    # A command is on its own in its process, and chooses.
    command = [sys.executable, ROOT / "eval.py", "9"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.stderr.startswith("error: no experiment 9")

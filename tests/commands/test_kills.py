"""Thirty runs of commands killed where they stand, many of them inside of a write: in the end the tables are those of a run in peace."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import interp
from interp.models import build_network

ROOT = Path(__file__).parents[2]
# What a file or folder is called while it is being written.
WRITING = (".interp-writing-", ".writing-")
# Kills of each command; the demo takes longest.
KILLS = {"eval": 10, "roar": 8, "train": 8, "demo": 4}


def line(command, networks, out):
    """A short line of a command that writes all it writes into a folder."""
    network = networks / "digits_smallgap_int_1.safetensors"
    return {
        "eval": [
            "eval.py", "1", "--dataset=digits", f"--networks-dir={networks}", f"--out={out}", "--num-image=3",
            "--only", "aai", "topk", "cam", "--networks", "digits_smallgap_int_1", "digits_smallgap_adv_1",
        ],
        "roar": [
            "eval_cmd.py", "--task=roar", "--dataset=digits", f"--network={network}", f"--output_dir={out}",
            f"--picture_dir={out}", "--methods=gradient,input_x_gradient", "--num_image=20", "--train_image=60", "--epochs=1",
            "--ratios=0.5", "--seeds=2", "--workers=1",
        ],
        "train": [
            "train.py", "1", "--only", "mnist_smallgap_normal", "mnist_smallgap_adv", "--dataset=digits", "--profile=smoke",
            "--epochs=12", f"--networks-dir={out}", f"--pictures-dir={out}",
        ],
        "demo": ["-m", "interp", "demo", "--epochs=2", "--num-image=5", f"--out={out}"],
    }[command]  # fmt: skip


def without_seconds(value):
    """The same JSON without how long things took, when, and by which commit of a repository that somebody may be working in."""
    if isinstance(value, dict):
        told = ("seconds", "training_seconds", "finished", "run", "arguments", "commit")
        return {name: without_seconds(part) for name, part in value.items() if name not in told}
    return [without_seconds(part) for part in value] if isinstance(value, list) else value


def found(command, out):
    """What a command found: its tables, and the weights and measures of the networks that it trained."""
    tables = {path.name: path.read_bytes() for path in out.rglob("*.tsv")}
    for path in out.glob("*.safetensors"):
        network = interp.load_model(path)
        tables[path.name] = [values.tobytes() for values in network.get_weights()], without_seconds(network.metadata)
    assert len(tables) >= {"eval": 3, "roar": 1, "train": 2, "demo": 7}[command]
    return tables


def pictures(out):
    return sorted(path.relative_to(out) for path in out.rglob("*") if path.suffix in (".png", ".html", ".webp"))


def writing(out):
    """Whether something is just being written."""
    return [path for folder, folders, files in os.walk(out) for path in (*folders, *files) if path.startswith(WRITING)]


class Lane:
    """One command, killed again and again."""

    def __init__(self, command, folder, networks, seed):
        self.command, self.out, self.log = command, folder / command, folder / f"{command}.log"
        self.words = [sys.executable, *line(command, networks, self.out)]
        self.rng = np.random.RandomState(seed)
        self.killed, self.inside = 0, 0

    def start(self):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TF_NUM_INTRAOP_THREADS": "1",
            "TF_NUM_INTEROP_THREADS": "1",
        }
        with open(self.log, "w") as log:
            return subprocess.Popen(self.words, stdout=log, stderr=log, cwd=ROOT, env=environment)

    def finish(self):
        """Run to the end and return what was found."""
        began = time.monotonic()
        code = self.start().wait(300)
        self.seconds = time.monotonic() - began
        assert code == 0, self.log.read_text()
        left = [path for path in self.out.rglob("*") if path.name.startswith((*WRITING, ".unfinished"))]
        assert not left
        return found(self.command, self.out), pictures(self.out)

    def kill(self, inside):
        """Start, and kill at a time drawn at random or inside of a write drawn at random; it may also come to its end before."""
        process = self.start()
        end = time.monotonic() + self.seconds * self.rng.uniform(0.3, 1.0)
        seen, wanted = set(), self.rng.randint(1, 12)
        while process.poll() is None:
            if inside:
                seen |= set(writing(self.out))
                if len(seen) >= wanted and writing(self.out):
                    break
            elif time.monotonic() > end:
                break
            time.sleep(0.0005 if inside else 0.01)
        process.kill()
        code = process.wait()
        if code == -signal.SIGKILL:
            self.killed += 1
            self.inside += bool(writing(self.out))
        else:
            assert code == 0, self.log.read_text()

    def check(self, expected):
        """Run to the end and compare what was found with what a run in peace found."""
        tables, drawn = self.finish()
        assert drawn == expected[1]
        assert tables.keys() == expected[0].keys()
        assert not [name for name, table in tables.items() if table != expected[0][name]], self.command

    def run(self):
        expected = self.finish()
        shutil.rmtree(self.out)
        last = {"train": "digits_smallgap_adv_12.safetensors", "roar": "roar_digits_paper.tsv"}
        while self.killed < KILLS[self.command]:
            self.kill(inside=self.killed % 2 == 0)
            # What is finished has nothing to go on with: compare it, and begin anew.
            if (self.out / last.get(self.command, "report.html")).exists() and self.killed < KILLS[self.command]:
                self.check(expected)
                shutil.rmtree(self.out)
        self.check(expected)
        return f"{self.command}: {self.killed} killed, {self.inside} of them inside of a write"


@pytest.mark.slow
def test_thirty_kills_leave_the_tables_of_a_run_in_peace(tmp_path):
    networks = tmp_path / "networks"
    for seed, method in enumerate(("normal", "int", "adv")):
        network = build_network("small", (28, 28, 1), 10, seed=seed)
        interp.save_model(network, networks / f"digits_smallgap_{method}_1.safetensors", {})
    lanes = [Lane(command, tmp_path, networks, seed) for seed, command in enumerate(KILLS)]
    with ThreadPoolExecutor(2) as threads:
        # The demo takes longest: first.
        told = list(threads.map(Lane.run, reversed(lanes)))
    print("\n".join(told))
    assert sum(lane.killed for lane in lanes) == 30
    assert sum(lane.inside for lane in lanes) >= 8

"""Command lines of `train.py` that train a few steps on digits, and a run of them in a process of its own."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "train.py"
SMOKE = ["1", "--dataset", "digits", "--profile", "smoke"]


def command(folder, *arguments):
    places = ["--networks-dir", folder / "networks", "--pictures-dir", folder / "pictures"]
    return [sys.executable, SCRIPT, *map(str, [*arguments, *places])]


def run(folder, *arguments):
    return subprocess.run(command(folder, *arguments), capture_output=True, text=True, check=False)

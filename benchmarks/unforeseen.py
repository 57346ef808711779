"""Seconds of each unforeseen attack over 200 images of 32x32 and 200 steps on CIFAR `small`: `python benchmarks/unforeseen.py`.

The cost does not depend on weights or images, so untrained weights and noise serve. Compilation is measured apart.
"""

import argparse
import time

import numpy as np
from unit import median_seconds, unit_work

from interp.attacks.unforeseen import UNFORESEEN, make_unforeseen
from interp.models import build_network


def main() -> None:
    """Print a row for each attack and goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    steps = parser.parse_args().steps
    images, labels = np.random.RandomState(0).rand(200, 32, 32, 3).astype(np.float32), np.arange(200) % 10
    network = build_network("small", (32, 32, 3), 10)
    for name, listed in UNFORESEEN.items():
        for goal in ("random_target", "untargeted"):
            attack = make_unforeseen(name, listed.budget, steps=steps, goal=goal)
            began = time.perf_counter()
            make_unforeseen(name, listed.budget, steps=1, goal=goal, _compiled=attack._compiled)(
                network, images, labels
            )
            compiled = time.perf_counter()
            attack(network, images, labels)
            ended = time.perf_counter()
            unit = median_seconds(unit_work(), 20)
            seconds = ended - compiled
            print(
                f"{name:10} {goal:14} {seconds:6.1f} s  {seconds / unit:7.0f} U  compiling {compiled - began:4.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()

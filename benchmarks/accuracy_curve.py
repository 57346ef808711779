"""Cost of an accuracy curve: PGD of 200 steps over seven radii and 200 images: `python benchmarks/accuracy_curve.py --network NAME ...`.

By the paper's protocol (every radius attacks all images, last iterate), and with the first success counting and carried to larger radii.
Needs MNIST in INTERP_DATA_DIR and trained networks, because what is broken decides what is left to do.
"""

import argparse
from dataclasses import replace
from functools import partial

import numpy as np
from unit import against_unit

from interp import data
from interp.attacks import ProjectedGradientDescent
from interp.evaluation import accuracy_curve, sample_images
from interp.models import load_model

EPSILONS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.35, 0.4)


def main() -> None:
    """Print two rows for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", nargs="+", required=True, help="trained MNIST networks")
    sample, _ = sample_images(data.load("mnist", "test"), 200)
    images = np.asarray(sample.images)
    plain = ProjectedGradientDescent(epsilon=0.3, step_size=0.01, steps=200)
    for name in parser.parse_args().network:
        network = load_model(name)
        for attack, carry in ((plain, False), (replace(plain, iterate="first"), True)):
            work = partial(accuracy_curve, network, images, sample.labels, attack, EPSILONS, carry=carry)
            units, seconds = against_unit(work, rounds=3)
            accuracies = " ".join(f"{value:.3f}" for value in work().accuracies)
            print(f"{name}, {attack.iterate} iterate: {units:6.0f} U  {seconds:.2f} s  {accuracies}", flush=True)


if __name__ == "__main__":
    main()

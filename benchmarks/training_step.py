"""Cost of one training step of each objective: MNIST `small`, batch 50, 40 inner steps: `python benchmarks/training_step.py`."""

import argparse

import keras
import numpy as np
import tensorflow as tf
from unit import against_unit

from interp.models import build_network
from interp.training import OBJECTIVES, PAPER, find_objective
from interp.training.step import make_step


def main() -> None:
    """Print a row for each objective."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("objectives", nargs="*", default=list(OBJECTIVES), help="tags such as adv; all without any")
    chosen = parser.parse_args().objectives
    images = tf.constant(np.random.RandomState(0).rand(50, 28, 28, 1), tf.float32)
    labels = tf.constant(np.arange(50) % 10, tf.int64)
    epsilon, seed = tf.constant(0.3), tf.constant([99, 0], tf.int64)
    for tag in chosen:
        objective = find_objective(tag)
        network = build_network("small", (28, 28, 1), 10)
        step = make_step(
            network,
            objective,
            keras.optimizers.Adam(1e-4),
            PAPER["mnist"],
            penalty_weight=objective.penalty_weight or 0,
        )
        units, seconds = against_unit(lambda step=step: step(images, labels, epsilon, seed, tf.constant(0.0)), rounds=3)
        print(f"{tag:10s} {units:6.2f} U  {1000 * seconds:6.1f} ms")


if __name__ == "__main__":
    main()

"""Peak memory and time of one Int step of `wresnet`, batch 128, 32x32: `python benchmarks/training_memory.py`."""

import resource
import time
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from interp.models import build_network
from interp.training import PAPER, find_objective
from interp.training.step import make_step


def main() -> None:
    """Print the largest resident set of the process after two steps."""
    network = build_network("wresnet", (32, 32, 3), 10)
    schedule = replace(PAPER["cifar"], attack_steps=2)
    step = make_step(network, find_objective("int"), keras.optimizers.Adam(1e-3), schedule, penalty_weight=0.01)
    images = tf.constant(np.random.RandomState(0).rand(128, 32, 32, 3), tf.float32)
    labels, seed = tf.constant(np.arange(128) % 10), tf.constant([99, 0], tf.int64)
    for _ in range(2):
        began = time.perf_counter()
        step(images, labels, tf.constant(8 / 255), seed, tf.constant(0.0))
        print(f"step with {schedule.attack_steps} inner steps: {time.perf_counter() - began:.1f} s")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()

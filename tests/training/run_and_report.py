"""A short training in a process of its own, for the tests that kill it: folder, then a hash of the final weights on stdout."""

import hashlib
import sys

import numpy as np
import tensorflow as tf

from interp import data
from interp.models import build_network
from interp.training import CheckpointFolder, Checkpointing, Schedule, find_objective, train

EPOCHS, IMAGES, BATCH = 3, 160, 8


def main() -> None:
    folder, every = sys.argv[1], int(sys.argv[2])
    tf.config.experimental.enable_op_determinism()
    network = build_network("small", (28, 28, 1), 10)
    schedule = Schedule(
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rates=((0, 1e-3), (30, 5e-4)),
        epsilon=0.1,
        ramp=(5, 40),
        attack_steps=2,
        attack_step_size=0.05,
    )
    checkpointing = Checkpointing(folder=CheckpointFolder(folder), every_steps=every)
    print("start", flush=True)
    train(
        network,
        find_objective("int"),
        data.load("digits", "train").take(IMAGES),
        schedule,
        checkpointing=checkpointing,
        report=lambda progress: print(progress.step, flush=True),
    )
    weights = b"".join(np.asarray(value).tobytes() for value in network.variables)
    print("weights", hashlib.sha256(weights).hexdigest(), flush=True)


if __name__ == "__main__":
    main()

"""AutoPGD and Square beside the Adversarial Robustness Toolbox: same network, images and steps, accuracy and time.

`pip install -e .[peers]`, then with MNIST in INTERP_DATA_DIR: `python benchmarks/apgd_and_square_against_art.py --network NAME`.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
from art.attacks.evasion import AutoProjectedGradientDescent, SquareAttack
from art.estimators.classification import TensorFlowV2Classifier

from interp import data
from interp.attacks import AutoPGD, Square, accuracy
from interp.evaluation import sample_images
from interp.models import load_model

STEPS, QUERIES = 100, 1000


def main() -> None:
    """Print a row for each attack and radius."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="mnist_smallgap_adv_100", help="an MNIST network")
    parser.add_argument("--epsilon", type=float, default=0.3)
    parser.add_argument("--num_image", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each, whose means are printed")
    arguments = parser.parse_args()
    sample, _ = sample_images(data.load("mnist", "test"), arguments.num_image)
    images, labels, epsilon = np.asarray(sample.images), sample.labels, arguments.epsilon
    network = load_model(arguments.network)
    peer = TensorFlowV2Classifier(
        model=network,
        nb_classes=10,
        input_shape=(28, 28, 1),
        loss_object=keras.losses.CategoricalCrossentropy(from_logits=True),
        clip_values=(0.0, 1.0),
    )
    one_hot = np.eye(10, dtype=np.float32)[labels]

    def apgd(loss: str) -> Any:
        return AutoProjectedGradientDescent(
            peer,
            eps=epsilon,
            eps_step=2 * epsilon,
            max_iter=STEPS,
            nb_random_init=1,
            batch_size=len(images),
            loss_type=loss,
            verbose=False,
        )

    square = SquareAttack(
        peer, eps=epsilon, max_iter=QUERIES, nb_restarts=1, batch_size=len(images), p_init=0.8, verbose=False
    )
    rows = {
        "APGD-CE": (AutoPGD(epsilon=epsilon, steps=STEPS), apgd("cross_entropy")),
        "APGD-DLR": (AutoPGD(epsilon=epsilon, steps=STEPS, loss="dlr"), apgd("difference_logits_ratio")),
        "Square": (Square(epsilon=epsilon, steps=QUERIES), square),
    }
    print(f"{arguments.network}, {len(images)} images, eps {epsilon:g}, clean {accuracy(network, images, labels):.3f}")
    print(f"{'':10s} {'accuracy':>9s} {'of ART':>7s} {'seconds':>8s} {'of ART':>7s}  times as fast")
    for name, (ours, theirs) in rows.items():
        ours(network, images, labels)  # compiled once, as in any use of it
        runs = []
        for seed in range(arguments.seeds):
            found, seconds = _timed(partial(ours, network, images, labels, seed=seed))
            peers, peer_seconds = _timed(partial(theirs.generate, images, one_hot))
            shares = (accuracy(network, moved, labels) for moved in (found, np.clip(peers, 0, 1)))
            runs.append((*shares, seconds, peer_seconds))
        share, peer_share, seconds, peer_seconds = np.mean(runs, 0)
        print(
            f"{name:10s} {share:9.3f} {peer_share:7.3f} {seconds:8.2f} {peer_seconds:7.2f}  {peer_seconds / seconds:.1f}",
            flush=True,
        )


def _timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


if __name__ == "__main__":
    main()

"""Cost of PGD over 200 images and 40 steps on MNIST `small`, folded and unfolded tail: `python benchmarks/pgd.py`.

The cost does not depend on weights or images, so untrained weights and noise serve; `--network` and real MNIST images
(INTERP_DATA_DIR) also give the robust accuracy that the time buys.
"""

import argparse

from unit import against_unit, images_and_labels

from interp.attacks import ProjectedGradientDescent, accuracy
from interp.models import build_network, load_model


def main() -> None:
    """Print a row for each tail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", help="a trained MNIST small network; untrained weights without it")
    path = parser.parse_args().network
    images, labels = images_and_labels(path is not None)
    attack = ProjectedGradientDescent(epsilon=0.3, step_size=0.01, steps=40)
    for fold in (True, False):
        network = load_model(path, fold_tail=fold) if path else build_network("small", (28, 28, 1), 10, fold_tail=fold)
        units, seconds = against_unit(lambda network=network: attack(network, images, labels))
        robust = accuracy(network, attack(network, images, labels), labels)
        tail = "folded" if fold else "unfolded"
        print(f"PGD-40, 200 images, {tail} tail: {units:6.1f} U  {seconds:.3f} s  robust accuracy {robust:.3f}")


if __name__ == "__main__":
    main()

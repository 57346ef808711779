"""Cost of SmoothGrad and integrated gradients over 200 MNIST images on `small`: `python benchmarks/attributions.py`.

Integrated gradients are asked for the completeness gap that 100 points of the midpoint rule have. `--network` and real MNIST images
(INTERP_DATA_DIR) measure that gap on a trained network; without them untrained weights and noise serve.
"""

import argparse

import numpy as np
from unit import against_unit, images_and_labels

from interp.attributions import IntegratedGradients, SmoothGrad, VanillaGradient
from interp.models import build_network, load_model


def main() -> None:
    """Print a row for each method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", help="a trained MNIST small network; untrained weights without it")
    path = parser.parse_args().network
    images, labels = images_and_labels(path is not None)
    network = load_model(path) if path else build_network("small", (28, 28, 1), 10)
    peers = IntegratedGradients(network, steps=100, rule="midpoint")
    gap = peers.explain(images, labels).values["gap"]
    methods = {
        "SmoothGrad, 50 samples": SmoothGrad(VanillaGradient(network), samples=50),
        "IG, 100 midpoint points": peers,
        **{f"IG, {steps} Gauss-Legendre": IntegratedGradients(network, steps=steps) for steps in (32, 48, 64)},
        "IG, tolerance": IntegratedGradients(network, steps=512, tolerance=float(gap.max())),
    }
    print(f"gap of 100 midpoint points: mean {gap.mean():.5f}, largest {gap.max():.5f}")
    for name, method in methods.items():
        units, seconds = against_unit(lambda method=method: method(images, labels))
        found = method.explain(images, labels).values.get("gap", np.zeros(1))
        print(f"{name:28} {units:6.1f} U  {seconds:.3f} s  gap: mean {found.mean():.5f}, largest {found.max():.5f}")


if __name__ == "__main__":
    main()

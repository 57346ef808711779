"""Cost of minimum eps, ISA and AAI on MNIST `small`: `python benchmarks/interpretation_attacks.py`.

Images are noise unless `--network` names a trained network and INTERP_DATA_DIR holds MNIST.
"""

import argparse
from functools import partial

import numpy as np
from unit import against_unit

from interp import data
from interp.attacks import InterpretabilitySneaking, MinimumEpsilon, TopKInterpretation
from interp.evaluation import sample_images
from interp.models import build_network, load_model

PENALTIES = (1.25, 1.5, 1.75, 2.0)


def main() -> None:
    """Print a row for each attack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", help="a trained MNIST small network; untrained weights without it")
    path = parser.parse_args().network
    images, labels = np.random.RandomState(0).rand(200, 28, 28, 1).astype(np.float32), np.arange(200) % 10
    network = load_model(path) if path else build_network("small", (28, 28, 1), 10)
    if path:
        sample, targets = sample_images(data.load("mnist", "test"), 200)
        images, labels = np.asarray(sample.images), sample.labels
    else:
        targets = (labels + 1) % 10

    few = images[:50], labels[:50], targets[:50]
    for direction, steps in (("sign", 20), ("reference", 10)):
        minimum = MinimumEpsilon(direction=direction, steps=steps)
        sneak = InterpretabilitySneaking(direction=direction, steps=steps)

        def isa(minimum: MinimumEpsilon = minimum, sneak: InterpretabilitySneaking = sneak) -> None:
            smallest = minimum(network, few[0], few[2])
            sneak(network, *few, np.outer(PENALTIES, smallest.epsilons), start=smallest.adversarial)

        units, seconds = against_unit(partial(minimum, network, images[:100], targets[:100]), rounds=3)
        print(f"minimum eps, 100 images, direction {direction}: {units:6.1f} U  {seconds:.3f} s", flush=True)
        units, seconds = against_unit(isa, rounds=3)
        print(
            f"ISA, 50 images, 4 penalties, two class, direction {direction}: {units:6.1f} U  {seconds:.3f} s",
            flush=True,
        )
    attack = TopKInterpretation(epsilon=0.3)
    units, seconds = against_unit(partial(attack, network, images, labels), rounds=3)
    print(f"AAI, 200 images, 200 steps: {units:6.1f} U  {seconds:.3f} s")


if __name__ == "__main__":
    main()

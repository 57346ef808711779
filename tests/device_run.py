"""Attacks, maps and logits of a network on the device of this process, kept in a file: `device_run.py NETWORK TARGET`."""

import sys

import numpy as np
import tensorflow as tf

from interp import attributions, data
from interp.attacks import AutoPGD, ProjectedGradientDescent
from interp.core.quiet_import import import_tensorflow
from interp.models import load_model


def main() -> None:
    # As every command does.
    import_tensorflow()
    network, target = load_model(sys.argv[1]), sys.argv[2]
    test = data.load("digits", "test").take(100)
    images, labels = np.asarray(test.images), np.asarray(test.labels)
    pgd = ProjectedGradientDescent(epsilon=0.1, step_size=0.02, steps=10)
    half = ProjectedGradientDescent(epsilon=0.1, step_size=0.02, steps=10, precision="bfloat16")
    attacks = {"PGD": pgd, "AutoPGD": AutoPGD(epsilon=0.1, steps=20), "PGD in bfloat16": half}
    maps = {
        "Grad-CAM": attributions.GradCAM(network),
        "integrated gradients": attributions.IntegratedGradients(network, steps=50),
        "SmoothGrad": attributions.SmoothGrad(attributions.VanillaGradient(network), samples=50),
    }
    found = {"logits": network(images)}
    found |= {f"logits after {name}": network(attack(network, images, labels)) for name, attack in attacks.items()}
    found |= {name: method(images, labels) for name, method in maps.items()}
    np.savez(target, labels=labels, **{name: np.asarray(value) for name, value in found.items()})
    print(f"{len(tf.config.get_visible_devices('GPU'))} GPUs")


if __name__ == "__main__":
    main()

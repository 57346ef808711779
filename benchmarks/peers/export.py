"""Write what every peer works on to a file: `python export.py NETWORK PATH` (weights, images, labels, logits, and our maps)."""

import sys

import numpy as np

from interp import data
from interp.attributions import IntegratedGradients, SmoothGrad, VanillaGradient
from interp.evaluation import sample_images
from interp.models import load_model


def main() -> None:
    """Export the network and 200 MNIST test images."""
    network = load_model(sys.argv[1])
    sample, _ = sample_images(data.load("mnist", "test"), 200)
    images, labels = np.asarray(sample.images), sample.labels
    arrays = {"images": images, "labels": labels, "logits": network(images).numpy()}
    arrays["integrated_gradients"] = IntegratedGradients(network, steps=512)(images, labels)
    arrays["smooth_grad"] = SmoothGrad(VanillaGradient(network), samples=50, seed=1)(images, labels)
    for number, layer in enumerate(network.kernel_layers()):
        arrays[f"kernel{number}"] = layer.kernel.numpy()
        if layer.bias is not None:
            arrays[f"bias{number}"] = layer.bias.numpy()
    np.savez(sys.argv[2], **arrays)


if __name__ == "__main__":
    main()

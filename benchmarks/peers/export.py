"""Write what every peer works on to a file (weights, images, labels, logits, and our maps).

`python export.py NETWORK PATH`; with `--no-maps` for a comparison of attacks alone.
"""

import sys
from pathlib import Path

import numpy as np

from interp import data
from interp.attributions import RISE, IntegratedGradients, Occlusion, SmoothGrad, VanillaGradient
from interp.evaluation import sample_images
from interp.models import load_model


def main() -> None:
    """Export the network and 200 test images of its dataset."""
    network = load_model(sys.argv[1])
    dataset = "cifar10" if Path(sys.argv[1]).name.startswith("cifar") else "mnist"
    sample, _ = sample_images(data.load(dataset, "test"), 200)
    images, labels = np.asarray(sample.images), sample.labels
    arrays = {"images": images, "labels": labels, "logits": network(images).numpy()}
    if "--no-maps" not in sys.argv:
        arrays["integrated_gradients"] = IntegratedGradients(network, steps=512)(images, labels)
        arrays["smooth_grad"] = SmoothGrad(VanillaGradient(network), samples=50, seed=1)(images, labels)
        arrays["occlusion"] = Occlusion(network, window=4, stride=2)(images, labels)
        # Other masks than those that are timed, as a peer's are.
        arrays["rise"] = RISE(network, mask_count=500, score="logit", seed=1)(images, labels)
        arrays["gradient"] = VanillaGradient(network)(images, labels)
    for number, layer in enumerate(network.kernel_layers()):
        arrays[f"kernel{number}"] = layer.kernel.numpy()
        if layer.bias is not None:
            arrays[f"bias{number}"] = layer.bias.numpy()
    np.savez(sys.argv[2], **arrays)


if __name__ == "__main__":
    main()

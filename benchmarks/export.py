"""Write what every peer works on to a file: images, labels, logits, our maps, kernels, and where the plain Keras model is.

`python export.py NETWORK PATH`, where NETWORK is the name or the file of a published network, or one of works.LARGER; with `--no-maps`
for a comparison of attacks alone.
"""

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import works

from interp import data
from interp.attributions import RISE, GradCAM, IntegratedGradients, Occlusion, SmoothGrad, VanillaGradient
from interp.core.errors import InputError
from interp.evaluation import sample_images
from interp.models import Network, load_model


def main() -> None:
    """Export the network, and the images of its rows or 200 test images of its dataset."""
    name, path = sys.argv[1:3]
    try:
        place = works.setting(name, *works.LARGER[name]) if name in works.LARGER else _published(name)
    except InputError as error:
        sys.exit(str(error))
    network, images, labels = place.network, place.images, place.labels
    logits, rows = np.asarray(network(images)), np.arange(len(labels))
    arrays = {"network": np.array(name), "images": images, "labels": labels, "logits": logits}
    if "--no-maps" not in sys.argv:
        black = np.asarray(network(np.zeros_like(images[:1])))
        arrays["change"] = logits[rows, labels] - black[0, labels]
        methods = _methods_of_larger(network) if name in works.LARGER else _methods(network)
        arrays |= {method: explain(images, labels) for method, explain in methods.items()}
    if isinstance(network, Network):
        for number, layer in enumerate(network.kernel_layers()):
            arrays[f"kernel{number}"] = layer.kernel.numpy()
            if layer.bias is not None:
                arrays[f"bias{number}"] = layer.bias.numpy()
        file = Path(path).with_suffix(".keras")
        keras.Model(network.inputs, network.outputs).save(file)
    else:
        file = works.REAL_NETWORK / f"{name}.keras"
    np.savez(path, keras=np.array(str(file)), **arrays)


def _published(name: str) -> works.Setting:
    dataset = "cifar10" if Path(name).name.startswith("cifar") else "mnist"
    sample, targets = sample_images(data.load(dataset, "test"), 200)
    return works.Setting(load_model(name), np.asarray(sample.images), sample.labels, targets)


def _methods(network: Any) -> dict[str, Any]:
    return {
        "integrated_gradients": IntegratedGradients(network, steps=512),
        "smooth_grad": SmoothGrad(VanillaGradient(network), samples=50, seed=1),
        "occlusion": Occlusion(network, window=4, stride=2),
        # Other masks than those that are timed, as a peer's are.
        "rise": RISE(network, mask_count=500, score="logit", seed=1),
        "gradient": VanillaGradient(network),
    }


def _methods_of_larger(network: Any) -> dict[str, Any]:
    return {
        "integrated_gradients": IntegratedGradients(network, steps=16),
        "smooth_grad": SmoothGrad(VanillaGradient(network), samples=16, seed=1),
        "grad_cam": GradCAM(network),
    }


if __name__ == "__main__":
    main()

"""Compare maps of EfficientNet-Lite0 with Captum's on photographs: `python compare_captum.py [DIRECTORY]`, after port.py.

Runs in the peers' environment and writes DIRECTORY/captum.json. Both networks compute in float64 first: there a map that differs from
Captum's by more than a thousandth of its largest value ends the script with code 1. In float32, which follows, rounding moves some of the
millions of activations across a kink of ReLU6, and a gradient jumps there, so what is printed of it says how far maps are certain at all.
The definitions that are compared:

- input gradient: of the label's logit, with respect to the image in [0, 1].
- integrated gradients: from black, by the same Gauss-Legendre points.
- Grad-CAM: of the last convolution (outputs before normalisation and activation) and of the last activation, both before average pooling;
  relu of the sum over channels, upsampled bilinearly.
- guided backpropagation: Captum changes the gradient of nn.ReLU alone. nn.ReLU6 is none: there Captum returns the plain gradient, which is
  a row of its own. Where ReLU6 is made as a kind of nn.ReLU both libraries pass on the positive part of the gradient where the input lies
  between 0 and 6.
"""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import torch
from blocks import SCALE
from captum import attr
from keras_model import LAST_ACTIVATION, LAST_CONVOLUTION, build_keras_model
from port import DIRECTORY, MODEL
from torch import nn
from torch_model import build_torch_model, read_state, torch_images

import interp
from interp import data
from interp.attributions import GradCAM, GuidedBackprop, IntegratedGradients, VanillaGradient
from interp.core.files import write_json
from interp.models import adapt

POINTS = 32
# Of the largest value of a map.
TOLERANCE = 1e-3
Explain = Callable[[], np.ndarray]


def main() -> int:
    """Compare, print, keep."""
    directory = Path(sys.argv[1]) if sys.argv[1:] else DIRECTORY
    if not (directory / MODEL).is_file():
        print(f"error: {directory / MODEL} is missing: run port.py", file=sys.stderr)
        return 2
    warnings.simplefilter("ignore")
    state = read_state()
    test = data.load(directory / "photographs.npz", "test")
    # One crop of each photograph.
    _, rows = np.unique(test.labels, return_index=True)
    images, labels = np.asarray(test.images)[rows], test.labels[rows]
    report: dict[str, Any] = {"tolerance": TOLERANCE, "classes": labels.tolist(), "points": POINTS}
    for precision in ("float64", "float32"):
        loaded = interp.load_model(directory / MODEL) if precision == "float32" else build_keras_model(state, precision)
        model = adapt(loaded, scale=SCALE)
        print(
            f"{precision}, largest difference of {len(images)} photographs, as a share of the largest value of Captum's map"
        )
        report[precision] = {}
        for name, (ours, captum) in pairs(model, state, getattr(torch, precision), images, labels).items():
            differences = worst_differences(ours(), captum())
            report[precision][name] = differences.tolist()
            within = int((differences <= TOLERANCE).sum())
            print(f"  {name:56s} {differences.max():9.2g}  {within} within {TOLERANCE:g}", flush=True)
    write_json(directory / "captum.json", report)
    return int(not all(max(differences) <= TOLERANCE for differences in report["float64"].values()))


def pairs(
    model: keras.Model, state: dict[str, np.ndarray], dtype: torch.dtype, images: np.ndarray, labels: np.ndarray
) -> dict[str, tuple[Explain, Explain]]:
    """For each comparison our maps and Captum's, (n, height, width, channels or 1)."""
    network = build_torch_model(state, SCALE, dtype=dtype)
    usual = build_torch_model(state, SCALE, nn.ReLU6, dtype)
    pixels, targets = torch_images(images), torch.tensor(labels)

    def captum(explainer: Any, **settings: Any) -> Explain:
        return lambda: explainer.attribute(pixels, target=targets, **settings).detach().numpy().transpose(0, 2, 3, 1)

    def captum_cam(layer: nn.Module) -> Explain:
        def explain() -> np.ndarray:
            maps = attr.LayerGradCam(network, layer).attribute(pixels, target=targets, relu_attributions=True)
            maps = nn.functional.interpolate(maps, images.shape[1:3], mode="bilinear", align_corners=False)
            return maps.detach().numpy().transpose(0, 2, 3, 1)

        return explain

    def ours(method: Any) -> Explain:
        return lambda: method(images, labels)

    gradient = ours(VanillaGradient(model))
    path = {"baselines": 0.0, "n_steps": POINTS, "method": "gausslegendre", "internal_batch_size": 16}
    return {
        "input gradient": (gradient, captum(attr.Saliency(network), abs=False)),
        f"integrated gradients, {POINTS} points": (
            ours(IntegratedGradients(model, steps=POINTS)),
            captum(attr.IntegratedGradients(network), **path),
        ),
        "Grad-CAM of the last convolution": (
            ours(GradCAM(model, layer=LAST_CONVOLUTION)),
            captum_cam(network._conv_head),
        ),
        "Grad-CAM of the last activation": (
            ours(GradCAM(model, layer=LAST_ACTIVATION)),
            captum_cam(network.head_activation),
        ),
        "guided backpropagation, ReLU6 as a kind of nn.ReLU": (
            ours(GuidedBackprop(model)),
            captum(attr.GuidedBackprop(network)),
        ),
        "our input gradient, Captum's guided one on nn.ReLU6": (gradient, captum(attr.GuidedBackprop(usual))),
    }


def worst_differences(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Largest difference of each pair of maps (n, ...), as a share of the largest value of theirs (n,)."""
    axes = tuple(range(1, theirs.ndim))
    return np.abs(ours - theirs).max(axes) / np.abs(theirs).max(axes)


if __name__ == "__main__":
    sys.exit(main())

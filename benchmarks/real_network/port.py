"""Port the published weights of EfficientNet-Lite0 to Keras and write them, with photographs to run them on: `python port.py [DIRECTORY]`.

Runs in the peers' environment (`make .venv-peers/.installed`), needs no network, and writes DIRECTORY (default: build/real_network):
efficientnet_lite0.keras, photographs.npz, the directory photographs/, and port.json with what was compared. Ends with code 1 where the
logits of the Keras and of the PyTorch model differ by more than 1e-4 of the largest.
"""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import torch
from blocks import SCALE
from keras_model import build_keras_model
from photographs import load_photographs, write_photographs
from torch_model import build_torch_model, read_state, torch_images

from interp.core.files import replacing, write_json

DIRECTORY = Path(__file__).resolve().parents[2] / "build" / "real_network"
MODEL, REPORT = "efficientnet_lite0.keras", "port.json"
TOLERANCE = 1e-4

_MEAN, _DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
# What weights for ImageNet are trained on, of an image x in [0, 1].
SCALES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "(255 x - 127) / 128": lambda x: (x - SCALE[0]) / SCALE[1],
    "(x - mean) / std of ImageNet": lambda x: (x - _MEAN) / _DEVIATION,
    "x": lambda x: x,
    "255 x": lambda x: 255 * x,
}


def main() -> int:
    """Build both models, compare them, write the Keras one."""
    directory = Path(sys.argv[1]) if sys.argv[1:] else DIRECTORY
    try:
        state = read_state()
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    pictures, labels, names = load_photographs()
    images = pictures.astype(np.float32) / 255
    with replacing(directory / MODEL) as temporary:
        build_keras_model(state).save(temporary)
    model = keras.models.load_model(directory / MODEL)
    ours = model.predict(SCALES["(255 x - 127) / 128"](images), verbose=0)
    theirs = build_torch_model(state, SCALE)(torch_images(images)).numpy()
    largest = float(np.abs(theirs).max())
    difference = float(np.abs(ours - theirs).max()) / largest
    report = {
        "largest logit": largest,
        "difference of logits, relative": difference,
        "scales": scale_evidence(state, images, labels),
        "predictions": dict(zip(names, ours.argmax(1).tolist(), strict=True)),
        "labels": dict(zip(names, labels.tolist(), strict=True)),
    }
    write_photographs(directory, pictures, labels, names)
    write_json(directory / REPORT, report)
    print(
        f"logits of Keras and PyTorch on {len(images)} photographs differ by {difference:.2g} of the largest, {largest:.3g}"
    )
    print(f"{'scale of an image x in [0, 1]':32s} {'variance':>9s} {'right':>6s} {'cross-entropy':>13s}")
    for scale, row in report["scales"].items():
        print(f"{scale:32s} {row['variance']:9.3g} {row['accuracy']:6.0%} {row['cross-entropy']:13.3g}")
    print(f"wrote {directory / MODEL} and photographs beside it")
    return 0 if difference <= TOLERANCE else 1


def scale_evidence(
    state: Mapping[str, np.ndarray], images: np.ndarray, labels: np.ndarray
) -> dict[str, dict[str, float]]:
    """For each scale: the median over channels of the variance after the first convolution, as a share of that which the normalisation
    behind it saw in training (1 where the scale is right), and accuracy and cross-entropy of the photographs."""
    model = build_torch_model(state, (0.0, 1.0))
    alive = state["_bn0.running_var"] > 1e-6
    found = {}
    for name, scaled in SCALES.items():
        pixels = torch_images(scaled(images).astype(np.float32))
        variance = model._conv_stem(pixels).var((0, 2, 3)).numpy()
        log_odds = torch.log_softmax(model(pixels), 1).numpy()
        found[name] = {
            "variance": float(np.median((variance / np.maximum(state["_bn0.running_var"], 1e-12))[alive])),
            "accuracy": float((log_odds.argmax(1) == labels).mean()),
            "cross-entropy": float(-log_odds[np.arange(len(labels)), labels].mean()),
        }
    return found


if __name__ == "__main__":
    sys.exit(main())

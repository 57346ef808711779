"""The paper's published weight files: pickled lists of (W, b), read without running anything in them."""

from pathlib import Path
from typing import Any

import numpy as np

from interp.core.errors import InputError
from interp.core.pickles import read_array_pickle
from interp.models.architectures import (
    IMAGE_KINDS,
    Architecture,
    Conv,
    Layer,
    MaxPool,
    Residual,
    find_architecture,
    parse_network_name,
)
from interp.models.network import Network


def read_reference_pickle(path: Path, *, architecture: str | None = None, fold_tail: bool = True) -> Network:
    """Read one of the paper's files, whose name says what network it is (mnist_smallgap_int_100.pkl).

    The list holds (W, b) per convolution with W in HWIO order, a (NaN array, NaN) placeholder per pooling layer, and
    last a 1-tuple with the head (1, 1, d, K). `architecture` replaces that of the name. Raises InputError for anything
    else: other shapes, NaN outside placeholders, a number of classes that is not the dataset's.
    """
    prefix, named, method = parse_network_name(path.stem)
    chosen = named if architecture is None else find_architecture(architecture)
    if not chosen.average_pooled:
        raise InputError(
            f"{path} is a file of the paper's networks, which end in average pooling; {chosen.name} does not"
        )
    kind = IMAGE_KINDS[prefix]
    network = Network(chosen.name, kind.shape, kind.classes, fold_tail=fold_tail)
    weights = _expected_weights(path, read_array_pickle(path), chosen, network)
    network.set_weights(weights)
    network.metadata = {
        "architecture": chosen.name,
        "dataset": prefix,
        "method": method,
        "source": f"pickle of the paper, {path.name}",
    }
    return network


def _expected_weights(path: Path, content: Any, architecture: Architecture, network: Network) -> list[np.ndarray]:
    """Check the entries against the network and return its weights in Keras order."""
    if not isinstance(content, list) or not all(isinstance(entry, tuple) for entry in content):
        raise InputError(f"{path} is refused: expected a list of (W, b) tuples, one per layer")
    slots = [*_slots(architecture.layers), "head"]
    if len(content) != len(slots):
        raise InputError(f"{path} is refused: it holds {len(content)} layers, {architecture.name} has {len(slots)}")
    layers = iter(network.kernel_layers())
    weights: list[np.ndarray] = []
    for number, (slot, entry) in enumerate(zip(slots, content, strict=True), 1):
        where = f"{path} is refused: layer {number}"
        values = [np.asarray(part) for part in entry if isinstance(part, (np.ndarray, float))]
        if len(values) != (1 if slot == "head" else 2) or len(values) != len(entry):
            raise InputError(f"{where} is not {'a 1-tuple with the head' if slot == 'head' else 'a pair (W, b)'}")
        if slot == "pool":
            if not all(np.isnan(value).all() for value in values):
                raise InputError(f"{where} should be the placeholder of a pooling layer, all NaN")
            continue
        layer = next(layers)
        shapes = (
            [(1, 1, *layer.kernel.shape)] if slot == "head" else [tuple(layer.kernel.shape), tuple(layer.bias.shape)]
        )
        for value, shape in zip(values, shapes, strict=True):
            if value.shape != shape:
                raise InputError(
                    f"{where} has shape {value.shape}, expected {shape} for {architecture.name} with {network.classes} classes"
                )
            if value.dtype.kind != "f" or not np.isfinite(value).all():
                raise InputError(f"{where} holds NaN or values that are no real numbers: these weights are damaged")
            weights.append(value.reshape(shape[2:] if slot == "head" else shape).astype(np.float32))
    return weights


def _slots(layers: tuple[Layer, ...]) -> list[str]:
    found: list[str] = []
    for layer in layers:
        if isinstance(layer, Residual):
            found += _slots(layer.layers)
        elif isinstance(layer, (Conv, MaxPool)):
            found.append("conv" if isinstance(layer, Conv) else "pool")
    return found

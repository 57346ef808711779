"""The paper's published weight files: pickled lists of (W, b), read without running anything in them."""

from pathlib import Path
from typing import Any

import numpy as np

from interp.core.errors import InputError
from interp.core.network_name import split_name
from interp.core.pickles import read_array_pickle
from interp.core.tables import counted
from interp.data import DATASETS, DatasetSpec, dataset_names
from interp.models.architectures import ARCHITECTURES, Architecture, Conv, Layer, MaxPool, Residual, find_architecture
from interp.models.network import Network

# Those whose layers are pairs of kernel and bias.
_PUBLISHED = ("small", "pool", "wresnet")


def read_reference_pickle(path: Path, *, architecture: str | None = None, fold_tail: bool = True) -> Network:
    """Read one of the paper's files, whose name says what network it is (mnist_smallgap_int_100.pkl).

    The list holds (W, b) per convolution with W in HWIO order, a (NaN array, NaN) placeholder per pooling layer, and
    last a 1-tuple with the head (1, 1, d, K). With `architecture` the file may have any name. Raises InputError for anything
    else: other shapes, NaN outside placeholders, a number of classes that is not the dataset's.
    """
    content = read_array_pickle(path)
    if architecture is None:
        dataset, chosen, method = _read_name(path.stem)
    else:
        dataset, chosen, method = _guess_dataset(path, content), find_architecture(architecture), path.stem
    if chosen.name not in _PUBLISHED:
        raise InputError(
            f"{path} is a file of the paper's networks, {', '.join(_PUBLISHED)}, of which {chosen.name} is none"
        )
    network = Network(chosen.name, dataset.shape, dataset.classes, fold_tail=fold_tail)
    weights = _expected_weights(path, content, chosen, network)
    network.set_weights(weights)
    network.metadata = {
        "architecture": chosen.name,
        "dataset": dataset.prefix,
        "method": method,
        "source": f"pickle of the paper, {path.name}",
    }
    return network


def _read_name(name: str) -> tuple[DatasetSpec, Architecture, str]:
    """Dataset, architecture and method (with its numbers) by a name such as mnist_smallgap_int_100. Raises InputError."""
    words, datasets = split_name(name), dataset_names()
    tags = {architecture.file_tag: architecture for architecture in ARCHITECTURES.values()}
    if words.dataset not in datasets or words.architecture not in tags or not words.method:
        raise InputError(
            f"the name {name!r} does not say what network it is, expected dataset_architecture_method_epochs with dataset in "
            f"{', '.join(spec.prefix for spec in DATASETS.values())} and architecture in {', '.join(tags)}: rename the file or name "
            "the architecture"
        )
    return datasets[words.dataset], tags[words.architecture], words.method


def _guess_dataset(path: Path, content: Any) -> DatasetSpec:
    """The dataset of a file whose name need not say it: by the name if it does, else by its channels and classes."""
    named = dataset_names().get(split_name(path.stem).dataset)
    if named is not None:
        return named
    try:
        channels, classes = content[0][0].shape[2], content[-1][0].shape[-1]
    except (TypeError, IndexError, KeyError, AttributeError):
        raise InputError(f"{path} is refused: expected a list of (W, b) tuples, one per layer") from None
    for spec in DATASETS.values():
        if spec.paper_schedule is not None and (spec.shape[2], spec.classes) == (channels, classes):
            return spec
    raise InputError(
        f"{path} has {counted(channels, 'channel')} and {counted(classes, 'class', 'classes')}, which no dataset of the "
        "paper has: name it after one"
    )


def _expected_weights(path: Path, content: Any, architecture: Architecture, network: Network) -> list[np.ndarray]:
    """Check the entries against the network and return its weights in Keras order."""
    if not isinstance(content, list) or not all(isinstance(entry, tuple) for entry in content):
        raise InputError(f"{path} is refused: expected a list of (W, b) tuples, one per layer")
    slots = [*_slots(architecture.layers), "head"]
    if len(content) != len(slots):
        raise InputError(
            f"{path} is refused: it holds {counted(len(content), 'layer')}, {architecture.name} has {len(slots)}"
        )
    layers = iter(network.kernel_layers())
    weights: list[np.ndarray] = []
    for number, (slot, entry) in enumerate(zip(slots, content, strict=True), 1):
        where = f"{path} is refused: layer {number}"
        values = [np.asarray(part) for part in entry if isinstance(part, (np.ndarray, float))]
        if len(values) != (1 if slot == "head" else 2) or len(values) != len(entry):
            raise InputError(f"{where} is not {'a 1-tuple with the head' if slot == 'head' else 'a pair (W, b)'}")
        if slot == "pool":
            shaped = values[0].ndim == 2 and values[0].size > 0 and values[1].ndim == 0
            if not shaped or not all(np.isnan(value).all() for value in values):
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
            with np.errstate(over="ignore"):
                single = value.astype(np.float32) if value.dtype.kind == "f" else np.array(np.nan)
            if not np.isfinite(single).all():
                raise InputError(f"{where} holds NaN or values that are no float32 numbers: these weights are damaged")
            weights.append(single.reshape(shape[2:] if slot == "head" else shape))
    return weights


def _slots(layers: tuple[Layer, ...]) -> list[str]:
    found: list[str] = []
    for layer in layers:
        if isinstance(layer, Residual):
            found += _slots(layer.layers)
        elif isinstance(layer, (Conv, MaxPool)):
            found.append("conv" if isinstance(layer, Conv) else "pool")
    return found

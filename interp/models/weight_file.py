"""The package's weight files: safetensors (no code in them) with everything about the network in the metadata."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from interp.core.errors import InputError, first_line
from interp.core.files import MOST_HEADER, header_length, replacing
from interp.core.json_values import parse_json
from interp.models.architectures import find_architecture, weight_shapes
from interp.models.network import Network

FORMAT = 1


def save_model(network: Network, path: str | Path, metadata: dict[str, Any] | None = None) -> Path:
    """Write a network to a .safetensors file, completely or not at all.

    Args:
        network: A network of this package.
        path: Path of the file, which ends in .safetensors.
        metadata: JSON values such as the dataset, the training method or measured figures, added to those that the network carries
            (default: none).

    Returns:
        The path.

    Raises:
        InputError: The model is no Network, the suffix is another one, weights are not finite, or the metadata is not JSON or too large.
    """
    path = Path(path)
    if not isinstance(network, Network):
        raise InputError(
            f"save_model writes this package's networks, got {type(network).__name__}: save other models with model.save(path)"
        )
    if path.suffix != ".safetensors":
        raise InputError(f"cannot save to {path}: expected a name that ends in .safetensors")
    tensors = {variable.path: np.asarray(variable) for variable in network.weights}
    if metadata is not None and not isinstance(metadata, dict):
        raise InputError(f"the metadata came as {type(metadata).__name__}, expected a dict of JSON values")
    damaged = [name for name, values in tensors.items() if not np.isfinite(values).all()]
    if damaged:
        raise InputError(f"cannot save to {path}: {damaged[0]} holds NaN or infinite values, the training diverged")
    description = {
        **network.metadata,
        **(metadata or {}),
        "format": FORMAT,
        "architecture": network.architecture,
        "image_shape": network.image_shape,
        "classes": network.classes,
    }
    try:
        text = json.dumps(description, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"cannot save to {path}: the metadata is not JSON ({error})") from error
    if len(json.dumps(text)) > MOST_HEADER // 2:
        raise InputError(
            f"cannot save to {path}: the metadata has {len(text):,} characters, keep large values elsewhere"
        )
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(tensors, metadata={"interp": text}))
    return path


def weight_metadata(path: Path) -> dict[str, Any]:
    """What a file of `save_model` says of its network, without the weights. Raises InputError."""
    with _opened(path) as file:
        description = parse_json((file.metadata() or {}).get("interp", "null"))
    _image_shape(path, description)
    return description


def read_weight_file(path: Path, *, fold_tail: bool = True) -> Network:
    """Read a file of `save_model`; names, shapes and values are checked before use. Raises InputError."""
    description = weight_metadata(path)
    shape, classes = _image_shape(path, description), description["classes"]
    architecture = find_architecture(description["architecture"])
    if type(classes) is not int or classes < 2:
        raise InputError(f"{path} is refused: its classes, {repr(classes)[:20]}, are no whole number from 2")
    # Compared before anything is built: a small file may claim a huge network.
    expected = weight_shapes(architecture, shape, classes)
    with _opened(path) as file:
        found = set(file.keys())
        if found != set(expected):
            unknown, missing = sorted(found - set(expected)), sorted(set(expected) - found)
            raise InputError(
                f"{path} is refused: it lacks {missing[:3]} and holds unknown {[name[:40] for name in unknown[:3]]}"
            )
        for name, wanted in expected.items():
            part = file.get_slice(name)
            if tuple(part.get_shape()) != wanted or part.get_dtype() != "F32":
                raise InputError(f"{path} is refused: {name} should be float32 of shape {wanted}")
        tensors = {name: file.get_tensor(name) for name in expected}
    damaged = [name for name, values in tensors.items() if not np.isfinite(values).all()]
    if damaged:
        raise InputError(f"{path} is refused: {damaged[0]} holds values that are not finite")
    network = Network(architecture.name, shape, classes, fold_tail=fold_tail)
    network.set_weights([tensors[variable.path] for variable in network.weights])
    network.metadata = description
    return network


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, opened. Raises InputError for one that is damaged, also while it is read."""
    try:
        with open(path, "rb") as content:
            header_length(content.read(8), path.stat().st_size)
        with safetensors.safe_open(path, framework="numpy") as file:
            yield file
    except InputError:
        raise
    except (safetensors.SafetensorError, OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path} is not a readable safetensors file ({first_line(error)!r}): get or train it again"
        ) from error


def _image_shape(path: Path, description: Any) -> tuple[int, int, int]:
    """Check what the metadata says of the network and return the image shape."""
    needed = ("format", "architecture", "image_shape", "classes")
    if not isinstance(description, dict) or any(key not in description for key in needed):
        raise InputError(f"{path} was not written by this package: its metadata lacks {', '.join(needed)}")
    if description["format"] != FORMAT:
        found = repr(description["format"])[:20]
        raise InputError(f"{path} has format {found}, this version reads format {FORMAT}: update the package")
    # Beyond these sides no network of the architecture fits into memory; flat features grow with the image.
    largest = 4096 if find_architecture(description["architecture"]).average_pooled else 256
    shape = description["image_shape"]
    sides = shape if isinstance(shape, list) and len(shape) == 3 else [0]
    if not all(type(side) is int and 0 < side <= largest for side in sides):
        raise InputError(f"{path} is refused: its image_shape {repr(shape)[:60]} is not (height, width, channels)")
    return sides[0], sides[1], sides[2]

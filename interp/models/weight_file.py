"""The package's weight files: safetensors (no code in them) with everything about the network in the metadata."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from interp.core.errors import InputError
from interp.core.files import replacing
from interp.core.json_values import parse_json
from interp.models.architectures import find_architecture
from interp.models.network import Network

FORMAT = 1


def save_model(network: Network, path: str | Path, metadata: dict[str, Any] | None = None) -> Path:
    """Write the network to `path` (.safetensors), completely or not at all, and return the path.

    `metadata` (dataset, method, training arguments, measured accuracy, ...) must be JSON and is added to what the network carries.
    Raises InputError for another suffix, a model that is no Network of this package, or weights that are not finite.
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
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(tensors, metadata={"interp": text}))
    return path


def weight_metadata(path: Path) -> dict[str, Any]:
    """What a file of `save_model` says of its network, without the weights. Raises InputError."""
    description, _ = _read(path, with_tensors=False)
    _image_shape(path, description)
    return description


def read_weight_file(path: Path, *, fold_tail: bool = True) -> Network:
    """Read a file of `save_model`; names, shapes and values are checked before use. Raises InputError."""
    description, tensors = _read(path, with_tensors=True)
    shape = _image_shape(path, description)
    # Compared before the network is built: a small file may claim a huge one.
    head = tensors.get("head/kernel")
    if head is None or head.ndim != 2 or head.shape[1] != description["classes"]:
        raise InputError(f"{path} is refused: it has no head of {str(description['classes'])[:20]} classes")
    network = Network(description["architecture"], shape, description["classes"], fold_tail=fold_tail)
    names = [variable.path for variable in network.weights]
    if set(names) != set(tensors):
        unknown, missing = sorted(set(tensors) - set(names)), sorted(set(names) - set(tensors))
        raise InputError(
            f"{path} is refused: it lacks {missing[:3]} and holds unknown {[name[:40] for name in unknown[:3]]}"
        )
    for variable in network.weights:
        values = tensors[variable.path]
        if values.shape != tuple(variable.shape) or values.dtype != np.float32 or not np.isfinite(values).all():
            raise InputError(
                f"{path} is refused: {variable.path} should be finite float32 of shape {tuple(variable.shape)}"
            )
    network.set_weights([tensors[name] for name in names])
    network.metadata = description
    return network


def _read(path: Path, *, with_tensors: bool) -> tuple[Any, dict[str, np.ndarray]]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            description = parse_json((file.metadata() or {}).get("interp", "null"))
            names = file.keys() if with_tensors else ()
            return description, {name: file.get_tensor(name) for name in names}
    except (safetensors.SafetensorError, OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = repr(str(error).split("\n")[0][:120])
        raise InputError(f"{path} is not a readable safetensors file ({reason}): get or train it again") from error


def _image_shape(path: Path, description: Any) -> tuple[int, int, int]:
    """Check what the metadata says of the network and return the image shape."""
    needed = ("format", "architecture", "image_shape", "classes")
    if not isinstance(description, dict) or any(key not in description for key in needed):
        raise InputError(f"{path} was not written by this package: its metadata lacks {', '.join(needed)}")
    if description["format"] != FORMAT:
        found = str(description["format"])[:20]
        raise InputError(f"{path} has format {found}, this version reads format {FORMAT}: update the package")
    # Beyond these sides no network of the architecture fits into memory; flat features grow with the image.
    largest = 4096 if find_architecture(description["architecture"]).average_pooled else 256
    shape = description["image_shape"]
    sides = shape if isinstance(shape, list) and len(shape) == 3 else [0]
    if not all(type(side) is int and 0 < side <= largest for side in sides):
        raise InputError(f"{path} is refused: its image_shape {str(shape)[:60]} is not (height, width, channels)")
    return sides[0], sides[1], sides[2]

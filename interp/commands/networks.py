"""Networks that a command line names."""

from collections.abc import Sequence
from pathlib import Path

import keras

from interp.commands.command_line import one_line
from interp.core.errors import InputError
from interp.data import ALIASES, Dataset
from interp.models import Network, load_model
from interp.models.keras_file import WEIGHTS, WHOLE, read_keras_file
from interp.models.loading import find_network
from interp.models.model_check import run_model

# With the task, the options and what a picture shows, still the name of a file.
LONGEST = 120


def locate_network(name: str, networks_dir: Path | None = None) -> Path:
    """The file of a network. Raises InputError."""
    return Path(name) if name.endswith((WHOLE, WEIGHTS)) else find_network(name, networks_dir)


def find_used(network: Path, words: Sequence[str], name: str, networks_dir: Path | None = None) -> Path:
    """The file `name` of a result: one that the words of a command line name, or beside the network, or in the network folders.

    Raises InputError.
    """
    given = [Path(word.rpartition("=")[2]) for word in words if Path(word.rpartition("=")[2]).name == name]
    path = next((path for path in (*given, network.with_name(name)) if path.is_file()), None)
    return path or locate_network(name, networks_dir)


def open_network(path: Path, data: Dataset, network_type: str | None = None) -> keras.Model:
    """Return the network in a file, checked against the images and classes of `data`. Raises InputError."""
    name = path.name
    if name.endswith((WHOLE, WEIGHTS)):
        model = read_keras_file(path, architecture=network_type, image_shape=data.image_shape, classes=data.classes)
    else:
        model = load_model(path, architecture=network_type)
    outputs = run_model(model, data.images[:1])
    if getattr(outputs, "shape", (0, 0))[1:] != (data.classes,):
        raise InputError(
            f"{name} gives outputs of shape {tuple(getattr(outputs, 'shape', ()))} for one image of {data.name}, which has "
            f"{data.classes} classes: choose the dataset it was trained on"
        )
    return model


def check_dataset(path: Path, model: keras.Model, dataset: str, *, any_dataset: bool = False) -> list[dict[str, str]]:
    """Raise InputError for a network that says it was trained on another dataset; with `any_dataset`, return a flag that says so."""
    said = model.metadata.get("dataset") if isinstance(model, Network) else None
    if not isinstance(said, str) or _same(said) == _same(dataset):
        return []
    if not any_dataset:
        raise InputError(
            f"{path.name} says that it was trained on {one_line(said)[:40]}, it is to be evaluated on {dataset}: choose --dataset "
            f"{one_line(said)[:40]}, or add --any-dataset if that is meant"
        )
    text = f"{network_stem(path.name)} was trained on {one_line(said)[:40]}, the images are of {dataset}"
    return [{"kind": "other dataset", "text": text}]


def _same(dataset: str) -> str:
    return ALIASES.get(dataset.lower(), dataset.lower())


def network_stem(name: str) -> str:
    """The network's name without folder and suffix, for the names of results: printable, in any encoding. Raises InputError."""
    stem = one_line(Path(name).name).encode("utf-8", "replace").decode()
    if len(stem.encode()) > LONGEST:
        raise InputError(
            f"the network's name has {len(stem.encode())} bytes, results are named after it: rename it to at most {LONGEST}"
        )
    for suffix in (".safetensors", ".pkl", WHOLE, WEIGHTS):
        stem = stem.removesuffix(suffix)
    return stem

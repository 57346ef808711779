"""Networks that a command line names, and those of the training scripts."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interp.core.command_line import one_line
from interp.core.errors import InputError
from interp.core.files import visible_files
from interp.core.network_files import (
    SUFFIXES,
    WEIGHTS,
    WHOLE,
    find_network,
    locate_network,
    network_folders,
    network_stem,
)
from interp.core.network_name import parse_name, split_name
from interp.data import Dataset, dataset_names, find_dataset
from interp.training.profiles import on_dataset
from interp.training.recipes import recipes

if TYPE_CHECKING:
    import keras

    from interp.commands.experiments import Section


@dataclass(frozen=True)
class NetworkOnDataset:
    """A network to evaluate: its name, its file, and the dataset it is for."""

    name: str
    path: Path
    dataset: str


def networks_of(
    section: "Section", dataset: str | None, networks_dir: Path | None
) -> tuple[list[NetworkOnDataset], list[str]]:
    """Return the networks of a section that are there, and the names, without epochs, of those that are not.

    With `dataset` those of the same training scripts on it.
    """
    files = [file for folder in network_folders(networks_dir) for file in visible_files(folder, SUFFIXES)]
    found, missing = [], []
    for unnumbered, prefix in _recipes_of(section, dataset):
        named = [file for file in files if re.fullmatch(rf"{re.escape(unnumbered)}_\d+", file.stem)]
        if not named:
            missing.append(unnumbered)
        # The first directory that holds a name wins, and in it this project's own kind of file.
        for stem in dict.fromkeys(file.stem for file in named):
            found.append(NetworkOnDataset(stem, find_network(stem, networks_dir), prefix))
    return found, missing


def named_networks(names: Sequence[str], dataset: str | None, networks_dir: Path | None) -> list[NetworkOnDataset]:
    """Return the networks of these names or paths. Raises InputError for one that is not there."""
    chosen: list[NetworkOnDataset] = []
    for name in names:
        path = locate_network(name, networks_dir)
        stem = network_stem(path.name)
        place = dataset or split_name(stem).dataset
        if dataset is None and place not in dataset_names():
            raise InputError(f"the name {stem} does not say on which dataset to evaluate it: give --dataset")
        if any(stem == other.name for other in chosen):
            raise InputError(f"two networks are named {stem}: evaluate them with an --out for each")
        chosen.append(NetworkOnDataset(stem, path, place))
    return chosen


def is_left_out(name: str, section: "Section") -> bool:
    """Whether a network's name says that its method has nothing to do in a section."""
    parts = parse_name(name)
    return parts is not None and parts.tag in section.without


def _recipes_of(section: "Section", dataset: str | None) -> Iterable[tuple[str, str]]:
    """Names without epochs, each with its dataset, in the order of the scripts."""
    wanted = None if dataset is None else find_dataset(dataset).prefix
    rows = [row for script in section.scripts for row in recipes(script) if row.objective not in section.without]
    if wanted is not None:
        there = [row for row in rows if row.dataset == wanted]
        rows = there or [on_dataset(row, wanted) for row in rows]
    elif section.datasets:
        rows = [row for row in rows if row.dataset in section.datasets]
    return dict.fromkeys((row.network_name.unnumbered, row.dataset) for row in rows)


def find_used(network: Path, words: Sequence[str], name: str, networks_dir: Path | None = None) -> Path:
    """The file `name` of a result: one that the words of a command line name, or beside the network, or among the networks.

    Raises InputError.
    """
    given = [Path(word.rpartition("=")[2]) for word in words if Path(word.rpartition("=")[2]).name == name]
    path = next((path for path in (*given, network.with_name(name)) if path.is_file()), None)
    return path or locate_network(name, networks_dir)


def open_network(path: Path, data: Dataset, network_type: str | None = None) -> "keras.Model":
    """Return the network in a file, checked against the images and classes of `data`. Raises InputError."""
    from interp.models import load_model
    from interp.models.keras_file import read_keras_file
    from interp.models.model_check import run_model

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


def check_dataset(path: Path, model: "keras.Model", dataset: str, *, any_dataset: bool = False) -> list[dict[str, str]]:
    """Raise InputError for a network that says it was trained on another dataset; with `any_dataset`, return a flag that says so."""
    from interp.models import Network

    said = model.metadata.get("dataset") if isinstance(model, Network) else None
    if not isinstance(said, str) or said.lower() in find_dataset(dataset).names:
        return []
    said = one_line(said)[:40]
    if not any_dataset:
        raise InputError(
            f"{path.name} says that it was trained on {said}, it is to be evaluated on {dataset}: choose --dataset {said}, or add "
            "--any-dataset if that is meant"
        )
    text = f"{network_stem(path.name)} was trained on {said}, the images are of {dataset}"
    return [{"kind": "other dataset", "text": text}]

"""Networks that a command line names, and those of the training scripts."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interp.core.errors import InputError
from interp.core.files import visible_files
from interp.core.network_files import APPLICATIONS, SUFFIXES, NetworkFile, find_file, find_network, network_folders
from interp.core.network_name import parse_name, split_name
from interp.data import dataset_names, find_dataset
from interp.training.profiles import on_dataset
from interp.training.recipes import recipes

if TYPE_CHECKING:
    from interp.commands.experiments import Section


@dataclass(frozen=True)
class NetworkOnDataset:
    """A network to evaluate, and the dataset it is for."""

    file: NetworkFile
    dataset: str

    @property
    def name(self) -> str:
        """The name of its results."""
        return self.file.name


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
            found.append(NetworkOnDataset(NetworkFile(find_network(stem, networks_dir), stem), prefix))
    return found, missing


def named_networks(
    names: Sequence[str], dataset: str | None, networks_dir: Path | None, weights: Path | None
) -> list[NetworkOnDataset]:
    """Return the networks of these names or paths; `weights` are for those of keras.applications. Raises InputError."""
    chosen: list[NetworkOnDataset] = []
    if weights is not None and not any(name.startswith(APPLICATIONS) for name in names):
        raise InputError("--weights is for --networks keras.applications.NAME: leave it out")
    for name in names:
        file = find_file(name, networks_dir, weights if name.startswith(APPLICATIONS) else None)
        place = dataset or split_name(file.name).dataset
        if dataset is None and place not in dataset_names():
            raise InputError(f"the name {file.name} does not say on which dataset to evaluate it: give --dataset")
        if any(file.name == other.name for other in chosen):
            raise InputError(f"two networks are named {file.name}: evaluate them with an --out for each")
        chosen.append(NetworkOnDataset(file, place))
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

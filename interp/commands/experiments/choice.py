"""Which networks a section evaluates: those of the training scripts that are there, whatever their number of epochs."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from interp.commands.experiments.sections import Section
from interp.commands.networks import locate_network, network_stem
from interp.core.errors import InputError
from interp.core.files import visible_files
from interp.data import ALIASES, DATASETS
from interp.models.loading import SUFFIXES, find_network, network_folders
from interp.training.profiles import on_dataset
from interp.training.recipes import recipes


@dataclass(frozen=True)
class Chosen:
    """A network to evaluate: its name, its file, and the dataset it is for."""

    name: str
    path: Path
    dataset: str


def networks_of(section: Section, dataset: str | None, networks_dir: Path | None) -> tuple[list[Chosen], list[str]]:
    """Return the networks of a section that are there, and the names, without epochs, of those that are not.

    With `dataset` those of the same training scripts on it.
    """
    folders = network_folders(networks_dir)
    files = [file for folder in folders for file in visible_files(folder, SUFFIXES)]
    found, missing = [], []
    for family, place in _families(section, dataset):
        named = [file for file in files if re.fullmatch(rf"{re.escape(family)}_\d+", file.stem)]
        if not named:
            missing.append(family)
        # The first folder that holds a name wins, and in it this project's own kind of file.
        for stem in dict.fromkeys(file.stem for file in named):
            found.append(Chosen(stem, find_network(stem, networks_dir), place))
    return found, missing


def named_networks(names: Sequence[str], dataset: str | None, networks_dir: Path | None) -> list[Chosen]:
    """Return the networks of these names or paths. Raises InputError for one that is not there."""
    chosen: list[Chosen] = []
    for name in names:
        path = locate_network(name, networks_dir)
        stem = network_stem(path.name)
        place = dataset or stem.split("_")[0]
        if place not in {*DATASETS, *ALIASES}:
            raise InputError(f"the name {stem} does not say on which dataset to evaluate it: give --dataset")
        if any(stem == other.name for other in chosen):
            raise InputError(f"two networks are named {stem}: evaluate them with an --out for each")
        if not path.is_file():
            raise InputError(f"no network file {path}: check the path")
        chosen.append(Chosen(stem, path, place))
    return chosen


def is_left_out(name: str, section: Section) -> bool:
    """Whether a network's name says that its method has nothing to do in a section."""
    return any(f"_{objective}_" in name for objective in section.without)


def _families(section: Section, dataset: str | None) -> Iterable[tuple[str, str]]:
    """Names without epochs, each with its dataset, in the order of the scripts."""
    wanted = "cifar" if dataset == "cifar10" else dataset
    rows = [row for script in section.scripts for row in recipes(script) if row.objective not in section.without]
    if section.datasets and wanted is None:
        rows = [row for row in rows if row.dataset in section.datasets]
    prefixes = {row.dataset for row in rows}
    if wanted is not None:
        rows = (
            [row for row in rows if row.dataset == wanted]
            if wanted in prefixes
            else [on_dataset(row, wanted) for row in rows]
        )
    return dict.fromkeys((row.name.rsplit("_", 1)[0], row.dataset) for row in rows)

"""Datasets by name: `load("mnist", "test")` gives images, labels and where they came from, `find_dataset("mnist")` its facts."""

from pathlib import Path

from interp.core.errors import check_choice
from interp.data.cifar10 import SPEC as CIFAR10
from interp.data.digits import SPEC as DIGITS
from interp.data.mnist import SPEC as MNIST
from interp.data.pixels import ScaledPixels
from interp.data.record import SPLITS, Dataset
from interp.data.restricted_imagenet import SPEC as RESTRICTED_IMAGENET
from interp.data.spec import DatasetSpec, RetrainingSpec, ScheduleSpec

__all__ = [
    "DATASETS",
    "SPLITS",
    "Dataset",
    "DatasetSpec",
    "RetrainingSpec",
    "ScaledPixels",
    "ScheduleSpec",
    "dataset_names",
    "find_dataset",
    "load",
]

# A new dataset is a line here.
DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        DIGITS,
        MNIST,
        CIFAR10,
        RESTRICTED_IMAGENET,
    )
}


def dataset_names() -> dict[str, DatasetSpec]:
    """Return the datasets by every name that is accepted: their own first, then aliases and prefixes of network files."""
    return {**DATASETS, **{name: spec for spec in DATASETS.values() for name in spec.names}}


def find_dataset(name: str) -> DatasetSpec:
    """Return the facts of a dataset by its name, an alias or the prefix of its network files.

    Raises InputError, with the nearest name, for an unknown one.
    """
    known = dataset_names()
    return known[check_choice("dataset", name, known)]


def load(name: str, split: str, *, data_dir: str | Path | None = None, seed: int = 99) -> Dataset:
    """Return the train, validation or test split of a dataset in DATASETS, images (n, h, w, c) float32 in [0, 1].

    Files are searched in `data_dir`, else in the folder INTERP_DATA_DIR names; `seed` draws the split of the digits.
    Raises InputError for an unknown name and for files that are missing or damaged.
    """
    spec = find_dataset(name)
    check_choice("split", split, SPLITS)
    return spec.load(split, data_dir, seed)

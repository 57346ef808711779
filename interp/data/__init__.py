"""Datasets by name: `load("mnist", "test")` gives images, labels and where they came from."""

from collections.abc import Callable
from pathlib import Path

from interp.core.errors import check_choice
from interp.data.cifar10 import load_cifar10
from interp.data.digits import load_digits
from interp.data.mnist import load_mnist
from interp.data.pixels import ScaledPixels
from interp.data.record import SPLITS, Dataset
from interp.data.restricted_imagenet import load_restricted_imagenet

__all__ = ["ALIASES", "DATASETS", "SPLITS", "Dataset", "ScaledPixels", "load"]

# Every loader takes the split, the data folder and the seed; each uses what it needs.
Loader = Callable[[str, str | Path | None, int], Dataset]

DATASETS: dict[str, Loader] = {
    "digits": lambda split, data_dir, seed: load_digits(split, seed=seed),
    "mnist": lambda split, data_dir, seed: load_mnist(split, data_dir=data_dir),
    "cifar10": lambda split, data_dir, seed: load_cifar10(split, data_dir=data_dir),
    "restimagenet": lambda split, data_dir, seed: load_restricted_imagenet(split, data_dir=data_dir),
}

# Files of networks begin with `cifar`.
ALIASES = {"cifar": "cifar10"}


def load(name: str, split: str, *, data_dir: str | Path | None = None, seed: int = 99) -> Dataset:
    """Return the train, validation or test split of a dataset in DATASETS, images (n, h, w, c) float32 in [0, 1].

    Files are searched in `data_dir`, else in the folder INTERP_DATA_DIR names; `seed` draws the split of the digits.
    Raises InputError for an unknown name and for files that are missing or damaged.
    """
    check_choice("dataset", name, [*DATASETS, *ALIASES])
    check_choice("split", split, SPLITS)
    return DATASETS[ALIASES.get(name, name)](split, data_dir, seed)

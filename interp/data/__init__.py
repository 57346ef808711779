"""Datasets by name or path: `load("mnist", "test")` gives images, labels and their source, `find_dataset("mnist")` its facts."""

from pathlib import Path

from interp.core.checks import check_instance
from interp.core.errors import InputError, check_choice
from interp.data.cifar10 import SPEC as CIFAR10
from interp.data.digits import SPEC as DIGITS
from interp.data.image_rules import ImageRules
from interp.data.mnist import SPEC as MNIST
from interp.data.pixels import ScaledPixels
from interp.data.record import SPLITS, Dataset
from interp.data.restricted_imagenet import SPEC as RESTRICTED_IMAGENET
from interp.data.spec import DatasetSpec, RetrainingSpec, ScheduleSpec
from interp.data.tf_datasets import from_tf_dataset
from interp.data.user_arrays import from_arrays
from interp.data.user_sets import find_user_set, is_path

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
    "from_arrays",
    "from_tf_dataset",
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
    """List the datasets by every name that is accepted: their own first, then aliases and prefixes of network files.

    Returns:
        A DatasetSpec by each name.
    """
    return {**DATASETS, **{name: spec for spec in DATASETS.values() for name in spec.names}}


def find_dataset(
    name: str | Path,
    *,
    data_dir: str | Path | None = None,
    image_size: int | tuple[int, int] | None = None,
    crop: str | None = None,
    unreadable: str | None = None,
    color_mode: str | None = None,
) -> DatasetSpec:
    """Find what is known of a dataset by its name, an alias or the prefix of its network files, or of your own images by their path.

    Args:
        name: A name in DATASETS, or the path of your own images, as for `load`.
        data_dir: The directory of datasets (default: the one that INTERP_DATA_DIR names).
        image_size: (height, width) of your own images, or one number for both (default: the size that all have).
        crop: "center" cuts the largest centred part of that shape and resizes it, "none" resizes both sides (default: "center").
        unreadable: "error" refuses a file that cannot be read, "skip" leaves it out with a warning (default: "error").
        color_mode: "rgb" makes three equal channels of grey images, "grayscale" one of colours (default: "rgb" where any has colours).

    Returns:
        A DatasetSpec.

    Raises:
        InputError: The name is unknown, or the path is no set of images.
    """
    check_instance("the dataset", name, (str, Path), "'mnist' or Path('photographs')")
    known = dataset_names()
    given = {"image_size": image_size, "crop": crop, "unreadable": unreadable, "color_mode": color_mode}
    asked = {option: value for option, value in given.items() if value is not None}
    if not isinstance(name, Path) and name in known:
        if asked:
            raise InputError(f"{', '.join(asked)} is for images of your own: leave it out for {name}")
        return known[name]
    if is_path(name):
        return find_user_set(name, ImageRules(**asked) if asked else None, known, data_dir)  # type: ignore[arg-type]
    try:
        return known[check_choice("dataset", name, known)]
    except InputError as error:
        raise InputError(f"{error}, or the path of your own images") from None


def load(
    name: str | Path,
    split: str,
    *,
    data_dir: str | Path | None = None,
    seed: int = 99,
    image_size: int | tuple[int, int] | None = None,
    crop: str | None = None,
    unreadable: str | None = None,
    color_mode: str | None = None,
) -> Dataset:
    """Load a split of a dataset.

    A path gives images of your own. It may be a directory with a subdirectory for each class, or with train/, validation/ (or val/) and
    test/ that hold these; an .npz file, or a directory of .npy files, with the arrays x_train, y_train, x_test, y_test, or train_images,
    train_labels, val_images and so on, or images and labels; or tfds:NAME, a set that TensorFlow Datasets prepared in the directory of
    datasets. Arrays are as `from_arrays` takes them.

    Where no split is given, all are drawn by the seed, stratified by class: 80% train, 10% validation, 10% test. Where train is given and
    validation is not, a tenth of train becomes validation; a train or test that is missing beside others is refused. Files of images come
    in an order of that seed, arrays in their own.

    Files are decoded once and kept as bytes in the directory that INTERP_CACHE_DIR names (default: ~/.cache/interp), from where they are
    read row by row; it may be deleted at any time. EXIF orientation is applied, transparency lies on white, palettes are looked up, of
    16 bits the upper 8 are kept. A set of grey files has one channel; where there is a file in colour, all have three.

    Args:
        name: A name in DATASETS, or the path of your own images.
        split: "train", "validation" or "test".
        data_dir: The directory of datasets (default: the one that INTERP_DATA_DIR names).
        seed: Seed that draws the split of the digits, and of your own images where they come without.
        image_size: (height, width) of your own images, or one number for both (default: the size that all have).
        crop: "center" cuts the largest centred part of that shape and resizes it, "none" resizes both sides (default: "center").
        unreadable: "error" refuses a file that cannot be read, "skip" leaves it out with a warning (default: "error").
        color_mode: "rgb" makes three equal channels of grey images, "grayscale" one of colours (default: "rgb" where any has colours).
            These four stay as `find_dataset` or `load` was last given them for a path in this process.

    Returns:
        A Dataset, its images float32 (n, height, width, channels) in [0, 1].

    Raises:
        InputError: The name is unknown, or files are missing, damaged, or not laid out as above.
    """
    spec = find_dataset(
        name, data_dir=data_dir, image_size=image_size, crop=crop, unreadable=unreadable, color_mode=color_mode
    )
    check_choice("split", split, SPLITS)
    return spec.load(split, data_dir, seed)

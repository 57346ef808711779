"""A set that TensorFlow Datasets prepared, by its name: tfds:NAME."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from interp.core.errors import InputError
from interp.core.tables import counted
from interp.data.decoding import fit_array
from interp.data.drawn_splits import draw_splits
from interp.data.folders import data_folder
from interp.data.image_rules import ImageRules
from interp.data.pixel_cache import Row, cached_images
from interp.data.pixels import ScaledPixels
from interp.data.preparing import prepared_in
from interp.data.record import Dataset
from interp.data.spec import DatasetSpec
from interp.data.tfds import Prepared
from interp.data.user_spec import count_training, user_spec


def tfds_spec(wanted: str, name: str, rules: ImageRules, data_dir: str | Path | None) -> DatasetSpec:
    """Return the facts of a set that is prepared in the directory of datasets; nothing is downloaded. Raises InputError."""
    prepared = prepared_in(wanted, data_folder(data_dir))
    shape, names = _facts(prepared, rules)
    splits = prepared.splits()
    train = splits.get("train", 0)
    if train and "validation" not in splits:
        train = count_training(lambda: len(_load(prepared, "train", shape, names, rules, 0, name)))

    def load(split: str, data_dir: str | Path | None, seed: int) -> Dataset:
        return _load(prepared, split, shape, names, rules, seed, name)

    return user_spec(name, shape, names, train, load)


def _facts(prepared: Prepared, rules: ImageRules) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    """Shape and class names by the metadata. Raises InputError for a set that is no set of images with a class each."""
    found = prepared.features()
    if found is None:
        raise InputError(
            f"{prepared.folder} has no features named image and label (one class each), expected a set for classification: choose another"
        )
    (height, width, channels), names = found
    if channels not in (1, 3):
        raise InputError(f"images of {prepared.folder} have {channels} channels, expected 1 or 3: choose another set")
    if len(names) < 2:
        raise InputError(
            f"{prepared.folder} has {counted(len(names), 'class', 'classes')}, expected at least two: choose another set"
        )
    if rules.image_size is not None:
        height, width = rules.image_size
    if height is None or width is None:
        raise InputError(
            f"images of {prepared.folder} may differ in size: bring them to one with --image-size, such as --image-size 64,64"
        )
    return rules.shape(height, width, channels), names


def _load(
    prepared: Prepared,
    split: str,
    shape: tuple[int, int, int],
    names: tuple[str, ...],
    rules: ImageRules,
    seed: int,
    name: str,
) -> Dataset:
    splits = prepared.splits()
    is_drawn = split != "test" and "validation" not in splits
    stored = "train" if is_drawn else split
    if not splits.get(stored):
        raise InputError(
            f"{prepared.folder} has no split {stored}, it has {', '.join(splits) or 'none'}: choose another set"
        )
    about = prepared.folder / "dataset_info.json"
    parts = [str(prepared.folder.resolve()), about.stat().st_mtime_ns, stored, rules.crop]
    found = cached_images(parts, shape, lambda: _rows(prepared, stored, shape, len(names), rules), f"{name}, {stored}")
    images, labels, told = ScaledPixels(found.images), found.labels, ""
    if is_drawn:
        rows = draw_splits(labels, names, ("validation",), seed)[split]
        images, labels, told = images.rows(rows), labels[rows], f", split drawn by seed {seed}"
    return Dataset(
        images=images,
        labels=labels,
        class_names=names,
        source=f"{prepared.source}{rules.told()}{told}",
        split=split,
        name=name,
    )


def _rows(
    prepared: Prepared, split: str, shape: tuple[int, int, int], classes: int, rules: ImageRules
) -> Iterator[Row]:
    for image, label in prepared.stream(split, np.ones(classes, bool)):
        if image.dtype != np.uint8:
            raise InputError(f"images of {prepared.folder} are {image.dtype}, expected bytes: choose another set")
        if not 0 <= label < classes:
            raise InputError(
                f"{prepared.folder} holds the label {label}, it has classes 0 to {classes - 1}: choose another set"
            )
        yield fit_array(image, shape, rules), label

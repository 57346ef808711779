"""Arrays of users in files: an .npz, or .npy files in a directory, under the names that are in use."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from interp.core.errors import InputError, first_line
from interp.core.files import DAMAGED_ARRAY
from interp.core.tables import counted
from interp.data.drawn_splits import draw_splits
from interp.data.image_rules import ImageRules
from interp.data.pixels import ScaledPixels
from interp.data.record import SPLITS, Dataset
from interp.data.spec import DatasetSpec
from interp.data.user_arrays import make_datasets
from interp.data.user_spec import count_training, user_spec

_ALL = "all"
# Keras's mnist.npz has x_train and y_train, MedMNIST train_images and train_labels.
_WORDS: dict[str, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "val", "valid"),
    "test": ("test",),
}
KEYS: dict[str, list[tuple[str, str]]] = {
    split: [pair for word in words for pair in ((f"x_{word}", f"y_{word}"), (f"{word}_images", f"{word}_labels"))]
    for split, words in _WORDS.items()
} | {_ALL: [("images", "labels"), ("x", "y")]}
_NAMES = "class_names"
_EXPECTED = "x_train, y_train, x_test, y_test (as in Keras's mnist.npz), train_images, train_labels and so on, or images, labels"


def arrays_inside(folder: Path) -> bool:
    """Whether a directory holds .npy files under names that are known."""
    return any((folder / f"{images}.npy").is_file() for pairs in KEYS.values() for images, _ in pairs)


def arrays_spec(path: Path, name: str, rules: ImageRules) -> DatasetSpec:
    """Return the facts of an .npz file, or of a directory of .npy files. Raises InputError naming what is wrong with it."""
    train = _train(_parts(path, name), 0, path)
    one = next(iter(_parts(path, name).values()))
    if rules.image_size not in (None, one.image_shape[:2]):
        raise InputError(
            f"the images of {path} are arrays of {one.image_shape[0]}x{one.image_shape[1]} pixels, --image-size is for files of images: "
            "leave it out, or resize them yourself"
        )
    channels = one.image_shape[2]
    if rules.shape(*one.image_shape)[2] != channels:
        mend = "numpy.repeat(images, 3, -1)" if channels == 1 else "tf.image.rgb_to_grayscale(images).numpy()"
        raise InputError(
            f"the images of {path} are arrays of {counted(channels, 'channel')}, --color-mode is for files of images: leave it out, or "
            f"keep {mend} in their place"
        )

    def load(split: str, data_dir: str | Path | None, seed: int) -> Dataset:
        return _split(_parts(path, name), split, seed, path)

    return user_spec(name, one.image_shape, one.class_names, train, load)


def _train(parts: Mapping[str, Dataset], seed: int, path: Path) -> int:
    has_training = "train" in parts or _ALL in parts
    return count_training(lambda: len(_split(parts, "train", seed, path))) if has_training else 0


def _split(parts: Mapping[str, Dataset], split: str, seed: int, path: Path) -> Dataset:
    """A split as it is stored, else drawn. Raises InputError."""
    drawn: tuple[str, ...]
    if _ALL in parts:
        source, drawn = parts[_ALL], SPLITS[1:]
    elif "train" in parts and "validation" not in parts and split != "test":
        source, drawn = parts["train"], SPLITS[1:2]
    elif split in parts:
        return parts[split]
    else:
        raise InputError(f"{path} holds no images of {split} beside {', '.join(parts)}: add them")
    rows = draw_splits(source.labels, source.class_names, drawn, seed)[split]
    images = source.images
    chosen = images.rows(rows) if isinstance(images, ScaledPixels) else images[rows]
    told = f"{source.source}, split drawn by seed {seed}"
    return replace(source, images=chosen, labels=source.labels[rows], split=split, source=told)


def _parts(path: Path, name: str) -> dict[str, Dataset]:
    """The splits that are stored, read once while the files stay as they are. Raises InputError."""
    try:
        files = sorted(path.glob("*.npy")) if path.is_dir() else [path]
        stamp = tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return _read(path, name, stamp)


@lru_cache(maxsize=1)
def _read(path: Path, name: str, stamp: tuple[tuple[str, int, int], ...]) -> dict[str, Dataset]:
    arrays = _from_folder(path) if path.is_dir() else _from_npz(path)
    found = {}
    for split, pairs in KEYS.items():
        for images, labels in pairs:
            if images in arrays and labels in arrays and split not in found:
                found[split] = (arrays[images], arrays[labels])
            elif (images in arrays) != (labels in arrays):
                there, lacks = (images, labels) if images in arrays else (labels, images)
                raise InputError(f"{path} holds {there} and no {lacks}: add it")
    if not found:
        there = ", ".join(arrays) or "no arrays"
        raise InputError(f"{path} holds {there}, expected {_EXPECTED}: rename them")
    if _ALL in found and len(found) > 1:
        raise InputError(f"{path} holds all images together and in splits: leave one of them")
    names = arrays.get(_NAMES)
    if names is not None and names.ndim != 1:
        raise InputError(f"{path} holds {_NAMES} of shape {names.shape}, expected a text for each class, (classes,)")
    # What is to be drawn is no split yet; it is a split of its own until then.
    as_splits = {"train" if split == _ALL else split: part for split, part in found.items()}
    told = f"arrays of {path.name or path}"
    made = make_datasets(as_splits, None if names is None else names.tolist(), name=name, source=told)
    for part in made.values():
        # All that load the set share these; what one of them changed the others would find.
        for array in (part.images, part.labels):
            if isinstance(array, np.ndarray):
                array.flags.writeable = False
    return {_ALL: made["train"]} if _ALL in found else made


def _from_npz(path: Path) -> dict[str, np.ndarray]:
    """The known arrays of an archive; nothing that is pickled is opened."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError(f"{path} is one array, expected an archive of {_EXPECTED}")
            return {key: _member(archive, key, path) if key in _known() else np.empty(0) for key in archive.files}
    except DAMAGED_ARRAY as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} cannot be read as an archive of arrays ({first_line(error)}): write it again with np.savez"
        ) from error


def _member(archive: "np.lib.npyio.NpzFile", key: str, path: Path) -> np.ndarray:
    try:
        return np.asarray(archive[key])
    except DAMAGED_ARRAY as error:
        raise _unreadable(f"{key} of {path}", error) from error


def _from_folder(path: Path) -> dict[str, np.ndarray]:
    """The known arrays of a directory, which stay on disk until they are looked at."""
    found = {}
    for key in _known():
        file = path / f"{key}.npy"
        if os.path.isfile(file):
            try:
                array = np.load(file, mmap_mode="r", allow_pickle=False)
            except DAMAGED_ARRAY as error:
                raise _unreadable(str(file), error) from error
            if not isinstance(array, np.ndarray):
                array.close()
                raise InputError(f"{file} is an archive of arrays, expected one array: write it again with np.save")
            found[key] = array
    return found


def _known() -> set[str]:
    return {_NAMES, *(key for pairs in KEYS.values() for pair in pairs for key in pair)}


def _unreadable(what: str, error: Exception) -> InputError:
    if "allow_pickle" in str(error) or "Python objects" in str(error) or "pickled" in str(error):
        return InputError(
            f"{what} holds Python objects, which are not opened, as they can run code: save an array of numbers"
        )
    return InputError(f"{what} cannot be read ({first_line(error)}): write it again with NumPy")

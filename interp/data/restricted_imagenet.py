"""Restricted ImageNet: four .npy arrays, made once from ImageNet where they are not there yet."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from interp.core.errors import InputError, first_line
from interp.core.files import DAMAGED_ARRAY
from interp.data.folders import VARIABLE, below, complete_set, data_folder
from interp.data.pixels import ScaledPixels
from interp.data.preparing import Preparable, find_prepared
from interp.data.record import Dataset
from interp.data.spec import DatasetSpec, RetrainingSpec, ScheduleSpec
from interp.data.splits import split_rows
from interp.data.superclasses import CLASS_NAMES, ORIGIN, SIDE, SUPERCLASS, Example, write_arrays
from interp.data.tfds import Prepared

_TFDS = Preparable(
    name="imagenet2012",
    archives=("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"),
    advice="put train_images.npy, train_labels.npy, eval_images.npy and eval_labels.npy into the data folder, "
    "or ImageNet's two archives where they are missing",
)


def load_restricted_imagenet(split: str, *, data_dir: str | Path | None = None) -> Dataset:
    """Return a split of Restricted ImageNet, images (n, 224, 224, 3) memory-mapped.

    Where the arrays are missing they are written from ImageNet to `data_dir`/restimagenet (about 40 GB).
    Raises InputError naming the file or folder at fault.
    """
    root = data_folder(data_dir)
    if root is None:
        raise InputError(f"Restricted ImageNet needs a folder for its arrays: name one with data_dir or {VARIABLE}")
    folders = below(root, ".", "imagenet", "restimagenet")
    prefix = "eval" if split == "test" else "train"
    wanted = [[f"{prefix}_images.npy"], [f"{prefix}_labels.npy"]]
    paths = complete_set(folders, wanted)
    if paths is None:
        _make(find_prepared(_TFDS, root, folders), folders[-1])
        paths = complete_set(folders[-1:], wanted)
        if paths is None:
            raise InputError(f"{folders[-1]} lost its arrays while they were made: load again")
    images, labels = read_arrays(*paths)
    rows = split_rows(split, len(labels), paths[0])
    return Dataset(
        images=ScaledPixels(images[rows]),
        labels=labels[rows],
        class_names=CLASS_NAMES,
        source=_source(paths[0].parent),
        split=split,
        name=SPEC.name,
    )


def read_arrays(images_path: Path, labels_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 224, 224, 3) uint8, memory-mapped, and labels (n,) int64; raises InputError naming the file."""
    images = _read(images_path)
    labels = _read(labels_path)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (SIDE, SIDE, 3):
        raise InputError(
            f"{images_path} holds {images.dtype} of shape {images.shape}, expected uint8 (n, {SIDE}, {SIDE}, 3)"
        )
    if len(images) == 0:
        raise InputError(f"{images_path} holds no images: get the file again")
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != images.shape[:1]:
        raise InputError(
            f"{labels_path} holds {labels.dtype} of shape {labels.shape}, expected integers ({len(images)},), "
            f"one for each of {images_path.name}"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(CLASS_NAMES):
        raise InputError(f"{labels_path} holds labels in [{low}, {high}], expected 0 to {len(CLASS_NAMES) - 1}")
    return images, np.array(labels, np.int64)


def _read(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGED_ARRAY as error:
        raise InputError(f"{path} is not a readable .npy array ({first_line(error)}): get the file again") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{path} is an archive of arrays, expected one .npy array")
    return array


def _make(prepared: Prepared, folder: Path) -> None:
    """Write the arrays from ImageNet's training and validation examples."""
    train, evaluation = (_with_progress(prepared, split) for split in ("train", "validation"))
    write_arrays(train, evaluation, folder, origin=prepared.source)


def _with_progress(prepared: Prepared, split: str) -> Iterator[Example]:
    from tqdm import tqdm

    examples = prepared.stream(split, SUPERCLASS >= 0)
    yield from tqdm(examples, total=prepared.count(split), desc=f"Restricted ImageNet, {split}", unit="image")


def _source(folder: Path) -> str:
    try:
        origin = (folder / ORIGIN).read_text(encoding="utf-8").strip()
    except OSError:
        return "Restricted ImageNet arrays (npy)"
    return f"Restricted ImageNet arrays (npy) made from {origin}"


SPEC = DatasetSpec(
    name="restimagenet",
    shape=(SIDE, SIDE, 3),
    classes=len(CLASS_NAMES),
    class_names=CLASS_NAMES,
    training_images=252_000,
    epsilons=(0.0, 0.001, 0.002, 0.003, 0.004),
    map_epsilons=(0.003,),
    usual_radius=0.003,
    paper_schedule=ScheduleSpec(
        epochs=35,
        batch_size=64,
        learning_rates=((0, 1e-3), (8_000, 1e-4), (16_000, 1e-5)),
        epsilon=0.003,
        ramp=(5_000, 10_000),
        attack_steps=7,
        attack_step_size=0.1,
    ),
    retraining=RetrainingSpec(images=5_000, epochs=10, batch_size=64, learning_rate=1e-3),
    load=lambda split, data_dir, seed: load_restricted_imagenet(split, data_dir=data_dir),
)

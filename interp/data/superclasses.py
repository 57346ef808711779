"""From a stream of ImageNet examples to the arrays of Restricted ImageNet: nine superclasses, 224x224 pixels."""

import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from interp.core.errors import InputError
from interp.data.npy_file import growing_npy

SIDE = 224
ORIGIN = "source.txt"

# Inclusive ranges of ImageNet's 1,000 labels; the place in this table is the new label.
RANGES = {
    "dog": (151, 268),
    "cat": (281, 285),
    "frog": (30, 32),
    "turtle": (33, 37),
    "bird": (80, 100),
    "primate": (365, 382),
    "fish": (389, 397),
    "crab": (118, 121),
    "insect": (300, 319),
}
CLASS_NAMES = tuple(RANGES)

# The superclass of each ImageNet label, -1 for none.
SUPERCLASS = np.full(1000, -1, np.int64)
for _label, (_first, _last) in enumerate(RANGES.values()):
    SUPERCLASS[_first : _last + 1] = _label

Example = tuple[np.ndarray, int]


def resize(image: np.ndarray) -> np.ndarray:
    """Return an image (h, w, 3) uint8 as (224, 224, 3); raises InputError for anything else."""
    import cv2

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InputError(f"an image came as {image.dtype} {image.shape}, expected uint8 (height, width, 3)")
    shrinks = min(image.shape[:2]) > SIDE
    return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def write_split(examples: Iterable[Example], images_path: Path, labels_path: Path) -> int:
    """Write those of the examples (image (h, w, 3) uint8, ImageNet label) that have a superclass; return how many.

    Raises InputError for an image or label that cannot be used, or if none has a superclass.
    """
    count = 0
    with (
        growing_npy(images_path, (SIDE, SIDE, 3), np.uint8) as add_image,
        growing_npy(labels_path, (), np.int64) as add_label,
    ):
        for image, label in examples:
            if not 0 <= label < len(SUPERCLASS):
                raise InputError(f"an ImageNet label came as {label}, expected 0 to {len(SUPERCLASS) - 1}")
            if SUPERCLASS[label] >= 0:
                add_image(resize(image))
                add_label(SUPERCLASS[label])
                count += 1
        if count == 0:
            raise InputError(f"no image belongs to {', '.join(CLASS_NAMES)}: give ImageNet's labels, 0 to 999")
    return count


def write_arrays(train: Iterable[Example], evaluation: Iterable[Example], folder: Path, *, origin: str) -> None:
    """Write the four arrays of Restricted ImageNet, and their `origin` as a text, to `folder`: complete or not at all.

    Raises InputError if the folder exists and is not empty, or cannot be written.
    """
    temporary = folder.parent / f".{folder.name}-{uuid.uuid4().hex}"
    try:
        if folder.exists():
            folder.rmdir()
        temporary.mkdir()
        write_split(train, temporary / "train_images.npy", temporary / "train_labels.npy")
        write_split(evaluation, temporary / "eval_images.npy", temporary / "eval_labels.npy")
        (temporary / ORIGIN).write_text(origin + "\n", encoding="utf-8")
        temporary.rename(folder)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"cannot write {folder}: {reason}; make it writable or free some space, or choose another data folder"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

"""Datasets as TensorFlow Datasets prepares them, read from a folder."""

import contextlib
import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from interp.core.errors import InputError, first_line
from interp.data.splits import split_rows

# Where metadata name the class of a feature, and a file with its labels.
_CLASS_KEYS = ("type", "pythonClassName", "python_class_name")
_FILE_KEYS = ("names_file", "labels")
_OWN_CLASS = re.compile(r"tensorflow_datasets\.core\.features\.\w+\.\w+", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A dataset ready in `folder`, in an order of its own; `builder` is TensorFlow Datasets' reader of it."""

    builder: Any
    folder: Path

    @property
    def source(self) -> str:
        """Say which dataset and version this is."""
        return f"TensorFlow Datasets {self.folder.parent.name} {self.folder.name} (not in the official order)"

    def count(self, split: str) -> int:
        """Return the number of examples of a stored split; raises InputError if it has no such split."""
        with _reading(self.folder):
            return int(self.builder.info.splits[split].num_examples)

    def splits(self) -> dict[str, int]:
        """Return the stored splits with their numbers of examples."""
        with _reading(self.folder):
            return {name: int(split.num_examples) for name, split in self.builder.info.splits.items()}

    def features(self) -> tuple[tuple[int | None, int | None, int | None], tuple[str, ...]] | None:
        """Return the (height, width, channels) of images, None where it varies, and the names of classes; None for another set."""
        tfds = import_tfds()
        with _reading(self.folder):
            found = self.builder.info.features
            if not isinstance(found, tfds.features.FeaturesDict) or not {"image", "label"} <= set(found):
                return None
            image, label = found["image"], found["label"]
            if not isinstance(image, tfds.features.Image) or not isinstance(label, tfds.features.ClassLabel):
                return None
            return image.shape, tuple(label.names)

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Return images (n, h, w, c) uint8 and labels (n,) of "train", "validation" (a part of train) or "test".

        Raises InputError if they are damaged or too few.
        """
        stored = "test" if split == "test" else "train"
        rows = split_rows(split, self.count(stored), self.folder)
        with _reading(self.folder), quiet():
            part = f"{stored}[{rows.start}:{rows.stop}]"
            whole = self.builder.as_dataset(split=part, batch_size=-1, shuffle_files=False)
            return np.asarray(whole["image"]), np.asarray(whole["label"])

    def stream(self, split: str, keep: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """Yield image (h, w, c) uint8 and label of a stored split; the image is empty where `keep[label]` is False.

        Raises InputError on reaching a damaged file.
        """
        tfds = import_tfds()
        import tensorflow as tf

        def decode(example: Any) -> Any:
            image = tf.cond(
                # Images without a label have -1.
                tf.gather(keep, tf.clip_by_value(example["label"], 0, len(keep) - 1)),
                lambda: feature.decode_example(example["image"]),
                lambda: tf.zeros((0, 0, 3), tf.uint8),
            )
            return image, example["label"]

        # Standard output is not held back here: between two examples it belongs to the caller.
        with _reading(self.folder):
            feature = self.builder.info.features["image"]
            skip = {"image": tfds.decode.SkipDecoding()}
            encoded = self.builder.as_dataset(split=split, shuffle_files=False, decoders=skip)
            examples = encoded.map(decode, num_parallel_calls=tf.data.AUTOTUNE).prefetch(16)
            for image, label in examples.as_numpy_iterator():
                yield image, int(label)


def open_folder(folder: Path) -> Prepared:
    """Return the dataset prepared in `folder` (.../name/version); raises InputError if it cannot be read.

    Its metadata may name classes of TensorFlow Datasets alone: the module of any other would be imported.
    """
    tfds = import_tfds()
    with _reading(folder), quiet():
        for path in (folder / "features.json", folder / "dataset_info.json"):
            if path.exists():
                _check_names(path.name, json.loads(path.read_text(encoding="utf-8")))
        return Prepared(builder=tfds.builder_from_directory(folder), folder=folder)


def _check_names(where: str, value: Any) -> None:
    """Refuse classes of others, and files to read, anywhere in a JSON value or in JSON that its texts hold."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            inside = json.loads(value)
        except ValueError:
            return
        _check_names(where, inside)
    elif isinstance(value, list):
        for part in value:
            _check_names(where, part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if key in _CLASS_KEYS and isinstance(part, str) and "." in part and not _OWN_CLASS.fullmatch(part):
                raise InputError(f"{where} names the class {part[:80]!r}, only those of TensorFlow Datasets are used")
            if key in _FILE_KEYS and isinstance(part, str):
                raise InputError(f"{where} names the file {part[:80]!r}, only files of the folder itself are read")
            _check_names(where, part)


def import_tfds() -> Any:
    """Return the module tensorflow_datasets; raises InputError if it cannot be imported."""
    try:
        with quiet():
            import tensorflow_datasets
    except Exception as error:  # a version conflict among its dependencies raises more than ImportError
        raise InputError(
            f"tensorflow_datasets cannot be imported ({first_line(error)}): install it, or use the official files"
        ) from error
    return tensorflow_datasets


@contextlib.contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # TensorFlow, its file formats and the decoders each raise their own kinds
        raise InputError(
            f"the prepared dataset in {folder} cannot be read ({first_line(error)}): remove it and prepare it again"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what the libraries print out of the results; the progress bars of a download go to stderr and stay."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # read when TensorFlow is first imported
    with contextlib.redirect_stdout(io.StringIO()):
        yield

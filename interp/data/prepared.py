"""Datasets as TensorFlow Datasets prepares them: a prepared folder is read, else one download is tried."""

import contextlib
import io
import os
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from interp.core.errors import InputError
from interp.data.folders import VARIABLE

_PROBE_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Preparable:
    """A dataset's name in TensorFlow Datasets, an address its download needs (None: none), and advice if all fails."""

    name: str
    probe: str | None
    advice: str


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
        """Return the number of examples of a split; raises InputError if it has no such split."""
        with _reading(self.folder):
            return int(self.builder.info.splits[split].num_examples)

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Return all images (n, h, w, c) uint8 and labels (n,) of a split; raises InputError if they are damaged."""
        with _reading(self.folder), _quiet():
            whole = self.builder.as_dataset(split=split, batch_size=-1, shuffle_files=False)
            return np.asarray(whole["image"]), np.asarray(whole["label"])

    def stream(self, split: str, keep: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """Yield image (h, w, c) uint8 and label one by one; where `keep[label]` is False the image is left empty.

        Raises InputError on reaching a damaged file.
        """
        tfds = _import_tfds()
        import tensorflow as tf

        def decode(example: Any) -> Any:
            image = tf.cond(
                tf.gather(keep, example["label"]),
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


def open_prepared(wanted: Preparable, root: Path | None, looked: Sequence[Path]) -> Prepared:
    """Return a dataset prepared in `root`/tfds or `root`, else download it to the former.

    Without a root the usual folder of TensorFlow Datasets is taken. `looked` is where official files were not found.
    Raises InputError saying where was looked and what to do.
    """
    usual = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    homes = [usual] if root is None else [root / "tfds", root]
    for home in homes:
        versions = sorted(path.parent for path in home.glob(f"{wanted.name}/*/dataset_info.json"))
        if versions:
            return _open(versions[-1])
    try:
        folder = _download(wanted, homes[0])
    except Exception as error:  # whatever stops a download, the user needs files
        searched = ", ".join(map(str, [*looked, *homes]))
        naming = "" if root is not None else f" and name it with data_dir or {VARIABLE}"
        raise InputError(
            f"no {wanted.name} was found (looked in {searched}) and it cannot be prepared ({_brief(error)}): "
            f"{wanted.advice}{naming}"
        ) from error
    return _open(folder)


def _open(folder: Path) -> Prepared:
    tfds = _import_tfds()
    with _reading(folder), _quiet():
        return Prepared(builder=tfds.builder_from_directory(folder), folder=folder)


def _download(wanted: Preparable, home: Path) -> Path:
    """Prepare the newest version under `home` and return its folder; any error may come out."""
    if wanted.probe is not None:
        # Without a network the downloader itself retries for minutes before it gives up.
        request = urllib.request.Request(wanted.probe, method="HEAD")
        urllib.request.urlopen(request, timeout=_PROBE_SECONDS).close()
    tfds = _import_tfds()
    with _quiet():
        builder = tfds.builder(wanted.name, data_dir=home)
        builder.download_and_prepare()
    return Path(builder.data_dir)


def _import_tfds() -> Any:
    try:
        with _quiet():
            import tensorflow_datasets
    except Exception as error:  # a version conflict among its dependencies raises more than ImportError
        raise InputError(
            f"tensorflow_datasets cannot be imported ({_brief(error)}): install it, or use the official files"
        ) from error
    return tensorflow_datasets


@contextlib.contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # TensorFlow, its file formats and the decoders each raise their own kinds
        raise InputError(
            f"the prepared dataset in {folder} cannot be read ({_brief(error)}): remove it and prepare it again"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the libraries print out of the results; the progress bars of a download go to stderr and stay."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # read when TensorFlow is first imported
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__

"""A tf.data.Dataset of a user, such as keras.utils.image_dataset_from_directory gives, as a dataset."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from interp.core.checks import kind_of
from interp.core.errors import InputError, first_line
from interp.data.record import Dataset
from interp.data.user_arrays import make_datasets


def from_tf_dataset(
    dataset: Any, *, class_names: Sequence[str] | None = None, split: str = "test", name: str = "tf-dataset"
) -> Dataset:
    """Make a dataset from a tf.data.Dataset, which is read once into memory.

    Images of one size stay in the order in which they come: give `shuffle=False` to image_dataset_from_directory, or every run sees
    another order. Bytes take a quarter of the memory of floats, which are kept as they are; sets larger than memory are for `load`.

    Args:
        dataset: Pairs of images and labels, batched or not: images (n, height, width, channels) or (height, width, channels) as
            `from_arrays` takes them, labels whole numbers, or one-hot rows.
        class_names: A name for each class (default: `dataset.class_names`, which image_dataset_from_directory sets, else numbers).
        split: What the images are: "train", "validation" or "test".
        name: Name of the dataset, for tables.

    Returns:
        A Dataset, its images float32 (n, height, width, channels) in [0, 1].

    Raises:
        InputError: It is no finite dataset of such pairs, or images differ in size.
    """
    import tensorflow as tf

    if not isinstance(dataset, tf.data.Dataset):
        raise InputError(
            f"the dataset came as {kind_of(dataset)}, expected a tf.data.Dataset: for arrays there is interp.data.from_arrays"
        )
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise InputError("the dataset has no end: leave repeat() out, or end it with take(n)")
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or not all(isinstance(part, tf.TensorSpec) for part in spec):
        raise InputError(
            "the dataset does not give pairs of images and labels: dataset.map(lambda x: (x['image'], x['label'])) makes them of "
            "dictionaries, and label_mode='int' of image_dataset_from_directory gives labels"
        )
    images, labels = _joined(_batches(dataset, is_batched=_is_batched(*spec)))
    names = class_names if class_names is not None else getattr(dataset, "class_names", None)
    made = make_datasets({split: (images, labels)}, names, name=name, source=f"{name} (tf.data.Dataset)")
    return made[split]


def _is_batched(images: Any, labels: Any) -> bool:
    """Whether elements hold several images. Raises InputError where their rank does not say it."""
    rank = images.shape.rank
    if rank == 4 and labels.shape.rank != 0:
        return True
    if rank == 3 and labels.shape.rank == 0:
        return False
    if rank == 3 and labels.shape.rank == 1:
        # One image with a one-hot row, or grey images without channels.
        return images.shape[-1] not in (1, 3)
    if rank == 2 and labels.shape.rank in (0, 1):
        return False
    raise InputError(
        f"elements of the dataset have images of shape {images.shape} and labels of shape {labels.shape}, expected "
        "(n, height, width, channels) and (n,): dataset.map(...) brings them there"
    )


def _batches(dataset: Any, *, is_batched: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    import tensorflow as tf

    shape = None
    try:
        for images, labels in dataset.as_numpy_iterator():
            if not is_batched:
                images, labels = images[None], np.asarray(labels)[None]
            shape = shape or images.shape[1:]
            if images.shape[1:] != shape:
                raise InputError(
                    f"images of the dataset have shapes {shape} and {images.shape[1:]}: resize them to one in its map"
                )
            if images.dtype == np.float64:
                images = images.astype(np.float32)
            yield images, labels
    except tf.errors.OpError as error:
        raise InputError(
            f"the dataset fails while it is read ({first_line(error)}): repair the files that it reads, or leave them out"
        ) from error


def _joined(batches: Iterator[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """All batches as one array, without holding two copies of everything."""
    parts = list(batches)
    if not parts:
        raise InputError("the dataset gives no elements: look at what it reads")
    labels = np.concatenate([labels for _, labels in parts])
    images = np.empty((len(labels), *parts[0][0].shape[1:]), parts[0][0].dtype)
    last = len(images)
    while parts:
        batch, _ = parts.pop()
        images[last - len(batch) : last] = batch
        last -= len(batch)
    return images, labels

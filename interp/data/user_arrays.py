"""Arrays of users: images and labels of every usual kind, brought to those of a dataset."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interp.core.checks import RANGE_TOLERANCE, check_listed, kind_of
from interp.core.errors import InputError
from interp.core.tables import counted
from interp.data.pixels import ScaledPixels
from interp.data.record import Dataset

# Looked at before all of a large array is: bytes that are 0 and 1 alone show there.
_FIRST = 1000
# Of 0 to 255: images that are darker altogether are on another scale, such as the 0 to 16 of scikit-learn's digits.
_DARKEST = 32
_UNSCALE = "x / 2 + 0.5 for [-1, 1], x * std + mean for standardised ones"


def from_arrays(
    images: Any,
    labels: Any,
    *,
    class_names: Sequence[str] | None = None,
    split: str = "test",
    name: str = "arrays",
) -> Dataset:
    """Make a dataset from arrays.

    Args:
        images: (n, height, width, channels) or (n, height, width): bytes or whole numbers 0 to 255, or floats in [0, 1] or 0 to 255.
        labels: (n,) or (n, 1) whole numbers, of any integer type, from 0; or one-hot rows (n, classes).
        class_names: A name for each class (default: the numbers "0", "1" and so on, each of which must occur).
        split: What the images are: "train", "validation" or "test".
        name: Name of the dataset, for tables.

    Returns:
        A Dataset, its images float32 in [0, 1], in their order; bytes stay bytes in memory until they are looked at.

    Raises:
        InputError: An array has another rank, type or range, or labels do not fit images or class names.
    """
    return make_datasets({split: (images, labels)}, class_names, name=name, source=f"{name} (arrays)")[split]


def make_datasets(
    parts: Mapping[str, tuple[Any, Any]], class_names: Sequence[str] | None, *, name: str, source: str
) -> dict[str, Dataset]:
    """Return the splits of one set; what is unsure of one array, such as its range, all of them decide together. Raises InputError."""
    told = {split: f"{name} {split}" for split in parts}
    images = convert_images({told[split]: pixels for split, (pixels, _) in parts.items()})
    labels = {
        split: convert_labels(found, len(images[told[split]]), told[split]) for split, (_, found) in parts.items()
    }
    names = check_names(class_names, parts, labels, name)
    return {
        split: Dataset(
            images=ScaledPixels(pixels) if pixels.dtype == np.uint8 else pixels,
            labels=labels[split],
            class_names=names,
            source=source,
            split=split,
            name=name,
        )
        for split in parts
        for pixels in [images[told[split]]]
    }


def convert_images(parts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return images of several arrays (n, h, w, c), all as bytes or all as float32 in [0, 1]. Raises InputError naming the array."""
    arrays = {what: _of_rank_four(what, images) for what, images in parts.items()}
    (first, one), *others = arrays.items()
    for what, other in others:
        if other.shape[1:] != one.shape[1:] or other.dtype != one.dtype:
            raise InputError(
                f"images of {first} are {one.dtype} of shape {one.shape[1:]} and those of {what} {other.dtype} of shape "
                f"{other.shape[1:]}: bring them to one"
            )
    if one.dtype == bool:
        return {what: images.astype(np.float32) for what, images in arrays.items()}
    if one.dtype == np.uint8:
        _check_bytes(arrays)
        return arrays
    low, high = _range(arrays)
    if np.issubdtype(one.dtype, np.integer):
        if low < 0 or high > 255 or high < _DARKEST:
            mend = _mend(low, high, whole=True)
            raise InputError(f"images of {first} came as {one.dtype} in [{low:g}, {high:g}], expected 0 to 255: {mend}")
        return {what: images.astype(np.uint8) for what, images in arrays.items()}
    white = 1.0 if high <= 1 + RANGE_TOLERANCE else 255.0
    if low < -RANGE_TOLERANCE * white or high > (1 + RANGE_TOLERANCE) * white or (white > 1 and high < _DARKEST):
        raise InputError(
            f"images of {first} came with values in [{low:.7g}, {high:.7g}], expected [0, 1] or 0 to 255: {_mend(low, high)}"
        )
    scaled = {what: images.astype(np.float32, copy=False) for what, images in arrays.items()}
    if white > 1:
        scaled = {what: images / np.float32(white) for what, images in scaled.items()}
    # What resizing rounds may lie a little outside.
    outside = low < 0 or high > white
    return {what: np.clip(images, 0, 1) for what, images in scaled.items()} if outside else scaled


def convert_labels(labels: Any, count: int, what: str) -> np.ndarray:
    """Return labels (n,) int64 of whole numbers or one-hot rows. Raises InputError."""
    array = _array(labels, f"labels of {what}")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    numeric = np.issubdtype(array.dtype, np.number) or array.dtype == bool
    if array.ndim not in (1, 2) or not numeric or len(array) != count:
        raise InputError(
            f"labels of {what} came as {array.dtype} of shape {array.shape} for {counted(count, 'image')}, expected whole numbers "
            f"({count},), or one-hot rows ({count}, classes)"
        )
    if array.ndim == 2:
        if not ((array == 0) | (array == 1)).all() or not (array.sum(1) == 1).all():
            raise InputError(
                f"labels of {what} have {array.shape[1]} values a row, and a row is not one 1 among 0: give one class for each image"
            )
        return np.asarray(array.argmax(1), np.int64)
    if not np.isfinite(array).all() or (array != np.floor(array)).any():
        raise InputError(f"labels of {what} are not whole numbers, expected the number of a class, from 0")
    return np.asarray(array, np.int64)


def check_names(
    class_names: Sequence[str] | None, parts: Mapping[str, tuple[Any, Any]], labels: Mapping[str, np.ndarray], name: str
) -> tuple[str, ...]:
    """Return the names of classes, which all labels must fit. Raises InputError."""
    if class_names is not None:
        check_listed("class_names", class_names, "['cat', 'dog']")
    present = np.unique(np.concatenate(list(labels.values())))
    if not len(present):
        raise InputError(f"{name} came empty: give at least one image")
    low, high = int(present[0]), int(present[-1])
    rows = [np.shape(given)[1] for _, given in parts.values() if np.ndim(given) == 2 and np.shape(given)[1] > 1]
    classes = len(class_names) if class_names is not None else max([high + 1, *rows])
    if low < 0 or high >= classes:
        raise InputError(
            f"labels of {name} are in [{low}, {high}], expected 0 to {classes - 1}: count classes from 0, without gaps"
        )
    if classes < 2:
        raise InputError(
            f"{name} has one class, expected at least two: give class_names if only one of them occurs here"
        )
    if class_names is not None:
        return tuple(map(as_text, class_names))
    if len(present) < classes:
        missing = next(number for number in range(classes) if number >= len(present) or present[number] != number)
        raise InputError(
            f"no image of {name} has the label {missing} of 0 to {classes - 1}: count classes from 0, without gaps, or give class_names"
        )
    return tuple(map(str, range(classes)))


def as_text(name: Any) -> str:
    """The name of a class; libraries such as h5py give bytes."""
    return name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)


def _array(values: Any, what: str) -> np.ndarray:
    try:
        array = values if isinstance(values, np.ndarray) else np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"{what} cannot be read as one array: got {kind_of(values)}; stack them first") from error
    if array.dtype == object:
        raise InputError(f"{what} are an array of Python objects, which is not opened: give an array of numbers")
    return array


def _of_rank_four(what: str, images: Any) -> np.ndarray:
    array = _array(images, f"images of {what}")
    shape = array.shape
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in shape:
        raise InputError(
            f"images of {what} came with shape {shape}, expected (n, height, width, channels), or (n, height, width) for grey ones, with "
            "at least one image"
        )
    if array.shape[1] in (1, 3) and array.shape[3] > 4 and array.shape[2] > 4:
        raise InputError(
            f"images of {what} came with shape {shape}, channels first: np.moveaxis(images, 1, -1) puts them last"
        )
    if array.shape[3] in (2, 4):
        raise InputError(
            f"images of {what} came with {array.shape[3]} channels, of which the last is mostly transparency: drop it"
        )
    if not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating) or array.dtype == bool):
        raise InputError(f"images of {what} came as {array.dtype}, expected bytes 0 to 255 or floats in [0, 1]")
    return array


def _check_bytes(arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse bytes that would be nearly black altogether."""
    if any(images[:_FIRST].max() >= _DARKEST for images in arrays.values()):
        return
    low, high = _range(arrays)
    if 0 < high < _DARKEST:
        raise InputError(
            f"images of {next(iter(arrays))} came as uint8 in [{low:g}, {high:g}], expected 0 to 255: {_mend(low, high, whole=True)}"
        )


def _range(arrays: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """The smallest and largest value. Raises InputError for NaN."""
    low, high = np.inf, -np.inf
    for what, images in arrays.items():
        for first in range(0, len(images), _FIRST):
            rows = images[first : first + _FIRST]
            if not np.isfinite(rows).all():
                raise InputError(f"images of {what} hold NaN or infinite values: clean them first")
            low, high = min(low, float(rows.min())), max(high, float(rows.max()))
    return low, high


def _mend(low: float, high: float, *, whole: bool = False) -> str:
    if 255 <= high < 320 and low > -64:
        # Resizing by cubic curves runs over both ends.
        return "clip them, np.clip(images, 0, 255)"
    if low < 0:
        return f"undo what was done to them ({_UNSCALE}), and let the model do it"
    if high <= 1:
        return "images.astype('float32') if 1 is white"
    # Between 1 and 2 it is not known whether a value is a bright pixel that overshot or a dark one.
    if high <= 2 and not whole:
        return "clip them, np.clip(images, 0, 1)"
    if high < _DARKEST:
        return "divide them by what stands for white, such as images / 16 of scikit-learn's digits"
    if high > 65535:
        return "divide them by their largest value"
    # Cameras give 10, 12 or 14 bits, too.
    bits = int(high).bit_length()
    return f"shift them right by {bits - 8} (x >> {bits - 8})" if whole else f"divide them by {2**bits - 1}"

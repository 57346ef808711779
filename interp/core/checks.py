"""Checks of the one data contract: float32 images in [0, 1], integer labels, networks that give logits."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.core.errors import InputError
from interp.core.tables import counted

if TYPE_CHECKING:
    # Imported where tensors are checked: numbers and names are checked without it, before it is loaded.
    import tensorflow as tf

# Adding and subtracting a perturbation in float32 may leave [0, 1] by a rounding error.
RANGE_TOLERANCE = 1e-5


def check_images(images: Any, shape: tuple[int | None, ...] | None = None) -> "tf.Tensor":
    """Return `images` as a float32 tensor (n, height, width, channels) in [0, 1].

    `shape` is the (height, width, channels) a network takes, None where it takes any.
    Inside a compiled function the values are not known yet, so only dtype and shape are checked.
    Raises InputError.
    """
    import tensorflow as tf

    try:
        tensor = tf.convert_to_tensor(images)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"images cannot be read as one array: got {type(images).__name__}; stack them first"
        ) from error
    if tensor.dtype != tf.float32:
        largest = 65535 if tensor.dtype == tf.uint16 else 255
        mend = f"divide by {largest} and " if tensor.dtype.is_integer else ""
        raise InputError(
            f"images came as {tensor.dtype.name}, expected float32 in [0, 1]: {mend}convert with astype('float32')"
        )
    if tensor.shape.rank != 4:
        raise InputError(
            f"images came with shape {tuple(tensor.shape)}, expected (n, height, width, channels): "
            "add the missing axis, for example images[None] or images[..., None]"
        )
    if shape is not None and not tensor.shape[1:].is_compatible_with(shape):
        raise InputError(
            f"images came with shape {tuple(tensor.shape)}, the network takes (n, {', '.join(map(str, shape))}): "
            f"{mend_shape(tensor.shape[-1], shape[-1])}"
        )
    return _check_values(tensor) if tf.executing_eagerly() else tensor


def mend_shape(channels: int | None, wanted: int | None) -> str:
    """How images of so many channels are brought to the shape that a model takes."""
    if wanted in (None, channels):
        return "resize them"
    if (channels, wanted) == (1, 3):
        return "repeat their grey channel, np.repeat(images, 3, -1)"
    if (channels, wanted) == (3, 1):
        return "make them grey, tf.image.rgb_to_grayscale(images).numpy()"
    if (channels, wanted) == (4, 3):
        return "leave their transparency out, images[..., :3]"
    return f"give images of {counted(wanted or 0, 'channel')}"


def _check_values(images: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf

    if images.shape[0] == 0:
        raise InputError(f"images came empty, with shape {tuple(images.shape)}: give at least one")
    low, high = float(tf.reduce_min(images)), float(tf.reduce_max(images))
    # Minimum and maximum of an array with a NaN are not reliably NaN, so the sum decides.
    if not math.isfinite(low + high) or not math.isfinite(float(tf.reduce_sum(images))):
        raise InputError("images hold NaN or infinite values, expected finite values in [0, 1]: clean them first")
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        raise InputError(
            f"images came with values in [{low:.4g}, {high:.4g}], expected [0, 1]: {_mend_range(low, high)}"
        )
    return tf.clip_by_value(images, 0.0, 1.0) if low < 0 or high > 1 else images


def _mend_range(low: float, high: float) -> str:
    """How images outside of [0, 1] are brought there without the model seeing others than it was trained on."""
    if low < -RANGE_TOLERANCE:
        return (
            "undo what was done to them (x / 2 + 0.5 for [-1, 1], x * std + mean) and give it to the model: keras.Sequential([layer, "
            "model]) with keras.layers.Rescaling(2.0, -1.0) or keras.layers.Normalization(mean=..., variance=...)"
        )
    if high <= 1.5:
        return "clip them, for example with np.clip(images, 0, 1)"
    largest = 255.0 if high <= 255 else 65535.0
    return (
        f"rescale them, divided by {largest:g}; a model that was trained on images as they came goes on as "
        f"keras.Sequential([keras.layers.Rescaling({largest}), model])"
    )


def check_labels(labels: Any, images: "tf.Tensor", classes: int | None = None, *, what: str = "label") -> "tf.Tensor":
    """Return `labels`, (n,) or (n, 1), as an int64 tensor (n,), one per image, each in [0, classes).

    `what` is the name of one in messages. Raises InputError.
    """
    import tensorflow as tf

    names = f"{what}es" if what.endswith("s") else f"{what}s"
    try:
        tensor = tf.convert_to_tensor(labels)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{names} cannot be read as one array: got {type(labels).__name__}, expected integers of shape (n,)"
        ) from error
    if tensor.shape.rank == 2 and tensor.shape[1] != 1:
        # Said before the dtype: one-hot rows are mostly floats, and would stay rows as integers.
        raise InputError(
            f"{names} came as {tensor.dtype.name} of shape {tuple(tensor.shape)}, expected integers (n,): for one-hot rows take argmax(-1)"
        )
    if not tensor.dtype.is_integer:
        raise InputError(
            f"{names} came as {tensor.dtype.name}, expected integers: convert with astype('int64') or tf.cast"
            + ("; image_dataset_from_directory gives them with label_mode='int'" if what == "label" else "")
        )
    if tensor.shape.rank == 2 and tensor.shape[1] == 1:
        # As keras.datasets gives those of CIFAR.
        tensor = tensor[:, 0]
    if tensor.shape.rank != 1:
        raise InputError(
            f"{names} came with shape {tuple(tensor.shape)}, expected (n,): for one-hot rows take argmax(-1)"
        )
    if not tensor.shape[:1].is_compatible_with(images.shape[:1]):
        raise InputError(
            f"{counted(tensor.shape[0], what, names)} came with {counted(images.shape[0], 'image')}, expected one {what} per image"
        )
    if tf.executing_eagerly() and classes is not None:
        low, high = int(tf.reduce_min(tensor)), int(tf.reduce_max(tensor))
        if low < 0 or high >= classes:
            raise InputError(
                f"{names} came in [{low}, {high}], the network has classes 0 to {classes - 1}: check the {names}"
            )
    return tf.cast(tensor, tf.int64)


def check_logits(logits: Any, *, may_be_probabilities: bool = False) -> "tf.Tensor":
    """Return a model's output (n, K), K >= 2; refuse other shapes, NaN, and probabilities unless they may be. Raises InputError."""
    import tensorflow as tf

    if (
        not tf.is_tensor(logits)
        or not logits.dtype.is_floating
        or logits.shape.rank != 2
        or logits.shape[-1] is None
        or logits.shape[-1] < 2
    ):
        got = f"shape {tuple(logits.shape)}" if tf.is_tensor(logits) else type(logits).__name__
        raise InputError(
            f"the model returned {got}, expected logits of shape (n, classes) with at least 2 classes: interp.models.adapt picks one of "
            "several outputs, and makes two logits of one sigmoid unit"
        )
    if tf.executing_eagerly():
        values = np.asarray(logits, np.float64)
        if not np.isfinite(values).all():
            raise InputError(
                "the model returned NaN or infinite logits: its weights are damaged, or the images are outside its range"
            )
        if not may_be_probabilities and are_probabilities(logits):
            raise InputError(
                "the model returned probabilities (rows are non-negative and sum to 1) and does not end in a softmax that can be cut, "
                "so its logits cannot be had: give a model that returns them"
            )
    return logits


def are_probabilities(outputs: "tf.Tensor") -> bool:
    """Whether every row of `outputs` (n, K) is non-negative and sums to 1."""
    values = np.asarray(outputs, np.float64)
    tolerance = 1e-4 if outputs.dtype.size >= 4 else 0.02
    return bool((values >= 0).all() and np.allclose(values.sum(-1), 1, atol=tolerance))


# Seeds and counts reach TensorFlow as 32 bits, other numbers as float32.
LARGEST_WHOLE, LARGEST = 2**31 - 1, 1e30
# More steps than anybody waits for; one more of them still has 32 bits.
MOST_STEPS = 10**9


def check_number(
    what: str, value: Any, *, minimum: float, strict: bool = False, whole: bool = False, maximum: int = LARGEST_WHOLE
) -> None:
    """Raise an InputError unless `value` is a finite number of at least (`strict`: above) `minimum`, `whole` if asked."""
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    bound = f"a {'whole ' if whole else ''}number {'above' if strict else 'of at least'} {minimum:g}"
    # Compared before anything else is asked of it: a number of hundreds of digits is no float.
    if isinstance(value, bool) or not isinstance(value, kinds) or not -LARGEST <= value <= LARGEST:
        raise InputError(f"{what} came as {' '.join(str(value).split())[:40]}, expected {bound}")
    if whole and value > maximum:
        raise InputError(f"{what} came as {value}, expected at most {maximum}")
    if value < minimum or (strict and value == minimum):
        raise InputError(f"{what} came as {value}, expected {bound}")


def check_pair(what: str, value: Any) -> tuple[int, int] | None:
    """Return one or two whole numbers above 0, height and width, as two; None stays. Raises InputError."""
    if value is None:
        return None
    pair = (value, value) if not isinstance(value, (tuple, list)) else tuple(value)
    if len(pair) != 2:
        raise InputError(
            f"{what} came as {kind_of(value)} of {len(pair)}, expected (height, width) or one number for both"
        )
    for each in pair:
        check_number(what, each, minimum=1, whole=True)
    return int(pair[0]), int(pair[1])


def check_finite(what: str, values: Any) -> np.ndarray:
    """Return `values` as an array of finite numbers. Raises InputError with the first of its rows that are not."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{what} cannot be read as one array: got {kind_of(values)}; stack them first") from error
    if not np.issubdtype(array.dtype, np.number) and array.dtype != bool:
        raise InputError(f"{what} came as {kind_of(values)} of {array.dtype}, expected an array of numbers")
    if not np.isfinite(array).all():
        rows = ~np.isfinite(array.reshape(len(array), -1)).all(1) if array.ndim else np.array([True])
        raise InputError(
            f"{what} hold NaN or infinite values in {rows.sum()} of {len(rows)} rows (the first is row {int(rows.argmax())}), expected "
            "finite ones: look where they come from, or leave those rows out"
        )
    return array


def check_radius(what: str, value: Any, norm: str = "linf") -> None:
    """Raise an InputError unless `value` can be a radius or a step in images in [0, 1]: at least 0, in linf at most 1."""
    check_number(what, value, minimum=0)
    if norm == "linf" and value > 1:
        raise InputError(
            f"{what} came as {value:g}, expected at most 1, as images are in [0, 1]: divide what counts levels of 0..255 by 255, as in "
            f"{value:g}/255"
        )


def check_instance(what: str, value: Any, kinds: type | tuple[type, ...], example: str) -> None:
    """Raise an InputError unless `value` is an instance of one of the `kinds`; `example` says how to make one."""
    if not isinstance(value, kinds):
        raise InputError(f"{what} came as {kind_of(value)}, expected an instance such as {example}")


def check_named(what: str, values: Any, kinds: type | tuple[type, ...], example: str) -> None:
    """Raise an InputError unless `values` is a dictionary of names to instances of the `kinds`, with one at least."""
    if not isinstance(values, Mapping) or not values:
        came = "an empty dictionary" if isinstance(values, Mapping) else kind_of(values)
        raise InputError(f"{what} came as {came}, expected names with instances such as {{'mine': {example}}}")
    for name, value in values.items():
        check_instance(f"{name!r} of {what}", value, kinds, example)


def check_listed(what: str, values: Any, example: str) -> None:
    """Raise an InputError unless `values` is a list, tuple or flat array, with one value at least."""
    is_number = isinstance(values, np.ndarray) and values.ndim == 0
    if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, np.ndarray)) or is_number:
        raise InputError(f"{what} came as {kind_of(values)}, expected a list such as {example}")
    if not len(values):
        raise InputError(f"{what} came empty, expected at least one, such as {example}")


def check_distinct(what: str, values: Sequence[Any]) -> None:
    """Raise an InputError where one of the `values` stands among them twice."""
    for place, value in enumerate(values):
        if value in values[:place]:
            raise InputError(f"{what} came with {value} more than once: give each once")


def check_penalties(penalties: Sequence[float]) -> tuple[float, ...]:
    """Check the penalties of a sneaking attack.

    Args:
        penalties: Multiples of the smallest radius, at least 1: below it no attack succeeds.

    Returns:
        The penalties as floats in rising order, each once.

    Raises:
        InputError: There is none, or one is not in [1, 1e6).
    """
    check_listed("penalties", penalties, "[1.25, 1.5]")
    for penalty in penalties:
        check_number("a penalty", penalty, minimum=0)
        if not 1 <= penalty < 1e6:
            raise InputError(
                f"a penalty came as {penalty}, expected at least 1, as below the smallest radius no attack succeeds, and less than 1e6"
            )
    return tuple(sorted(set(map(float, penalties))))


def kind_of(value: Any) -> str:
    """What a value is, for a message: the name of its class, or which class it is."""
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__

"""What a model expects of its images, as a layer that takes images in [0, 1] there."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.core.checks import kind_of
from interp.core.errors import ArgumentError, InputError, check_choice
from interp.core.names import AUTO, SCALES

# A mean and a standard deviation of each channel, or one of all, of images in [0, 1].
MeanAndStd = tuple[Any, Any]
Scale = str | MeanAndStd

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Each scale: factor and offset of a channel, and whether channels come in reverse order (BGR).
_SCALES: dict[str, tuple[tuple[float, ...], tuple[float, ...], bool]] = {
    "0..1": ((1.0,), (0.0,), False),
    "0..255": ((255.0,), (0.0,), False),
    "imagenet": (
        tuple(1 / std for std in _IMAGENET[1]),
        tuple(-mean / std for mean, std in zip(*_IMAGENET, strict=True)),
        False,
    ),
    "tf": ((2.0,), (-1.0,), False),
    "caffe": ((255.0,), (-103.939, -116.779, -123.68), True),
}


@keras.saving.register_keras_serializable(package="interp")
class ImageScale(keras.layers.Layer):
    """Images times `factor` plus `offset`, each one number or one for each channel; `reverse` reverses the channels before.

    Args:
        factor: What pixels are multiplied by.
        offset: What is added after that.
        reverse: Whether the model takes BGR.

    Example:
        `ImageScale([2.0], [-1.0])(images)` takes [0, 1] to [-1, 1].
    """

    def __init__(self, factor: Any, offset: Any, reverse: bool = False, **arguments: Any) -> None:
        super().__init__(**{"dtype": "float32", "trainable": False, **arguments})
        self.factor, self.offset = [float(each) for each in factor], [float(each) for each in offset]
        self.reverse = bool(reverse)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        images = tf.reverse(inputs, [-1]) if self.reverse else inputs
        if self.factor != [1.0]:
            images = images * tf.constant(self.factor, images.dtype)
        return images if self.offset == [0.0] else images + tf.constant(self.offset, images.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "offset": self.offset, "reverse": self.reverse}

    @property
    def changes_nothing(self) -> bool:
        """Whether images come out as they came."""
        return (self.factor, self.offset, self.reverse) == ([1.0], [0.0], False)


def candidate_scales(channels: int) -> tuple[str, ...]:
    """The names of the scales that images of so many channels can have."""
    return tuple(name for name, parts in _SCALES.items() if max(map(len, parts[:2])) in (1, channels))


def check_scale(scale: Any) -> Scale:
    """Return a name of a scale, "auto" among them, or a (mean, std). Raises InputError for anything else."""
    if isinstance(scale, str):
        return check_choice("scale", scale, (AUTO, *SCALES))
    if not isinstance(scale, (tuple, list)) or len(scale) != 2:
        raise InputError(
            f"scale came as {kind_of(scale)}, expected {AUTO}, one of {', '.join(SCALES)}, or (mean, std) of images in [0, 1]"
        )
    return scale[0], scale[1]


def make_scale(scale: Scale, channels: int) -> ImageScale:
    """Make the layer that takes images in [0, 1] to a scale by name, or by (mean, std).

    Args:
        scale: One of `SCALES`, or the mean and standard deviation that were subtracted and divided by, of images in [0, 1].
        channels: How many channels the images have.

    Returns:
        A layer on float32 images (n, height, width, channels).

    Raises:
        InputError: For a scale of another number of channels, or numbers that are no mean and standard deviation.

    Example:
        `make_scale(((0.5,), (0.25,)), 1)(images)` gives `(images - 0.5) / 0.25`.
    """
    if isinstance(scale, str):
        if scale not in candidate_scales(channels):
            others = ", ".join(name for name in _SCALES if name in candidate_scales(channels))
            raise ArgumentError(
                f"the scale {scale!r} is of three channels, the model takes {channels}: give <scale=> {others} or <scale=(mean, std)>"
            )
        return ImageScale(*_SCALES[scale], name="interp_scale")
    mean, std = (_per_channel(what, value, channels) for what, value in zip(("mean", "std"), scale, strict=True))
    if (std <= 0).any():
        raise InputError(f"the std of the scale came as {std.tolist()}, expected numbers above 0")
    if np.abs(mean).max() > 1:
        raise InputError(
            f"the mean of the scale came as {mean.tolist()}, expected that of images in [0, 1]: divide mean and std of 0..255 by 255"
        )
    return ImageScale(1 / std, -mean / std, name="interp_scale")


def _per_channel(what: str, value: Any, channels: int) -> np.ndarray:
    try:
        numbers = np.atleast_1d(np.asarray(value, np.float64))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the {what} of the scale came as {kind_of(value)}, expected one number, or one for each channel"
        ) from error
    if numbers.shape not in ((1,), (channels,)) or not np.isfinite(numbers).all():
        raise InputError(
            f"the {what} of the scale came with shape {numbers.shape}, expected one finite number, or one for each of {channels} channels"
        )
    return numbers

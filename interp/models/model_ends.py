"""What a user's model takes and returns: its one batch of images, and which of its outputs is meant."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from interp.core.checks import mend_shape
from interp.core.errors import ArgumentError, InputError, check_choice

# Height and width, None where any goes, and channels.
Shape = tuple[int | None, int | None, int]
# Numbers of channels of images.
_CHANNELS = (1, 3, 4)


def image_input_shape(model: keras.Model, images: tf.Tensor | None = None) -> Shape:
    """Return the (height, width, channels) of the images that `model` takes, a side None where any goes.

    Args:
        model: A Keras model; one that does not know its shape yet takes that of `images`.
        images: float32 (n, height, width, channels), or None.

    Returns:
        The shape without the batch.

    Raises:
        InputError: With the way out, for models of several inputs, of inputs that are no images, and of an unknown shape.

    Example:
        `image_input_shape(keras.applications.MobileNetV2(weights=None))` is `(224, 224, 3)`.
    """
    inputs = list(getattr(model, "inputs", None) or [])
    if len(inputs) > 1:
        names = ", ".join(tensor.name for tensor in inputs)
        raise InputError(
            f"the model takes {len(inputs)} inputs ({names}), expected images alone: fix the others, as in "
            "keras.Model(images, model([images, keras.ops.zeros_like(images)[:, 0, 0, :1] + value])) with images = keras.Input(shape)"
        )
    if not inputs:
        if images is None:
            raise InputError(
                "the model does not know the shape of its images yet: give images=, a few float32 in [0, 1], and labels=, their classes"
            )
        height, width, channels = images.shape[1:]
        return height, width, channels
    shape, dtype = tuple(inputs[0].shape[1:]), keras.backend.standardize_dtype(inputs[0].dtype)
    if len(shape) != 3:
        raise InputError(
            f"the model takes inputs of shape {shape}, expected images (height, width, channels): put the layer that makes them of images "
            f"before it, as in keras.Sequential([keras.Input((height, width, channels)), keras.layers.Reshape({shape}), model])"
        )
    if "float" not in dtype:
        raise InputError(
            f"the model takes images as {dtype}, through which no gradient passes: rebuild it with keras.Input({shape}, dtype='float32')"
        )
    if shape[-1] not in _CHANNELS and shape[0] in _CHANNELS:
        raise InputError(
            f"the model takes images of shape {shape}, channels first: put keras.layers.Permute((3, 1, 2)) before it, as in "
            f"keras.Sequential([keras.Input({(*shape[1:], shape[0])}), keras.layers.Permute((3, 1, 2)), model])"
        )
    if shape[-1] is None:
        raise InputError(f"the model takes images of shape {shape}, expected a known number of channels: rebuild it")
    if images is not None and not images.shape[1:].is_compatible_with(shape):
        sides = ", ".join(map(str, shape))
        raise InputError(
            f"images came with shape {tuple(images.shape)}, the model takes (n, {sides}): {mend_shape(images.shape[-1], shape[-1])}"
        )
    return shape[0], shape[1], shape[2]


def last_model(model: keras.Model) -> Any:
    """The model or layer whose outputs are those of the model: of a Sequential model the one that it ends in."""
    while isinstance(model, keras.Sequential) and model.layers:
        model = model.layers[-1]
    return model


def pick_output(model: keras.Model, outputs: Any, output: str | int | None) -> Any:
    """Return the one of the `outputs` of `model` that is meant.

    Args:
        model: The model that gave them.
        outputs: A tensor, a list or a dictionary of tensors.
        output: Its name, or its number from 0; None where there is only one.

    Returns:
        A tensor.

    Raises:
        InputError: For several outputs without `output`, and for one that is not there.

    Example:
        `pick_output(model, {"classes": scores, "box": box}, "classes")` is `scores`.
    """
    tensors = list(outputs.values()) if isinstance(outputs, Mapping) else tf.nest.flatten(outputs)
    if isinstance(outputs, Mapping):
        names = [str(name) for name in outputs]
    else:
        names = list(getattr(last_model(model), "output_names", None) or [])
        # Several outputs of one nested model have its name.
        if len(set(names)) != len(tensors):
            names = [str(place) for place in range(len(tensors))]
    if output is None:
        if len(tensors) != 1:
            listed = ", ".join(f"{name!r} {tuple(tensor.shape)}" for name, tensor in zip(names, tensors, strict=True))
            raise ArgumentError(
                f"the model has {len(tensors)} outputs ({listed}): say which, as in <output={names[0]}>"
            )
        return tensors[0]
    if isinstance(output, int) and not isinstance(output, bool):
        if not -len(tensors) <= output < len(tensors):
            raise InputError(f"no output {output}: the model has {len(tensors)}, {', '.join(map(repr, names))}")
        return tensors[output]
    return tensors[names.index(check_choice("output", output, names))]

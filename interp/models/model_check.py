"""What a model must be before anything is done with it."""

from typing import Any

import keras
import tensorflow as tf

from interp.core.checks import check_logits
from interp.core.errors import InputError


def check_model(model: Any, images: tf.Tensor) -> int:
    """Run `model` on a few of the checked `images`; return its number of classes.

    Raises InputError when it is no Keras model, does not take such images, or does not return logits.
    """
    if not isinstance(model, keras.Model):
        raise InputError(f"the model came as {type(model).__name__}, expected a keras.Model that returns logits")
    shape = tuple(images.shape[1:])
    expected = (
        model.input_shape[1:] if model.built and isinstance(getattr(model, "input_shape", None), tuple) else shape
    )
    if not tf.TensorShape(expected).is_compatible_with(shape):
        raise InputError(
            f"images came with shape {tuple(images.shape)}, the network takes (n, {', '.join(map(str, expected))}): resize them"
        )
    try:
        logits = model(images[:8], training=False)
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        raise InputError(f"the model does not run on images of shape {shape}: {str(error).splitlines()[0]}") from error
    return int(check_logits(logits).shape[-1])

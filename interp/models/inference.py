"""Any Keras model as a function from images to logits."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from interp.core.checks import check_logits
from interp.core.errors import InputError
from interp.models.network import Network

Logits = Callable[[tf.Tensor], tf.Tensor]


def prepare_logits(model: keras.Model) -> Logits:
    """Return the function images -> logits of `model` in inference mode.

    What does not depend on the images (the folded tail of the package's networks) is computed here, once: call this
    inside a compiled function and outside of its loop.
    """
    if isinstance(model, Network):
        tail = model.tail()
        return lambda images: tail.logits(model.activations(images))
    return lambda images: model(images, training=False)


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

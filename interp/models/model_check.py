"""What a model must be before anything is done with it."""

import re
from typing import Any

import keras
import tensorflow as tf

from interp.core.checks import check_logits, kind_of
from interp.core.compiled import CompiledFunctions
from interp.core.errors import InputError


def check_model(model: Any, images: tf.Tensor) -> int:
    """Run `model` on a few of the checked `images`; return its number of classes.

    Raises InputError when it is no Keras model, does not take such images, or does not return logits.
    """
    few = images[:8]
    logits = run_model(model, few)
    classes = int(check_logits(logits).shape[-1])
    if logits.shape[0] != few.shape[0]:
        raise InputError(
            f"the model returned {logits.shape[0]} rows for {few.shape[0]} images, expected one row of logits per image"
        )
    return classes


def check_model_once(compiled: CompiledFunctions, model: Any, images: tf.Tensor) -> int:
    """`check_model`, asked once of a model and a shape of images, as long as `compiled` keeps anything for that model."""
    if not isinstance(model, keras.Model):
        return check_model(model, images)
    return int(compiled.keep(model, ("classes", tuple(images.shape[1:])), lambda: check_model(model, images)))


def run_model(model: Any, images: tf.Tensor) -> Any:
    """What `model` returns for the checked `images`, whatever it is. Raises InputError when it is no Keras model or does not run."""
    if not isinstance(model, keras.Model):
        raise InputError(f"the model came as {kind_of(model)}, expected a keras.Model that returns logits")
    try:
        return model(images, training=False)
    except Exception as error:
        raise InputError(
            f"the model does not run on images of shape {tuple(images.shape[1:])}{_expectation(model)}: {reason(error)}"
        ) from error


def _expectation(model: keras.Model) -> str:
    shapes = [tuple(tensor.shape[1:]) for tensor in getattr(model, "inputs", None) or []]
    return f", it takes {', '.join(map(str, shapes))}" if shapes else ""


def reason(error: Exception) -> str:
    """The line of an error message that says what is wrong; Keras puts one before it that says where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception encountered", "Arguments received", "•"))]
    # Keras prints messages in bold.
    return re.sub(r"\x1b\[[0-9;]*m", "", (telling or lines or [type(error).__name__])[0])[:200]

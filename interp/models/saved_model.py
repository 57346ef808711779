"""SavedModel directories as Keras models, if gradients pass through them."""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from interp.core.batches import ANY_SIDE
from interp.core.errors import InputError
from interp.models.model_check import reason

# The usual names of what a SavedModel computes.
ENDPOINTS = ("serving_default", "serve")


def read_saved_model(path: str | Path) -> keras.Model:
    """Wrap a SavedModel directory, as `model.export` and `tf.saved_model.save` write it, in a Keras model.

    It holds a graph of operations, which may read and write files: it should be one you trust.

    Args:
        path: The directory.

    Returns:
        A functional model of the images that the signature takes; its layers are not known, so maps of layers are not to be had.

    Raises:
        InputError: For directories that cannot be read, other inputs than one batch of float32 images, and where no gradient passes.

    Example:
        `read_saved_model("exported_model")(images)`.
    """
    path = Path(path)
    try:
        signatures = tf.saved_model.load(str(path)).signatures
    except Exception as error:
        raise InputError(f"{path} cannot be read as a SavedModel: {reason(error)}") from error
    names = [name for name in ENDPOINTS if name in signatures] or list(signatures)
    if not names:
        raise InputError(f"{path} is a SavedModel without signatures: save it again with model.export('{path.name}')")
    shape = _image_shape(path, signatures[names[0]])
    layer = keras.layers.TFSMLayer(str(path), call_endpoint=names[0], name="saved_model", dtype="float32")
    inputs = keras.Input(shape, dtype="float32", name="saved_model_images")
    outputs = layer(inputs)
    if isinstance(outputs, dict) and len(outputs) == 1:
        [outputs] = outputs.values()
    model = keras.Model(inputs, outputs, name="from_saved_model")
    _check_gradients(path, model, shape)
    return model


def _image_shape(path: Path, signature: Any) -> tuple[int | None, ...]:
    specifications = list(signature.structured_input_signature[1].values())
    shapes = ", ".join(f"{each.dtype.name} {each.shape}" for each in specifications)
    if len(specifications) != 1 or specifications[0].dtype != tf.float32 or specifications[0].shape.rank != 4:
        raise InputError(
            f"{path} takes {shapes}, expected float32 images (n, height, width, channels): load it where it was made, and save its model "
            f"with model.save('{path.name}.keras')"
        )
    return tuple(specifications[0].shape[1:])


def _check_gradients(path: Path, model: keras.Model, shape: tuple[int | None, ...]) -> None:
    images = tf.random.stateless_uniform((2, *(side or ANY_SIDE for side in shape)), [0, 0])
    try:
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = [each for each in tf.nest.flatten(model(images, training=False)) if each.dtype.is_floating]
        gradient, why = (
            tape.gradient(outputs, images),
            "nothing of them depends on the pixels in a way that TensorFlow follows",
        )
    except Exception as error:
        gradient, why = None, reason(error)
    if gradient is None:
        raise InputError(
            f"no gradient passes through the SavedModel {path} ({why}): load it where it was made, and save its model with "
            f"model.save('{path.name}.keras')"
        )

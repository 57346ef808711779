"""What a model says of images."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.classification import margin
from interp.core.batches import forward_batch
from interp.core.errors import InputError
from interp.models.model_check import check_model, run_for_logits


def predict(model: keras.Model, images: Any, *, batch_size: int = 250) -> np.ndarray:
    """Return the logits (n, K), K >= 2, float32, in inference mode. Raises InputError for other outputs and for NaN.

    At most `batch_size` images are in memory at a time, of large ones fewer.
    """
    batch_size = min(batch_size, forward_batch(tuple(images.shape[1:])))
    check_model(model, tf.convert_to_tensor(images[:8]))
    parts = [
        run_for_logits(model, tf.convert_to_tensor(images[first : first + batch_size]))
        for first in range(0, len(images), batch_size)
    ]
    outputs = np.asarray(tf.concat(parts, 0))
    if not np.isfinite(outputs).all():
        raise InputError("the model returned NaN or infinite outputs: its weights are damaged")
    return outputs


def repeated_calls(model: keras.Model, images: tf.Tensor) -> tuple[float, bool]:
    """The largest difference of the logits of two calls on the first of the images, and whether it is more than rounding, so drawn."""
    images = images[: forward_batch(tuple(images.shape[1:]))]
    # Of logits in any unit, also where a softmax stands above them: where it is sure, next to nothing of a draw is left.
    first, second = (run_for_logits(model, images) for _ in range(2))
    change, size = float(tf.reduce_max(tf.abs(first - second))), float(tf.reduce_max(tf.abs(first)))
    # Threads add in any order, so the last digits may differ.
    return change, change > 1e-4 * size


def same_logits(found: np.ndarray, kept: np.ndarray) -> bool:
    """Whether logits (n, K) are, up to rounding, those that were kept of the same images.

    What Keras cannot save of a model is in no digest of it, but in what it computes.
    """
    return found.shape == kept.shape and bool(np.abs(found - kept).max() <= 1e-3 * np.abs(found).max())


def is_right(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether no other class has as much as the label's, (n,)."""
    return margin(tf.constant(outputs), tf.constant(labels, tf.int64)).numpy() < 0


def rightly_classified(model: keras.Model, images: Any, labels: np.ndarray, *, batch_size: int = 250) -> np.ndarray:
    """Which images are classified right, (n,): those whose explanations are judged. Raises InputError where none is."""
    right = is_right(predict(model, images, batch_size=batch_size), labels)
    if not right.any():
        raise InputError(f"the model classifies none of the {len(right)} images right, so no explanation can be judged")
    return right

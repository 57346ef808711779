"""What a model says of images, logits or probabilities alike."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.classification import margin
from interp.core.errors import InputError
from interp.models.model_check import run_model


def predict(model: keras.Model, images: Any, *, batch_size: int = 250) -> np.ndarray:
    """Return the outputs (n, K), K >= 2, float32, in inference mode. Raises InputError for other outputs and for NaN."""
    parts = [
        run_model(model, tf.convert_to_tensor(images[first : first + batch_size]))
        for first in range(0, len(images), batch_size)
    ]
    outputs = np.asarray(tf.cast(tf.concat(parts, 0), tf.float32))
    if outputs.ndim != 2 or outputs.shape[1] < 2 or len(outputs) != len(images):
        raise InputError(f"the model returned shape {outputs.shape}, expected (n, classes) with at least 2 classes")
    if not np.isfinite(outputs).all():
        raise InputError("the model returned NaN or infinite outputs: its weights are damaged")
    return outputs


def is_right(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether no other class has as much as the label's, (n,)."""
    return margin(tf.constant(outputs), tf.constant(labels, tf.int64)).numpy() < 0

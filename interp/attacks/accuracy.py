"""Share of images that a network classifies as their labels."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.classification import margin
from interp.core.checks import check_images, check_labels, check_number
from interp.core.compiled import run_in_batches
from interp.core.errors import InputError
from interp.models.model_check import check_model, run_for_logits


def correct(model: keras.Model, images: Any, labels: Any, *, batch_size: int = 250) -> np.ndarray:
    """Return which images (n, height, width, channels) `model` classifies as `labels` (n,), booleans (n,). Raises InputError.

    A label that ties with another class for the largest logit counts as wrong: no attack may hide in a tie.
    """
    check_number("batch_size", batch_size, minimum=1, whole=True)
    batch = check_images(images)
    truth = check_labels(labels, batch, check_model(model, batch))

    def run(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor]:
        return (margin(run_for_logits(model, images), labels),)

    margins = run_in_batches(run, (batch, truth), batch_size)[0].numpy()
    if not np.isfinite(margins).all():
        raise InputError(
            f"the model returned NaN or infinite logits for image {int(np.argmin(np.isfinite(margins)))}: its weights are damaged"
        )
    return margins < 0


def accuracy(model: keras.Model, images: Any, labels: Any, *, batch_size: int = 250) -> float:
    """Return the share of images that `model` classifies as `labels`, in [0, 1]. Raises InputError."""
    return float(correct(model, images, labels, batch_size=batch_size).mean())

"""Whether images are classified right, and measures of how far from it each is, which training and attacks share."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.core.checks import check_images, check_labels, check_number
from interp.core.compiled import run_in_batches
from interp.core.errors import InputError
from interp.models.model_check import check_model, run_for_logits

# Keeps the ratio of equal logits finite.
TINY = 1e-12


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Softmax cross-entropy of logits (n, K) with integer labels (n,), shape (n,)."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def log_odds_against(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """m = logsumexp_{j != y} z_j - z_y, float32, shape (n,): what attacks on the classification raise.

    The cross-entropy is softplus(m), so both grow along the same direction, but its gradient is that of m times sigmoid(m), which
    underflows once the label leads by about 16 in float16 and 90 in float32.
    """
    logits = tf.cast(logits, tf.float32)
    hit = tf.one_hot(labels, logits.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
    others = tf.reduce_logsumexp(tf.where(hit, logits.dtype.min, logits), -1)
    return others - tf.gather(logits, labels, batch_dims=1)


def margin(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Largest other logit minus the label's, shape (n,): positive where another class is predicted."""
    hit = tf.one_hot(labels, logits.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
    other = tf.reduce_max(tf.where(hit, logits.dtype.min, logits), -1)
    return other - tf.gather(logits, labels, batch_dims=1)


def target_margin(logits: tf.Tensor, targets: tf.Tensor, confidence: float = 0.1) -> tf.Tensor:
    """Largest other logit minus the target's, at least -confidence, shape (n,): negative where the target is predicted."""
    return tf.maximum(margin(logits, targets), -confidence)


def difference_of_logits_ratio(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Largest other logit minus the label's over the gap between first and third, shape (n,), K >= 3 (Croce and Hein 2020).

    Raises InputError for fewer classes.
    """
    strongest = _strongest(logits, 3)
    return margin(logits, labels) / (strongest[:, 0] - strongest[:, 2] + TINY)


def targeted_difference_of_logits_ratio(logits: tf.Tensor, labels: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """The target's logit minus the label's over the gap between the first and the mean of third and fourth, shape (n,), K >= 4.

    Raises InputError for fewer classes.
    """
    strongest = _strongest(logits, 4, "targeted ")
    lead = tf.gather(logits, targets, batch_dims=1) - tf.gather(logits, labels, batch_dims=1)
    return lead / (strongest[:, 0] - (strongest[:, 2] + strongest[:, 3]) / 2 + TINY)


def _strongest(logits: tf.Tensor, count: int, kind: str = "") -> tf.Tensor:
    classes = logits.shape[-1]
    if classes is not None and classes < count:
        raise InputError(
            f"the {kind}difference of logits ratio needs at least {count} classes, the model has {classes}: use the cross-entropy"
        )
    return tf.math.top_k(logits, count).values


def correct(model: keras.Model, images: Any, labels: Any, *, batch_size: int = 250) -> np.ndarray:
    """Return which images `model` classifies as `labels`.

    A label that ties with another class for the largest logit counts as wrong: no attack may hide in a tie.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: Integers (n,), the true classes.
        batch_size: Number of images processed at a time.

    Returns:
        Booleans (n,).

    Raises:
        InputError: An argument cannot be used, or logits are NaN or infinite.
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
    """Return the share of images that `model` classifies as `labels`.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: Integers (n,), the true classes.
        batch_size: Number of images processed at a time.

    Returns:
        The share, in [0, 1]; a label that ties with another class counts as wrong.

    Raises:
        InputError: An argument cannot be used, or logits are NaN or infinite.
    """
    return float(correct(model, images, labels, batch_size=batch_size).mean())

"""Per-image measures of how far a classification is from right; training and attacks share them."""

import tensorflow as tf


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Softmax cross-entropy of logits (n, K) with integer labels (n,), shape (n,)."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def margin(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Largest other logit minus the label's, shape (n,): positive where another class is predicted."""
    hit = tf.one_hot(labels, logits.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
    other = tf.reduce_max(tf.where(hit, logits.dtype.min, logits), -1)
    return other - tf.gather(logits, labels, batch_dims=1)


def target_margin(logits: tf.Tensor, targets: tf.Tensor, confidence: float = 0.1) -> tf.Tensor:
    """Largest other logit minus the target's, at least -confidence, shape (n,): negative where the target is predicted."""
    return tf.maximum(margin(logits, targets), -confidence)

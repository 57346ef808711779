"""The interpretation discrepancy that training minimises (Boopathy et al. 2020, section 4)."""

import tensorflow as tf


def true_class_discrepancy(maps: tf.Tensor, moved_maps: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """||I_t(x') - I_t(x)||_1 of the true class t, shape (n,); maps (n, h, w, K) of all classes, labels (n,)."""
    return tf.gather(_class_distances(maps, moved_maps), labels, batch_dims=1)


def softmax_weighted_discrepancy(
    maps: tf.Tensor, moved_maps: tf.Tensor, moved_logits: tf.Tensor, labels: tf.Tensor
) -> tf.Tensor:
    """True-class distance plus the other classes' distances weighted by the softmax of f(x') over those, shape (n,)."""
    return tf.reduce_sum(class_weights(moved_logits, labels) * _class_distances(maps, moved_maps), -1)


def class_weights(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """1 for the true class, for the others the softmax over those, shape (n, K); gradients pass through.

    The true logit is masked before the softmax: dividing softmax * (1 - y) by its sum is 0/0 once the true logit leads by about 90,
    and the loss NaN.
    """
    hit = tf.one_hot(labels, logits.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
    return tf.where(hit, 1.0, tf.nn.softmax(tf.where(hit, logits.dtype.min, logits)))


def _class_distances(maps: tf.Tensor, moved_maps: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.abs(moved_maps - maps), (1, 2))

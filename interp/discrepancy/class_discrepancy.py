"""The interpretation discrepancy D(x, x'), measured and in training (Boopathy et al. 2020, sections 3 and 4)."""

import tensorflow as tf

from interp.core.errors import check_choice
from interp.core.names import NORMS, SELECTIONS


def select_classes(selection: str, labels: tf.Tensor, targets: tf.Tensor, classes: int) -> tf.Tensor:
    """Return the classes (n, m) that a discrepancy looks at: the true one, true and target, or all. Raises InputError."""
    check_choice("class selection", selection, SELECTIONS)
    if selection == "one_class":
        return labels[:, None]
    if selection == "two_class":
        return tf.stack([labels, targets], -1)
    return tf.tile(tf.range(classes, dtype=labels.dtype)[None], [tf.shape(labels)[0], 1])


def class_discrepancy(clean: tf.Tensor, moved: tf.Tensor, norm: str, *, normalised: bool = False) -> tf.Tensor:
    """Mean over classes of ||I_i(x') - I_i(x)||, flat maps (n, m, positions), shape (n,).

    One class gives the paper's one-class discrepancy, true and target its two-class one, all classes its all-class one.
    `normalised` divides each class by the range of its clean map, 0 where that is 0. Raises InputError.
    """
    distances = _distances(moved - clean, norm)
    if normalised:
        distances = tf.math.divide_no_nan(distances, tf.reduce_max(clean, -1) - tf.reduce_min(clean, -1))
    return tf.reduce_mean(distances, -1)


def class_distances(difference: tf.Tensor, norm: str, *, squared: bool = False) -> tf.Tensor:
    """The same of differences of maps (n, m, positions); `squared` squares the l2 norm, which then has a gradient at 0."""
    if norm == "l2" and squared:
        return tf.reduce_mean(tf.reduce_sum(difference**2, -1), -1)
    return tf.reduce_mean(_distances(difference, norm), -1)


def _distances(difference: tf.Tensor, norm: str) -> tf.Tensor:
    if check_choice("norm", norm, NORMS) == "l1":
        return tf.reduce_sum(tf.abs(difference), -1)
    squares = tf.reduce_sum(difference**2, -1)
    # The root's gradient at 0 is infinite; that of a map that does not move is 0 here.
    still = squares == 0
    return tf.where(still, tf.zeros_like(squares), tf.sqrt(tf.where(still, tf.ones_like(squares), squares)))


def true_class_discrepancy(maps: tf.Tensor, moved_maps: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """||I_t(x') - I_t(x)||_1 of the true class t, shape (n,); maps (n, h, w, K) of all classes, labels (n,)."""
    return tf.gather(_l1_by_class(maps, moved_maps), labels, batch_dims=1)


def softmax_weighted_discrepancy(
    maps: tf.Tensor, moved_maps: tf.Tensor, moved_logits: tf.Tensor, labels: tf.Tensor
) -> tf.Tensor:
    """True-class distance plus the other classes' distances weighted by the softmax of f(x') over those, shape (n,)."""
    return tf.reduce_sum(class_weights(moved_logits, labels) * _l1_by_class(maps, moved_maps), -1)


def class_weights(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """1 for the true class, for the others the softmax over those, shape (n, K); gradients pass through.

    The true logit is masked before the softmax: dividing softmax * (1 - y) by its sum is 0/0 once the true logit leads by about 90,
    and the loss NaN.
    """
    hit = tf.one_hot(labels, logits.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
    return tf.where(hit, 1.0, tf.nn.softmax(tf.where(hit, logits.dtype.min, logits)))


def _l1_by_class(maps: tf.Tensor, moved_maps: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.abs(moved_maps - maps), (1, 2))

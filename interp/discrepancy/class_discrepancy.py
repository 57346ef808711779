"""The interpretation discrepancy D(x, x'), measured and in training (Boopathy et al. 2020, sections 3 and 4)."""

import tensorflow as tf

from interp.core.errors import check_choice
from interp.core.names import NORMS, SELECTIONS


def select_classes(selection: str, labels: tf.Tensor, targets: tf.Tensor, classes: int) -> tf.Tensor:
    """Return the classes whose maps a discrepancy looks at (Boopathy et al. 2020).

    Args:
        selection: "one_class" (the true one), "two_class" (true and target) or "all_class".
        labels: Integers (n,), the true classes.
        targets: Integers (n,), the target classes.
        classes: Number of classes.

    Returns:
        Integers (n, m), of the type of the labels.

    Raises:
        InputError: The selection is unknown.
    """
    check_choice("class selection", selection, SELECTIONS)
    if selection == "one_class":
        return labels[:, None]
    if selection == "two_class":
        return tf.stack([labels, tf.cast(targets, labels.dtype)], -1)
    return tf.tile(tf.range(classes, dtype=labels.dtype)[None], [tf.shape(labels)[0], 1])


def class_discrepancy(clean: tf.Tensor, moved: tf.Tensor, norm: str, *, normalised: bool = False) -> tf.Tensor:
    """Return the mean over classes of ||I_i(x') - I_i(x)||, the norm of a map's change (Boopathy et al. 2020).

    Of one class it is the paper's one-class discrepancy, of true and target its two-class one, of all its all-class
    one.

    Args:
        clean: Flat maps (n, m, positions) of the clean images, of m classes each.
        moved: Maps of the same shape, which are compared with them.
        norm: Norm of the difference of two maps, "l1" or "l2".
        normalised: Whether each class is divided by the range of its clean map; it gives 0 where that is 0.

    Returns:
        A tensor (n,), through which gradients pass.

    Raises:
        InputError: The norm is unknown.
    """
    distances = _distances(moved - clean, norm)
    if normalised:
        distances = tf.math.divide_no_nan(distances, tf.reduce_max(clean, -1) - tf.reduce_min(clean, -1))
    return tf.reduce_mean(distances, -1)


def class_distances(difference: tf.Tensor, norm: str, *, squared: bool = False) -> tf.Tensor:
    """Return the mean over classes of the norms of differences of maps.

    Args:
        difference: Differences (n, m, positions) of flat maps of m classes.
        norm: Norm of the difference of two maps, "l1" or "l2".
        squared: Whether the l2 norm is squared, which gives it a gradient at 0; l1 stays as it is.

    Returns:
        A tensor (n,), through which gradients pass.

    Raises:
        InputError: The norm is unknown.
    """
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
    """Return ||I_t(x') - I_t(x)||_1, how far the map of the true class t moved.

    Args:
        maps: Clean maps (n, h, w, K) of all classes.
        moved_maps: Maps of the same shape, which are compared with them.
        labels: Integers (n,), the true classes.

    Returns:
        A tensor (n,), through which gradients pass.
    """
    return tf.gather(_l1_by_class(maps, moved_maps), labels, batch_dims=1)


def softmax_weighted_discrepancy(
    maps: tf.Tensor, moved_maps: tf.Tensor, moved_logits: tf.Tensor, labels: tf.Tensor
) -> tf.Tensor:
    """Return how far the true class's map moved, plus the others weighted by the softmax of f(x') over those.

    Args:
        maps: Clean maps (n, h, w, K) of all classes.
        moved_maps: Maps of the same shape, which are compared with them.
        moved_logits: Logits (n, K) of the moved images.
        labels: Integers (n,), the true classes.

    Returns:
        A tensor (n,), through which gradients pass.
    """
    return tf.reduce_sum(class_weights(moved_logits, labels) * _l1_by_class(maps, moved_maps), -1)


def class_weights(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return 1 for the true class, and for the others the softmax over those.

    The true logit is masked before the softmax: dividing softmax * (1 - y) by its sum is 0/0 once the true logit leads
    by about 90, and the loss NaN.

    Args:
        logits: Logits (n, K).
        labels: Integers (n,), the true classes.

    Returns:
        A tensor (n, K), through which gradients pass.
    """
    hit = tf.one_hot(labels, logits.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
    return tf.where(hit, 1.0, tf.nn.softmax(tf.where(hit, logits.dtype.min, logits)))


def _l1_by_class(maps: tf.Tensor, moved_maps: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.abs(moved_maps - maps), (1, 2))

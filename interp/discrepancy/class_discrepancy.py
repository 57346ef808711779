"""The interpretation discrepancy D(x, x') (Boopathy et al. 2020, section 3)."""

import tensorflow as tf

from interp.core.errors import check_choice

NORMS = ("l1", "l2")
SELECTIONS = ("one_class", "two_class", "all_class")


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
    return tf.norm(difference, axis=-1)

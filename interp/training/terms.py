"""The terms that training objectives are made of; each maps a Pair to one value per image, shape (n,)."""

from collections.abc import Callable

import tensorflow as tf

from interp.attacks.classification import cross_entropy
from interp.core.path_gradients import path_gradient, quadrature
from interp.discrepancy import class_weights, softmax_weighted_discrepancy, true_class_discrepancy
from interp.training.views import Pair

Term = Callable[[Pair], tf.Tensor]

# Points of the integrals inside training, as in the paper: five of the right Riemann rule.
PATH_POSITIONS, PATH_WEIGHTS = quadrature("right", 5)


def clean_cross_entropy(pair: Pair) -> tf.Tensor:
    """CE(x)."""
    return cross_entropy(pair.clean.logits, pair.labels)


def adversarial_cross_entropy(pair: Pair) -> tf.Tensor:
    """CE(x')."""
    return cross_entropy(pair.attacked.logits, pair.labels)


def kl_divergence(pair: Pair) -> tf.Tensor:
    """KL(p(x) || p(x'))."""
    clean, attacked = tf.nn.log_softmax(pair.clean.logits), tf.nn.log_softmax(pair.attacked.logits)
    return tf.reduce_sum(tf.exp(clean) * (clean - attacked), -1)


def cam_discrepancy(pair: Pair) -> tf.Tensor:
    """D_train of the class activation maps."""
    return softmax_weighted_discrepancy(pair.clean.maps, pair.attacked.maps, pair.attacked.logits, pair.labels)


def true_class_cam_discrepancy(pair: Pair) -> tf.Tensor:
    """D_train of the true class's map alone."""
    return true_class_discrepancy(pair.clean.maps, pair.attacked.maps, pair.labels)


def loss_attribution(pair: Pair) -> tf.Tensor:
    """l1 norm of the integrated gradients of the cross-entropy along x to x'."""

    def score(points: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        return cross_entropy(pair.attacked.logits_along(points), tf.gather(pair.labels, rows))

    return _attribution_norm(score, pair.clean.points, pair.attacked.points)


def logit_attribution(pair: Pair) -> tf.Tensor:
    """l1 norms of the integrated gradients of all logits along x to x', weighted as in D_train."""
    classes = pair.clean.logits.shape[-1]
    start, end = (tf.repeat(view.points, classes, axis=0) for view in (pair.clean, pair.attacked))
    shown_class = tf.tile(tf.range(classes), [tf.shape(pair.labels)[0]])

    def score(points: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        return tf.gather(pair.attacked.logits_along(points), tf.gather(shown_class, rows), batch_dims=1)

    norms = tf.reshape(_attribution_norm(score, start, end), (-1, classes))
    return tf.reduce_sum(class_weights(pair.attacked.logits, pair.labels) * norms, -1)


def _attribution_norm(
    score: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], start: tf.Tensor, end: tf.Tensor
) -> tf.Tensor:
    gradient = path_gradient(score, start, end, tf.constant(PATH_POSITIONS), tf.constant(PATH_WEIGHTS))
    return tf.reduce_sum(tf.abs((end - start) * gradient), (1, 2, 3))


def penalised(classification: Term, penalty: Term) -> Term:
    """classification + weight * penalty."""
    return lambda pair: classification(pair) + pair.penalty_weight * penalty(pair)

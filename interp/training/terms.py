"""The terms that training objectives are made of; each maps a Pair to one value per image, shape (n,)."""

from collections.abc import Callable

import tensorflow as tf

from interp.attacks.classification import cross_entropy, log_odds_against
from interp.core.path_gradients import path_gradients, quadrature
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


def adversarial_log_odds(pair: Pair) -> tf.Tensor:
    """log((1 - p_y) / p_y) at x': what an inner attack on CE(x') raises, whose own gradient underflows."""
    return log_odds_against(pair.attacked.logits, pair.labels)


def kl_divergence(pair: Pair) -> tf.Tensor:
    """KL(p(x) || p(x'))."""
    clean, attacked = tf.nn.log_softmax(pair.clean.logits), tf.nn.log_softmax(pair.attacked.logits)
    return tf.reduce_sum(tf.exp(clean) * (clean - attacked), -1)


def map_discrepancy(pair: Pair) -> tf.Tensor:
    """D_train of the maps of all classes."""
    return softmax_weighted_discrepancy(pair.clean.maps, pair.attacked.maps, pair.attacked.logits, pair.labels)


def true_class_map_discrepancy(pair: Pair) -> tf.Tensor:
    """D_train of the true class's map alone."""
    clean, places = pair.clean.maps_with(pair.labels)
    return true_class_discrepancy(clean, pair.attacked.maps_with(pair.labels)[0], places)


def loss_attribution(pair: Pair) -> tf.Tensor:
    """l1 norm of the integrated gradients of the cross-entropy along x to x'."""

    def score(points: tf.Tensor, rows: tf.Tensor) -> list[tf.Tensor]:
        return [cross_entropy(pair.attacked.logits_along(points), tf.gather(pair.labels, rows))]

    return _attribution_norms(pair, score)[:, 0]


def logit_attribution(pair: Pair) -> tf.Tensor:
    """l1 norms of the integrated gradients of all logits along x to x', weighted as in D_train."""

    def scores(points: tf.Tensor, _: tf.Tensor) -> list[tf.Tensor]:
        return tf.unstack(pair.attacked.logits_along(points), axis=-1)

    norms = _attribution_norms(pair, scores, piecewise_constant=True)
    return tf.reduce_sum(class_weights(pair.attacked.logits, pair.labels) * norms, -1)


def _attribution_norms(
    pair: Pair, scores: Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]], *, piecewise_constant: bool = False
) -> tf.Tensor:
    """l1 norms (n, scores) of the integrated gradients of the scores along x to x'.

    The gradient of a logit of a ReLU network is `piecewise_constant` in the image: while an attack searches the image, it need
    not be differentiated again, which would give the same at twice the cost.
    """
    positions, weights = tf.constant(PATH_POSITIONS), tf.constant(PATH_WEIGHTS)
    # Along the lifted path, so that the first convolution is passed once each way and not at every point.
    means = path_gradients(scores, pair.clean.lifted, pair.attacked.lifted, positions, weights)
    end = pair.attacked.points
    gradients = [pair.attacked.forward.pull_back(end, mean) for mean in means]
    if piecewise_constant and pair.searching:
        gradients = [tf.stop_gradient(gradient) for gradient in gradients]
    way = end - pair.clean.points
    return tf.stack([tf.reduce_sum(tf.abs(way * gradient), (1, 2, 3)) for gradient in gradients], -1)


def penalised(classification: Term, penalty: Term) -> Term:
    """classification + weight * penalty."""
    return lambda pair: classification(pair) + pair.penalty_weight * penalty(pair)

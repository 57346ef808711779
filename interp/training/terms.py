"""The terms that training objectives are made of; each maps a Pair to one value per image, shape (n,)."""

from collections.abc import Callable

import tensorflow as tf

from interp.attacks.classification import cross_entropy, log_odds_against
from interp.core.errors import InputError
from interp.core.path_gradients import path_gradients, quadrature
from interp.discrepancy import class_weights, softmax_weighted_discrepancy, true_class_discrepancy
from interp.models.piecewise_linear import is_piecewise_linear
from interp.training.views import Pair

Term = Callable[[Pair], tf.Tensor]

# Points of the integrals inside training, as in the paper: five of the right Riemann rule.
PATH_POSITIONS, PATH_WEIGHTS = quadrature("right", 5)
# Of local gradient alignment: what a squared distance usually counts against half a cosine distance. Where both counted 0.1 in the loss,
# MNIST small learned nothing: its gradients vanished.
DISTANCE_WEIGHT = 0.01
# R2ET keeps this share of the positions above all others; a tenth of as many on either side are compared.
RANKED_SHARE = 1 / 8


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

    norms = _attribution_norms(pair, scores, of_logits=True)
    return tf.reduce_sum(class_weights(pair.attacked.logits, pair.labels) * norms, -1)


def _attribution_norms(
    pair: Pair, scores: Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]], *, of_logits: bool = False
) -> tf.Tensor:
    """l1 norms (n, scores) of the integrated gradients of the scores along x to x'.

    The gradient `of_logits` of a ReLU network is piecewise constant in the image: while an attack searches the image, it need not be
    differentiated again, which would give the same at twice the cost.
    """
    positions, weights = tf.constant(PATH_POSITIONS), tf.constant(PATH_WEIGHTS)
    # Along the lifted path, so that the first convolution is passed once each way and not at every point.
    means = path_gradients(scores, pair.clean.lifted, pair.attacked.lifted, positions, weights)
    end = pair.attacked.points
    way = end - pair.clean.points
    gradients = [pair.attacked.forward.pull_back(end, mean) for mean in means]
    if (
        of_logits
        and pair.searching
        and is_piecewise_linear(pair.attacked.forward.model, tuple(pair.attacked.forward.leave(end).shape[1:]))
    ):
        gradients = [tf.stop_gradient(gradient) for gradient in gradients]
    return tf.stack([tf.reduce_sum(tf.abs(way * gradient), (1, 2, 3)) for gradient in gradients], -1)


def local_alignment(distance_weight: float) -> Term:
    """Squared distance, so weighted, and half the cosine distance of the label's maps at x, held constant, and at a point near it."""

    def term(pair: Pair) -> tf.Tensor:
        clean, near = (_rows(view.label_map(pair.labels)) for view in (pair.clean, pair.attacked))
        clean = tf.stop_gradient(clean)
        distance = tf.reduce_sum(tf.math.squared_difference(clean, near), -1)
        return distance_weight * distance + _cosine_distance(clean, near) / 2

    return term


def map_cosine_distance(pair: Pair) -> tf.Tensor:
    """1 - cosine of the label's maps at x and x'."""
    return _cosine_distance(*(_rows(view.label_map(pair.labels)) for view in (pair.clean, pair.attacked)))


def curvature(pair: Pair) -> tf.Tensor:
    """Squared norm of how the label's map, along a random direction v, changes with x: ||H v||^2 where the map is a gradient."""
    maps = _rows(pair.clean.label_map(pair.labels))
    # No map has more positions than its image has values.
    directions = _rows(pair.directions)[:, : tf.shape(maps)[1]]
    (change,) = tf.gradients(tf.reduce_sum(maps * directions), pair.clean.points)
    if change is None:
        raise InputError("the maps do not change with the image, so there is no curvature: choose another explanation")
    return tf.reduce_sum(tf.square(pair.clean.forward.leave(change)), (1, 2, 3))


def rank_gap(pair: Pair) -> tf.Tensor:
    """Sum of h_j - h_i over positions i just above a rank and j just below it; h is the label's map, in magnitudes over channels.

    Maps have unit length. As they are, the sum has no lower bound: the network makes its gradients larger and forgets the classes.
    """
    maps = tf.abs(pair.clean.label_map(pair.labels))
    ranked = tf.math.l2_normalize(_rows(tf.reduce_sum(maps, -1) if maps.shape.rank == 4 else maps), -1)
    first = tf.maximum(tf.cast(RANKED_SHARE * tf.cast(tf.shape(ranked)[1], tf.float32), tf.int32), 1)
    near = tf.minimum(tf.maximum(first // 10, 1), tf.shape(ranked)[1] - first)
    strongest = tf.math.top_k(ranked, first + near).values
    above, below = strongest[:, tf.maximum(first - near - 1, 0) : first], strongest[:, first:]
    sizes = [tf.cast(tf.shape(side)[1], tf.float32) for side in (above, below)]
    return sizes[0] * tf.reduce_sum(below, -1) - sizes[1] * tf.reduce_sum(above, -1)


def attributional_margin(pair: Pair) -> tf.Tensor:
    """softplus of how much farther, by cosine, the image x' is from the label's map than from that of the strongest other class."""
    view = pair.attacked
    hidden = tf.one_hot(pair.labels, tf.shape(view.logits)[-1], on_value=view.logits.dtype.min, off_value=0.0)
    others = tf.argmax(view.logits + hidden, -1)
    maps, images = view.maps_of(tf.stack([pair.labels, others], 1)), _rows(view.forward.leave(view.points))
    flat_maps = tf.reshape(maps, [tf.shape(maps)[0], 2, -1])
    if maps.shape[2:].num_elements() not in (None, images.shape[1]):
        raise InputError(
            f"this method compares images with maps of their size, and {view.explanation.name} gives smaller ones: choose another "
            "explanation, such as gradient"
        )
    label, other = (_cosine_distance(images, flat_maps[:, place]) for place in (0, 1))
    return tf.nn.softplus(label - other)


def _rows(maps: tf.Tensor) -> tf.Tensor:
    """A row for each image."""
    positions = maps.shape[1:].num_elements()
    return tf.reshape(maps, [tf.shape(maps)[0], -1 if positions is None else positions])


def _cosine_distance(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """1 - cosine of rows; 1 where one of them is 0."""
    return 1 - tf.reduce_sum(tf.math.l2_normalize(first, -1) * tf.math.l2_normalize(second, -1), -1)


def penalised(classification: Term, penalty: Term) -> Term:
    """classification + weight * penalty."""
    return lambda pair: classification(pair) + pair.penalty_weight * penalty(pair)

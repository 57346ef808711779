"""The terms that training objectives are made of; each maps a Pair to one value per image, shape (n,)."""

from collections.abc import Callable

import tensorflow as tf

from interp.attacks.classification import cross_entropy
from interp.discrepancy import softmax_weighted_discrepancy
from interp.training.views import Pair

Term = Callable[[Pair], tf.Tensor]


def clean_cross_entropy(pair: Pair) -> tf.Tensor:
    """CE(x)."""
    return cross_entropy(pair.clean.logits, pair.labels)


def adversarial_cross_entropy(pair: Pair) -> tf.Tensor:
    """CE(x')."""
    return cross_entropy(pair.attacked.logits, pair.labels)


def cam_discrepancy(pair: Pair) -> tf.Tensor:
    """D_train of the class activation maps."""
    return softmax_weighted_discrepancy(pair.clean.maps, pair.attacked.maps, pair.attacked.logits, pair.labels)


def penalised(classification: Term, penalty: Term) -> Term:
    """classification + lambda * penalty."""
    return lambda pair: classification(pair) + pair.penalty * penalty(pair)

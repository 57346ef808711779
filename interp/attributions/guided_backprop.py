"""Guided backpropagation (Springenberg et al. 2015)."""

import tensorflow as tf

from interp.attributions.attribution import Attribution
from interp.attributions.explained import Explained, gradient_of


class GuidedBackprop(Attribution):
    """Gradient in which each ReLU that was active passes back what is positive of it (Springenberg et al. 2015), shape of the images.

    Defined for ReLU alone: a model with another activation is refused by name. Known to fail the sanity check of Adebayo et al.
    (2018): its maps hardly depend on the upper weights.
    """

    def _maps(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        return (guided_gradient(explained, images, labels),)


def guided_gradient(explained: Explained, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The map of guided backpropagation."""
    return gradient_of(explained.ruled_scores(images, labels, "guided_backprop"), images)

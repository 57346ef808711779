"""DeconvNet (Zeiler and Fergus 2014)."""

import tensorflow as tf

from interp.attributions.attribution import Attribution
from interp.attributions.explained import Explained, gradient_of


class DeconvNet(Attribution):
    """Gradient in which each ReLU passes back what is positive of it (Zeiler and Fergus 2014), shape of the images.

    Defined for ReLU alone: a model with another activation is refused by name.
    """

    def _maps(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        return (gradient_of(explained.ruled_scores(images, labels, "deconvnet"), images),)

"""The gradient times the image (Shrikumar et al. 2016)."""

import tensorflow as tf

from interp.attributions.attribution import Attribution
from interp.attributions.explained import Explained, gradient_of


class InputXGradient(Attribution):
    """Image times the gradient of the label's logit (Shrikumar et al. 2016), shape of the images."""

    def _maps(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        return (images * gradient_of(explained.scores(images, labels), images),)

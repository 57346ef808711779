"""The gradient itself (Simonyan et al. 2014)."""

import tensorflow as tf

from interp.attributions.attribution import Attribution
from interp.attributions.explained import Explained, gradient_of


class VanillaGradient(Attribution):
    """Gradient of the label's logit by the image (Simonyan et al. 2014), shape of the images."""

    def _maps(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        return (gradient_of(explained.scores(images, labels), images),)

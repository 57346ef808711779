"""Grad-CAM (Selvaraju et al. 2017)."""

import tensorflow as tf

from interp.attributions.attribution import Attribution, upsample
from interp.attributions.explained import Explained, gradient_of
from interp.models.recorded_model import Use, find_use


class GradCAM(Attribution):
    """Grad-CAM relu(sum_c mean(g_c) A_c) of one layer (Selvaraju et al. 2017), upsampled: (n, height, width, 1).

    A are the outputs of `layer`, by default the last with a spatial output, g their gradient. Raises InputError when called for a
    layer that does not exist or has no spatial output; the message lists those that have.
    """

    reads_layers = True

    def _maps(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        return (upsample(class_map(explained, images, labels, self.layer), images),)


def class_map(explained: Explained, images: tf.Tensor, labels: tf.Tensor, layer: str | None) -> tf.Tensor:
    """The map (n, h, w) of Grad-CAM at the size of the layer."""
    scores, uses = explained.recorded_scores(images, labels)
    outputs, gradient = maps_and_gradient(scores, find_use(uses, layer))
    weights = tf.reduce_mean(gradient, (1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * outputs, -1))


def maps_and_gradient(scores: tf.Tensor, use: Use) -> tuple[tf.Tensor, tf.Tensor]:
    """The outputs of a layer (n, h, w, d) in float32, and the gradient of the scores with respect to them. Raises InputError."""
    gradient = gradient_of(scores, use.output)
    return tf.cast(use.maps(use.output), tf.float32), tf.cast(use.maps(gradient), tf.float32)

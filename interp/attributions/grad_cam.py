"""Grad-CAM (Selvaraju et al. 2017)."""

import tensorflow as tf

from interp.attributions.attribution import Attribution, upsample
from interp.attributions.explained import Explained, gradient_of
from interp.attributions.recorded_model import find_use


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
    outputs = find_use(uses, layer).output
    gradient = tf.cast(gradient_of(scores, outputs), tf.float32)
    weights = tf.reduce_mean(gradient, (1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * tf.cast(outputs, tf.float32), -1))

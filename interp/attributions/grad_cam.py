"""Grad-CAM (Selvaraju et al. 2017)."""

from dataclasses import dataclass

import tensorflow as tf

from interp.attributions.attribution import Maps
from interp.attributions.layers import OfOneLayer
from interp.models.prepared import PreparedModel


@dataclass(frozen=True, eq=False)
class GradCAM(OfOneLayer):
    """Grad-CAM relu(sum_c mean(g_c) A_c) of one layer (Selvaraju et al. 2017), for people upsampled: (n, height, width, 1).

    A are the outputs of `layer`, by default the last with a spatial output, g their gradient. Raises InputError when called for a
    layer that does not exist or has no spatial output; the message lists those that have.
    """

    at_layer = True

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        return self.layer_map(model, points, labels, weigh_by_gradient)


def weigh_by_gradient(outputs: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """The map (n, h, w) of Grad-CAM."""
    weights = tf.reduce_mean(gradient, (1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * outputs, -1))

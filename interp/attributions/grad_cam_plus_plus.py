"""Grad-CAM++ (Chattopadhay et al. 2018)."""

from dataclasses import dataclass

import tensorflow as tf

from interp.attributions.attribution import Maps
from interp.attributions.layers import OfOneLayer
from interp.models.prepared import PreparedModel


@dataclass(frozen=True, eq=False)
class GradCAMPlusPlus(OfOneLayer):
    """Grad-CAM++ of one layer (Chattopadhay et al. 2018) with score exp(logit), for people upsampled: (n, height, width, 1).

    alpha = g^2 / (2 g^2 + sum(A) g^3), weights sum(alpha relu(g)), map relu(sum_c w_c A_c). `layer` as in GradCAM. CAM with
    `rectified` is its closed form for average pooling.
    """

    at_layer = True

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        return self.layer_map(model, points, labels, _weigh)


def _weigh(outputs: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    # Numerator and denominator divided by g^2, which underflows for small gradients; alpha is 0 where g is.
    denominator = 2 + tf.reduce_sum(outputs, (1, 2), keepdims=True) * gradient
    alpha = tf.where(gradient == 0, 0.0, tf.math.divide_no_nan(1.0, denominator))
    weights = tf.reduce_sum(alpha * tf.nn.relu(gradient), (1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * outputs, -1))

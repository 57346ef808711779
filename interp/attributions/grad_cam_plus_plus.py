"""Grad-CAM++ (Chattopadhay et al. 2018)."""

import tensorflow as tf

from interp.attributions.attribution import Attribution, upsample
from interp.attributions.explained import Explained
from interp.attributions.grad_cam import maps_and_gradient
from interp.models.recorded_model import find_use


class GradCAMPlusPlus(Attribution):
    """Grad-CAM++ of one layer (Chattopadhay et al. 2018) with score exp(logit), upsampled: (n, height, width, 1).

    alpha = g^2 / (2 g^2 + sum(A) g^3), weights sum(alpha relu(g)), map relu(sum_c w_c A_c). `layer` as in GradCAM.
    """

    reads_layers = True

    def _maps(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        scores, uses = explained.recorded_scores(images, labels)
        outputs, gradient = maps_and_gradient(scores, find_use(uses, self.layer))
        # Numerator and denominator divided by g^2, which underflows for small gradients; alpha is 0 where g is.
        denominator = 2 + tf.reduce_sum(outputs, (1, 2), keepdims=True) * gradient
        alpha = tf.where(gradient == 0, 0.0, tf.math.divide_no_nan(1.0, denominator))
        weights = tf.reduce_sum(alpha * tf.nn.relu(gradient), (1, 2), keepdims=True)
        return (upsample(tf.nn.relu(tf.reduce_sum(weights * outputs, -1)), images),)

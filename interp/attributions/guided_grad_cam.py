"""Guided Grad-CAM (Selvaraju et al. 2017)."""

from dataclasses import dataclass

import tensorflow as tf

from interp.attributions.attribution import Maps
from interp.attributions.grad_cam import weigh_by_gradient
from interp.attributions.layers import OfOneLayer
from interp.models.prepared import PreparedModel


@dataclass(frozen=True, eq=False)
class GuidedGradCAM(OfOneLayer):
    """Upsampled Grad-CAM times guided backpropagation (Selvaraju et al. 2017), shape of the images.

    `layer` as in GradCAM, activations as in GuidedBackprop, and like that known to fail the sanity check (Adebayo et al. 2018).
    """

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        coarse = self.layer_map(model, points, labels, weigh_by_gradient).maps
        guided, logits = self.label_gradient(model, points, labels, "guided_backprop")
        return Maps(tf.image.resize(coarse[..., None], tf.shape(guided)[1:3], "bilinear") * guided, logits)

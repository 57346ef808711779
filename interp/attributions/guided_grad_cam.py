"""Guided Grad-CAM (Selvaraju et al. 2017)."""

import tensorflow as tf

from interp.attributions.attribution import Attribution, upsample
from interp.attributions.explained import Explained
from interp.attributions.grad_cam import class_map
from interp.attributions.guided_backprop import guided_gradient


class GuidedGradCAM(Attribution):
    """Upsampled Grad-CAM times guided backpropagation (Selvaraju et al. 2017), shape of the images.

    `layer` as in GradCAM, activations as in GuidedBackprop, and like that known to fail the sanity check (Adebayo et al. 2018).
    """

    reads_layers = True

    def _maps(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        coarse = upsample(class_map(explained, images, labels, self.layer), images)
        return (coarse * guided_gradient(explained, images, labels),)

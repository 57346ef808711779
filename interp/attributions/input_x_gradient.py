"""The gradient times the image (Shrikumar et al. 2016)."""

from dataclasses import dataclass

import tensorflow as tf

from interp.attributions.attribution import Maps
from interp.attributions.gradients import OfGradients
from interp.models.prepared import PreparedModel


@dataclass(frozen=True, eq=False)
class InputXGradient(OfGradients):
    """Image times the gradient of the label's logit (Shrikumar et al. 2016), shape of the images."""

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        gradient, logits = self.label_gradient(model, points, labels)
        return Maps(model.leave(points) * gradient, logits)

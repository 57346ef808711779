"""The gradient itself (Simonyan et al. 2014)."""

from dataclasses import dataclass

import tensorflow as tf

from interp.attributions.attribution import Maps
from interp.attributions.gradients import OfGradients
from interp.models.prepared import PreparedModel


@dataclass(frozen=True, eq=False)
class VanillaGradient(OfGradients):
    """Gradient of the label's logit by the image (Simonyan et al. 2014), shape of the images."""

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        return Maps(*self.label_gradient(model, points, labels))

"""DeconvNet (Zeiler and Fergus 2014)."""

from dataclasses import dataclass

import tensorflow as tf

from interp.attributions.attribution import Maps
from interp.attributions.gradients import OfGradients
from interp.models.prepared import PreparedModel


@dataclass(frozen=True, eq=False)
class DeconvNet(OfGradients):
    """Gradient in which each ReLU passes back what is positive of it (Zeiler and Fergus 2014), shape of the images.

    Defined for ReLU alone: a model with another activation is refused by name.
    """

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        return Maps(*self.label_gradient(model, points, labels, "deconvnet"))

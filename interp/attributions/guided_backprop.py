"""Guided backpropagation (Springenberg et al. 2015)."""

from dataclasses import dataclass

import tensorflow as tf

from interp.attributions.attribution import Maps
from interp.attributions.gradients import OfGradients
from interp.models.prepared import PreparedModel


@dataclass(frozen=True, eq=False)
class GuidedBackprop(OfGradients):
    """Gradient in which each ReLU that was active passes back what is positive of it (Springenberg et al. 2015), shape of the images.

    Defined for ReLU alone: a model with another activation is refused by name. Known to fail the sanity check of Adebayo et al.
    (2018): its maps hardly depend on the upper weights.
    """

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        return Maps(*self.label_gradient(model, points, labels, "guided_backprop"))

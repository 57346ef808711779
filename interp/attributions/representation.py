"""The outputs of one layer, as a map of whatever class."""

from dataclasses import dataclass, field

import tensorflow as tf

from interp.attributions.attribution import Attribution, Maps
from interp.models.prepared import PreparedModel

LAST_LAYER = -1


@dataclass(frozen=True, eq=False)
class Representation(Attribution):
    """Outputs of the layer `index`, -1 for the last feature maps before average pooling; the same for all classes.

    For discrepancies and attacks: maps (n, 1, height, width, channels) have more channels than a picture shows. Raises InputError.
    """

    index: int = field(default=LAST_LAYER, kw_only=True)

    def maps(self, model: PreparedModel, points: tf.Tensor, classes: tf.Tensor, rows: tf.Tensor) -> Maps:
        activations = model.activations(points)
        last = self.index == LAST_LAYER
        outputs = model.tail.features(activations) if last else model.layer(points, self.index)
        return Maps(outputs[:, None], model.tail.logits(activations))

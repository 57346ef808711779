"""Maps of the edges of an image: what a method has to beat that claims to show the model."""

from dataclasses import dataclass

import tensorflow as tf

from interp.attributions.attribution import Maps
from interp.attributions.gradients import OfOneClass
from interp.models.prepared import PreparedModel


@dataclass(frozen=True, eq=False)
class EdgeMap(OfOneClass):
    """Sobel magnitude of the image, mean over its channels, (n, height, width, 1): what a method has to beat.

    No weight of the model and no label plays a part.

    Args:
        model: Any Keras model that returns logits (n, classes); a softmax or sigmoid at its end is cut. None, the
            default, makes a description alone.
        chunk_size: Images in memory at a time, at most (default: by their size).

    Raises:
        InputError: For settings that cannot be used.
    """

    differentiable = False
    obstacle = "shows edges of the image and nothing of the model"

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        edges = tf.image.sobel_edges(model.leave(points))
        magnitudes = tf.sqrt(tf.reduce_sum(edges**2, -1))
        return Maps(tf.reduce_mean(magnitudes, -1, keepdims=True), model.logits(points))

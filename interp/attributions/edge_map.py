"""Maps of the edges of an image: what a method has to beat that claims to show the model."""

from dataclasses import dataclass

import tensorflow as tf

from interp.attributions.attribution import Maps
from interp.attributions.gradients import OfOneClass
from interp.core.errors import InputError
from interp.models.prepared import PreparedModel


@dataclass(frozen=True, eq=False)
class EdgeMap(OfOneClass):
    """Sobel magnitude of the image, mean over its channels, (n, height, width, 1): what a method has to beat.

    No weight of the model and no label plays a part.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    differentiable = False
    obstacle = "shows edges of the image and nothing of the model"

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        images = model.leave(points)
        if min(images.shape[1:3]) < 2:
            raise InputError(
                f"EdgeMap got images of {images.shape[1]}x{images.shape[2]}, expected at least 2x2: one pixel has no edge"
            )
        edges = tf.image.sobel_edges(images)
        magnitudes = tf.sqrt(tf.reduce_sum(edges**2, -1))
        return Maps(tf.reduce_mean(magnitudes, -1, keepdims=True), model.logits(points))

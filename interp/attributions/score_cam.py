"""Score-CAM (Wang et al. 2020)."""

from dataclasses import dataclass, field

import tensorflow as tf

from interp.attributions.attribution import Maps, upsampled
from interp.attributions.hidden_pixels import OBSTACLE, SCORES, scores_of_masked
from interp.attributions.one_layer import OfOneLayer
from interp.core.errors import check_choice
from interp.models.prepared import PreparedModel


@dataclass(frozen=True, eq=False)
class ScoreCAM(OfOneLayer):
    """Score-CAM relu(sum_c w_c A_c) of one layer (Wang et al. 2020).

    A are the layer's outputs; called, it gives maps upsampled to (n, height, width, 1). Each channel is upsampled and
    scaled to [0, 1], by least and largest value of the image's map; the image times that mask has a score, and w is the
    softmax of the scores over the channels, as in the paper's algorithm. It takes one pass of the model for each
    channel.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        layer: Name of the layer whose outputs are looked at (default: the last with a spatial output).
        grid: (height, width) of a transformer's tokens (n, tokens, channels), or one number for both (default: a
            square). A class token before them is left out.
        score: What is asked of the label: "logit" or "probability".

    Raises:
        InputError: A setting is out of its range or unknown; when called, the layer does not exist or has neither maps
            nor tokens. The message lists those that have.
    """

    at_layer = True
    differentiable = False
    obstacle = OBSTACLE

    score: str = field(default="logit", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("score", self.score, SCORES)

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        outputs, logits = self.layer_outputs(model, points)
        images, channels = model.leave(points), tf.transpose(outputs, (0, 3, 1, 2))

        def shown(places: tf.Tensor, channel: tf.Tensor) -> tf.Tensor:
            chosen = upsampled(tf.gather_nd(channels, tf.stack([places, channel], -1)), images)
            least = tf.reduce_min(chosen, (1, 2, 3), keepdims=True)
            # A channel without differences shows nothing.
            return tf.math.divide_no_nan(chosen - least, tf.reduce_max(chosen, (1, 2, 3), keepdims=True) - least)

        chunk_size = self.points_at_a_time(tuple(images.shape[1:]))
        count = tf.shape(channels)[1]
        scores = scores_of_masked(model, images, labels, shown, count, score=self.score, chunk_size=chunk_size)
        weights = tf.nn.softmax(scores)
        return Maps(tf.nn.relu(tf.einsum("nc,nchw->nhw", weights, channels)), logits)

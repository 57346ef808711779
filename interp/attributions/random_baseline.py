"""Maps that know nothing: what every method has to beat."""

from dataclasses import dataclass, field

import tensorflow as tf

from interp.attributions.attribution import Maps
from interp.attributions.gradients import OfOneClass
from interp.core.checks import check_number
from interp.models.prepared import PreparedModel


@dataclass(frozen=True, eq=False)
class RandomBaseline(OfOneClass):
    """Uniform noise in [0, 1), (n, height, width, 1): what every method has to beat.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        seed: Seed of all random draws, which depend on the place of an image among the images, too.

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    differentiable = False

    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("seed", self.seed, minimum=0, whole=True)

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        shape = [*model.leave(points).shape[1:3], 1]
        drawn = tf.map_fn(
            lambda row: tf.random.stateless_uniform(shape, tf.stack([self.seed, row])),
            rows,
            fn_output_signature=tf.TensorSpec(shape),
        )
        return Maps(drawn, model.logits(points))

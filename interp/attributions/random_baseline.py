"""Maps that know nothing: what every method has to beat."""

import keras
import tensorflow as tf

from interp.attributions.attribution import Attribution
from interp.attributions.explained import Explained
from interp.core.checks import check_number


class RandomBaseline(Attribution):
    """Uniform noise in [0, 1) that depends on `seed` and the place of an image among the images, (n, height, width, 1)."""

    def __init__(self, model: keras.Model, *, seed: int = 0, chunk_size: int | None = None) -> None:
        super().__init__(model, chunk_size=chunk_size)
        check_number("seed", seed, minimum=0, whole=True)
        self.seed = seed

    def _maps(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        shape = [*images.shape[1:3], 1]
        drawn = tf.map_fn(
            lambda row: tf.random.stateless_uniform(shape, tf.stack([self.seed, row])),
            rows,
            fn_output_signature=tf.TensorSpec(shape),
        )
        return (drawn,)

"""Class activation maps (Zhou et al. 2016)."""

import keras
import tensorflow as tf

from interp.attributions.attribution import Attribution, upsample
from interp.attributions.explained import Explained


class CAM(Attribution):
    """Class activation map sum_c W_ck A_c (Zhou et al. 2016) of a model that ends in average pooling and a dense layer, upsampled:
    (n, height, width, 1).

    Raises InputError when called for a model without that end.
    """

    def __init__(self, model: keras.Model, *, chunk_size: int | None = None) -> None:
        super().__init__(model, chunk_size=chunk_size)

    def _maps(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        forward = explained.mapped()
        maps = forward.tail.maps(forward.activations(forward.enter(images)))
        return (upsample(tf.gather(tf.transpose(maps, (0, 3, 1, 2)), labels, batch_dims=1), images),)

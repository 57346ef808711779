"""Class activation maps (Zhou et al. 2016)."""

import keras
import tensorflow as tf

from interp.attributions.attribution import Attribution, upsample
from interp.attributions.explained import Explained
from interp.attributions.recorded_model import Use
from interp.core.errors import InputError

# What may stand around the dense layer behind the pooling without changing which maps the logits are averages of.
_TRANSPARENT = (keras.layers.Dropout, keras.layers.Softmax, keras.layers.Activation, keras.layers.Identity)
_ENDINGS = (keras.activations.linear, keras.activations.softmax)


class CAM(Attribution):
    """Class activation map sum_c W_ck A_c (Zhou et al. 2016) of a model that ends in average pooling and a dense layer, upsampled:
    (n, height, width, 1).

    Raises InputError when called for a model without that end.
    """

    reads_layers = True

    def __init__(self, model: keras.Model, *, chunk_size: int | None = None) -> None:
        super().__init__(model, chunk_size=chunk_size)

    def _choose(self, uses: list[Use]) -> Use:
        return _head(uses)[0]

    def _maps(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        _, uses = explained.recorded_scores(images, labels)
        pooling, dense = _head(uses)
        features = tf.cast(pooling.inputs[0], tf.float32)
        of_label = tf.gather(tf.cast(tf.transpose(dense.layer.kernel), tf.float32), labels)
        return (upsample(tf.einsum("nhwc,nc->nhw", features, of_label), images),)


def _head(uses: list[Use]) -> tuple[Use, Use]:
    """The uses of the pooling and of the one dense layer at the end. Raises InputError."""
    end = [use for use in uses if not _is_transparent(use)][-2:]
    types = [type(use.layer) for use in end]
    if types != [keras.layers.GlobalAveragePooling2D, keras.layers.Dense] or not _follows(uses, *end):
        raise InputError(
            "CAM needs a model that ends in GlobalAveragePooling2D and one Dense layer: use GradCAM, which any model with a "
            "spatial layer has"
        )
    return end[0], end[1]


def _is_transparent(use: Use) -> bool:
    activation = getattr(use.layer, "activation", None)
    return isinstance(use.layer, _TRANSPARENT) and (activation is None or activation in _ENDINGS)


def _follows(uses: list[Use], pooling: Use, dense: Use) -> bool:
    """Whether what the dense layer reads is the pooling's output, passed on as it is."""
    if dense.layer.activation not in _ENDINGS:
        return False
    tensor = dense.inputs[0]
    while tensor is not pooling.output:
        makers = [use for use in uses if use.output is tensor and _is_transparent(use)]
        if not makers:
            return False
        tensor = makers[-1].inputs[0]
    return True

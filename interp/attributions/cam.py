"""Class activation maps (Zhou et al. 2016)."""

from typing import Any

import keras
import tensorflow as tf

from interp.attributions.attribution import Attribution, upsample
from interp.attributions.explained import Explained
from interp.attributions.recorded_model import Use
from interp.core.errors import InputError

# What may stand between the pooling, the dense layer and the end without changing which maps the logits are averages of.
_TRANSPARENT = (keras.layers.Dropout, keras.layers.Identity)


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
    end = [use for use in uses if not isinstance(use.layer, _TRANSPARENT)]
    if end and _is_softmax(end[-1].layer):
        end = end[:-1]
    if len(end) > 1 and _is_pooling(end[-2].layer) and _is_linear(end[-1].layer) and _follows(uses, end[-2], end[-1]):
        return end[-2], end[-1]
    raise InputError(
        "CAM needs a model that ends in GlobalAveragePooling2D and one Dense layer: use GradCAM, which any model with a spatial layer "
        "has"
    )


def _is_pooling(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.GlobalAveragePooling2D
        and layer.data_format == "channels_last"
        and not layer.keepdims
    )


def _is_linear(layer: Any) -> bool:
    """A dense layer of logits; a quantised kernel means nothing without its scale."""
    return (
        type(layer) is keras.layers.Dense
        and layer.activation in (keras.activations.linear, keras.activations.softmax)
        and tf.as_dtype(layer.kernel.dtype).is_floating
    )


def _is_softmax(layer: Any) -> bool:
    activation = layer.activation if type(layer) is keras.layers.Activation else None
    return type(layer) is keras.layers.Softmax or (
        activation is not None and activation in (keras.activations.softmax, keras.activations.linear)
    )


def _follows(uses: list[Use], pooling: Use, dense: Use) -> bool:
    """Whether what the dense layer reads is the pooling's output, passed on as it is."""
    tensor = dense.inputs[0]
    while tensor is not pooling.output:
        makers = [use for use in uses if use.output is tensor and isinstance(use.layer, _TRANSPARENT)]
        if not makers:
            return False
        tensor = makers[-1].inputs[0]
    return True

"""Inference passes in bfloat16: for searching, where a direction is enough; what is found is judged in float32."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from interp.core.errors import InputError, check_choice
from interp.core.names import PRECISIONS
from interp.models.architectures import BatchNorm, Conv, Dense, Flatten, MaxPool, ReLU, Residual
from interp.models.body import Body, pool_and_pad
from interp.models.convolution import convolve

Step = Callable[[tf.Tensor], tf.Tensor]


def check_precision(precision: str) -> str:
    """Return the precision, raising InputError for another than float32 and bfloat16."""
    return check_choice("precision", precision, PRECISIONS)


def cast_layers(body: Body, *, first: int, last: int | None, precision: tf.DType) -> Step:
    """The layers of a body from `first` up to `last`, not included, as a function; their weights are cast here, once."""
    steps = [
        _cast_layer(specification, layer, precision)
        for specification, layer in list(zip(body.specification, body.layers, strict=True))[first:last]
    ]

    def run(outputs: tf.Tensor) -> tf.Tensor:
        for step in steps:
            outputs = step(outputs)
        return outputs

    return run


def _cast_layer(specification: Any, layer: Any, precision: tf.DType) -> Step:
    match specification:
        case Conv(_, _, stride):
            return _cast_convolution(layer, stride, precision)
        case Dense():
            kernel, bias = tf.cast(layer.kernel, precision), tf.cast(layer.bias, precision)
            return lambda inputs: inputs @ kernel + bias
        case BatchNorm():
            scale, shift = (tf.cast(part, precision) for part in _affine(layer))
            return lambda inputs: inputs * scale + shift
        case ReLU():
            return tf.nn.relu
        case MaxPool():
            return lambda inputs: tf.nn.max_pool2d(inputs, 2, 2, "SAME")
        case Flatten():
            return lambda inputs: tf.reshape(inputs, (-1, inputs.shape[1:].num_elements()))
        case Residual():
            inner = cast_layers(layer.inner, first=0, last=None, precision=precision)
            if layer.projection is not None:
                projection = _cast_convolution(layer.projection, layer.stride, precision)
                return lambda inputs: inner(inputs) + projection(inputs)
            return lambda inputs: (
                inner(inputs)
                + (inputs if layer.keeps_shape(inputs) else pool_and_pad(inputs, layer.stride, layer.filters))
            )
    raise InputError(f"no low precision is known for {specification}: use float32")


def _cast_convolution(layer: keras.layers.Conv2D, stride: int, precision: tf.DType) -> Step:
    kernel = tf.cast(layer.kernel, precision)
    if layer.bias is None:
        return lambda inputs: convolve(inputs, kernel, stride)
    bias = tf.cast(layer.bias, precision)
    return lambda inputs: tf.nn.bias_add(convolve(inputs, kernel, stride), bias)


def _affine(layer: keras.layers.BatchNormalization) -> tuple[tf.Tensor, tf.Tensor]:
    """Scale and shift of batch normalisation in inference mode."""
    scale = tf.convert_to_tensor(layer.gamma) * tf.math.rsqrt(
        tf.convert_to_tensor(layer.moving_variance) + layer.epsilon
    )
    return scale, tf.convert_to_tensor(layer.beta) - scale * tf.convert_to_tensor(layer.moving_mean)

"""Inference passes with weights made ready once: batch normalisation folded into the convolution before it, kernels turned, or bfloat16.

bfloat16 is for searching, where a direction is enough; what is found is judged in float32.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from interp.core.errors import InputError, check_choice
from interp.core.names import PRECISIONS
from interp.models.architectures import BatchNorm, Conv, Dense, Flatten, MaxPool, ReLU, Residual
from interp.models.body import Body, pool_and_pad
from interp.models.convolution import convolve, turn
from interp.models.folding import affine_of_normalisation

Step = Callable[[tf.Tensor], tf.Tensor]


def check_precision(precision: str) -> str:
    """Return the precision, raising InputError for another than float32 and bfloat16."""
    return check_choice("precision", precision, PRECISIONS)


def cast_layers(body: Body, *, first: int, last: int | None, precision: tf.DType) -> Step:
    """The layers of a body from `first` up to `last`, not included, as a function; their weights are cast here, once."""
    steps: list[Step] = []
    pairs = list(zip(body.specification, body.layers, strict=True))[first:last]
    for place, (specification, layer) in enumerate(pairs):
        following = pairs[place + 1] if place + 1 < len(pairs) else (None, None)
        if isinstance(specification, Conv):
            behind = following[1] if isinstance(following[0], BatchNorm) else None
            steps.append(_cast_convolution(layer, specification.stride, precision, behind))
        elif not (isinstance(specification, BatchNorm) and place and isinstance(pairs[place - 1][0], Conv)):
            steps.append(_cast_layer(specification, layer, precision))

    def run(outputs: tf.Tensor) -> tf.Tensor:
        for step in steps:
            outputs = step(outputs)
        return outputs

    return run


def _cast_layer(specification: Any, layer: Any, precision: tf.DType) -> Step:
    match specification:
        case Dense():
            kernel, bias = tf.cast(layer.kernel, precision), tf.cast(layer.bias, precision)
            return lambda inputs: inputs @ kernel + bias
        case BatchNorm():
            scale, shift = (tf.cast(part, precision) for part in affine_of_normalisation(layer))
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


def _cast_convolution(
    layer: keras.layers.Conv2D, stride: int, precision: tf.DType, behind: keras.layers.BatchNormalization | None = None
) -> Step:
    """A convolution, and the normalisation behind it where there is one."""
    kernel = tf.convert_to_tensor(layer.kernel)
    bias = None if layer.bias is None else tf.convert_to_tensor(layer.bias)
    if behind is not None:
        scale, shift = affine_of_normalisation(behind)
        kernel, bias = kernel * scale, shift if bias is None else bias * scale + shift
    kernel = tf.cast(kernel, precision)
    # Once for all passes.
    turned = turn(kernel) if stride == 1 else None
    if bias is None:
        return lambda inputs: convolve(inputs, kernel, stride, turned=turned)
    bias = tf.cast(bias, precision)
    return lambda inputs: tf.nn.bias_add(convolve(inputs, kernel, stride, turned=turned), bias)

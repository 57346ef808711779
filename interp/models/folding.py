"""Layers of a functional or Sequential model that are computed together in inference mode, found by their structure.

A batch normalisation that alone reads what a convolution or dense layer gives is folded into its kernel and bias, and so is a scaling
of pixels that it alone reads. A kernel that holds an offset of pixels sees it in padding too, where there are zeros: an offset is folded
only where nothing is padded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.models.frozen_convolution import FrozenConvolution
from interp.models.image_scale import ImageScale
from interp.models.recorded_model import LayerCall, call_layer

L = keras.layers
_CONVOLUTIONS, _PLAIN = (L.Conv2D, L.DepthwiseConv2D), ("float32", "float32")
# Computes what a layer gives from what it reads.
Step = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Folded:
    """A layer with a kernel, by its place among the calls of the model's layers, and the places of those folded into it."""

    sides: tuple[int | None, int | None]
    scaling: int | None = None
    normalisation: int | None = None


def find_folded(calls: list[LayerCall], outputs: Any) -> dict[int, Folded]:
    """The layers of a model that can be computed with others, by their place among its `calls`."""
    readers: dict[int, list[int]] = {}
    makers = {id(call.output): place for place, call in reversed(list(enumerate(calls)))}
    for place, call in enumerate(calls):
        for tensor in tf.nest.flatten(call.inputs):
            readers.setdefault(id(tensor), []).append(place)
    kept = {id(tensor) for tensor in tf.nest.flatten(outputs)}

    def only_reader(tensor: Any) -> int | None:
        found = readers.get(id(tensor), [])
        return found[0] if len(found) == 1 and id(tensor) not in kept else None

    folded = {}
    for place, call in enumerate(calls):
        if not _has_plain_kernel(call):
            continue
        read = call.inputs[0]
        scaling = makers.get(id(read))
        if scaling is not None and not (only_reader(read) == place and _can_scale(calls[scaling], call.layer)):
            scaling = None
        behind = only_reader(call.output)
        if behind is not None and not (_is_linear(call.layer) and _normalises(calls[behind])):
            behind = None
        if behind is None and scaling is None and not isinstance(call.layer, _CONVOLUTIONS):
            continue
        sides = tuple(read.shape[1:3]) if read.shape.rank == 4 else (None, None)
        folded[place] = Folded(sides, scaling, behind)
    return folded


class FoldedLayers:
    """What stands in for the layers of a model, with their present weights; `calls` are those in which `folded` was found.

    To be made once for many passes. `whole` are places of layers whose outputs are looked at: they are left as they are.
    """

    def __init__(self, layers: list[Any], folded: Mapping[int, Folded], whole: frozenset[int] = frozenset()) -> None:
        self._layers = layers
        self._steps: dict[int, Step] = {}
        for place, each in folded.items():
            # What is looked at must be there: a convolution before normalisation, scaled pixels.
            scaling = None if each.scaling in whole else each.scaling
            normalisation = None if place in whole else each.normalisation
            others = (None if other is None else layers[other] for other in (scaling, normalisation))
            self._steps[place] = _compute(layers[place], each.sides, *others)
            self._steps.update((other, tf.identity) for other in (scaling, normalisation) if other is not None)

    def pass_through(self) -> Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]:
        """What stands in for the layers in one pass."""
        places = iter(range(len(self._layers)))

        def stand_in(layer: Any, inputs: tuple[Any, ...], arguments: dict[str, Any]) -> Any:
            step = self._steps.get(next(places))
            return call_layer(layer, inputs, arguments) if step is None else step(inputs[0])

        return stand_in


def _compute(layer: Any, sides: tuple[int | None, int | None], scaling: Any, normalisation: Any) -> Step:
    kernel = tf.convert_to_tensor(layer.kernel)
    bias = tf.convert_to_tensor(layer.bias) if layer.use_bias else None
    by_channel = isinstance(layer, L.DepthwiseConv2D)
    if scaling is not None:
        factor, offset, reverse = _affine_of_pixels(scaling, kernel.shape[2])
        added = tf.reduce_sum(kernel * offset[:, None], (0, 1) if by_channel else (0, 1, 2))
        added = tf.reshape(added, [-1])
        bias = added if bias is None else bias + added
        kernel *= factor[:, None]
        kernel = kernel[:, :, ::-1] if reverse else kernel
    if normalisation is not None:
        scale, shift = affine_of_normalisation(normalisation)
        kernel *= tf.reshape(scale, kernel.shape[2:]) if by_channel else scale
        bias = shift if bias is None else bias * scale + shift
    if kernel.shape.rank == 2:
        product: Step = partial(_product, kernel)
    else:
        product = FrozenConvolution(kernel, layer.strides[0], layer.padding.upper(), sides, by_channel=by_channel)

    def step(inputs: tf.Tensor) -> tf.Tensor:
        outputs = product(inputs)
        return layer.activation(outputs if bias is None else tf.nn.bias_add(outputs, bias))

    return step


def _product(kernel: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
    return tf.matmul(inputs, kernel)


def affine_of_normalisation(layer: keras.layers.BatchNormalization) -> tuple[tf.Tensor, tf.Tensor]:
    """Scale and shift of batch normalisation in inference mode."""
    mean, variance = (tf.convert_to_tensor(each) for each in (layer.moving_mean, layer.moving_variance))
    scale = tf.math.rsqrt(variance + layer.epsilon)
    if layer.scale:
        scale *= tf.convert_to_tensor(layer.gamma)
    shift = -scale * mean
    return scale, shift + tf.convert_to_tensor(layer.beta) if layer.center else shift


def _affine_of_pixels(layer: Any, channels: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Factor and offset (channels,) of a layer that scales pixels, and whether it reverses the channels before."""
    if isinstance(layer, ImageScale):
        factor, offset, reverse = np.asarray(layer.factor), np.asarray(layer.offset), layer.reverse
    elif isinstance(layer, L.Rescaling):
        factor, offset, reverse = np.asarray(layer.scale), np.asarray(layer.offset), False
    else:
        mean, deviation = np.ravel(layer.mean), np.sqrt(np.ravel(layer.variance))
        factor = 1 / np.maximum(deviation, keras.backend.epsilon())
        offset, reverse = -mean * factor, False
    factor, offset = (np.broadcast_to(np.ravel(each), [channels]).astype(np.float32) for each in (factor, offset))
    return factor, offset, reverse


def _has_plain_kernel(call: LayerCall) -> bool:
    """Whether it is a call, of one float32 tensor, of a layer whose kernel and computation are the usual ones."""
    layer = call.layer
    if type(layer) not in (*_CONVOLUTIONS, L.Dense) or len(call.inputs) != 1 or not tf.is_tensor(call.inputs[0]):
        return False
    if (layer.compute_dtype, layer.variable_dtype) != _PLAIN or call.inputs[0].dtype != tf.float32:
        return False
    if getattr(layer, "quantization_mode", None) is not None or getattr(layer, "lora_enabled", False):
        return False
    # Only a call of the layer itself gives its loss.
    if layer.activity_regularizer is not None:
        return False
    if isinstance(layer, L.Dense):
        return call.inputs[0].shape.rank == 2
    return (
        layer.data_format == "channels_last"
        and getattr(layer, "groups", 1) == 1
        and set(layer.dilation_rate) == {1}
        and len(set(layer.strides)) == 1
        and layer.padding in ("same", "valid")
    )


def _is_linear(layer: Any) -> bool:
    return layer.activation is keras.activations.linear


def _normalises(call: LayerCall) -> bool:
    layer = call.layer
    if type(layer) is not L.BatchNormalization or layer.compute_dtype != "float32":
        return False
    return layer.axis in (-1, call.output.shape.rank - 1)


def _can_scale(call: LayerCall, reader: Any) -> bool:
    """Whether a call scales pixels in a way that the kernel of its `reader` may hold."""
    layer = call.layer
    if type(layer) not in (ImageScale, L.Rescaling, L.Normalization) or isinstance(reader, L.Dense):
        return False
    read = call.inputs[0]
    if len(call.inputs) != 1 or layer.compute_dtype != "float32" or getattr(read, "dtype", None) != tf.float32:
        return False
    if isinstance(layer, L.Normalization) and (layer.invert or np.size(layer.mean) not in (1, read.shape[-1])):
        return False
    padded = reader.padding == "same" and set(reader.kernel_size) != {1}
    _, offset, reverse = _affine_of_pixels(layer, read.shape[-1])
    return not (padded and np.any(offset)) and not (reverse and isinstance(reader, L.DepthwiseConv2D))

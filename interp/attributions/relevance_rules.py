"""How layer-wise relevance propagation passes what a layer gave on to what it read, a rule for each kind of layer.

A rule is written forwards. With u, a share for each number that a layer read, all of them 1, it gives the shares of its outputs: of
z = sum_i w_i x_i + b the share sum_i w_i x_i u_i / z. These are linear in u, and the relevance of x_i is the gradient of the outputs'
relevance by u_i; so a whole model is one gradient of TensorFlow, which may be differentiated itself. The bias has a share of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from interp.core.errors import InputError
from interp.models.body import Shortcut
from interp.models.folding import affine_of_normalisation
from interp.models.model_graph import source_of
from interp.models.recorded_model import LayerCall

L = keras.layers
RULES = ("epsilon", "zplus")


class Linear(NamedTuple):
    """A layer as `product(inputs, kernel) + bias`, where the bias has the shape of one output."""

    product: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    kernel: tf.Tensor
    bias: tf.Tensor


def _dense(layer: Any) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    return lambda inputs, kernel: tf.tensordot(inputs, kernel, 1)


def _convolution(layer: Any) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    operation = keras.ops.conv if type(layer) is L.Conv2D else keras.ops.depthwise_conv
    settings = {"padding": layer.padding, "dilation_rate": layer.dilation_rate, "data_format": layer.data_format}
    return lambda inputs, kernel: operation(inputs, kernel, strides=layer.strides, **settings)


PRODUCTS: Mapping[type, Callable[[Any], Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]] = {
    L.Dense: _dense,
    L.Conv2D: _convolution,
    L.DepthwiseConv2D: _convolution,
}
# Layers by their class and operations of Keras, which have no public classes, by their names.
# What only moves numbers, so that shares are moved alike; and what averages them, or weighs them by constants.
MOVES = (
    *(L.Flatten, L.Reshape, L.Permute, L.ZeroPadding2D, L.Cropping2D, L.Concatenate),
    *("Transpose", "Reshape", "Squeeze", "ExpandDims", "Concatenate"),
)
MEANS = (L.AveragePooling2D, L.GlobalAveragePooling2D, L.UpSampling2D, L.Average, L.Resizing, Shortcut, "Mean")
MAXIMA = (L.MaxPooling2D, L.GlobalMaxPooling2D)
SUMS, FACTORS = (L.Add, "Add", "Subtract"), ("Multiply", "TrueDivide", "Divide")
# What passes relevance on as it came: activations that are 0 at 0 and rise, and what does nothing to an image or to each pixel alone.
PASSES = (
    *(L.ReLU, L.LeakyReLU, L.Dropout, L.SpatialDropout2D, L.GaussianNoise, L.GaussianDropout, L.Identity),
    *(L.ActivityRegularization, L.Rescaling, L.Normalization, "Relu", "Relu6", "LeakyRelu", "Identity"),
)
ACTIVATIONS = ("linear", "relu", "relu6", "leaky_relu")
CLASS_ACTIVATIONS = {"softmax": tf.nn.softmax, "sigmoid": tf.sigmoid}


@dataclass(frozen=True)
class Shares:
    """Shares of what the layers of a model gave, in the type of `bias`, the share (n,) of each image's biases."""

    bias: tf.Tensor
    epsilon: float

    def of_call(self, call: LayerCall, given: tuple[Any, ...], arguments: dict[str, Any]) -> tf.Tensor:
        """The shares of the output of a call without a kernel, which has a rule, from those `given` of its inputs."""
        layer, kind = call.layer, _kind(call)
        inputs, shares = tf.nest.flatten(call.inputs), tf.nest.flatten(given)
        if kind in PASSES or _does_nothing(call):
            return shares[0]
        if kind in MOVES:
            return self.cast(layer(*given, **arguments))
        if kind in MEANS:
            weighed = [self.cast(read) * share for read, share in zip(inputs, shares, strict=True)]
            packed = tf.nest.pack_sequence_as(given, weighed)
            return self.cast(layer(*packed, **arguments)) / self.steady(call.output)
        if kind in MAXIMA:
            # No number changes; the gradient goes to the winner.
            return self.cast(layer(self.cast(inputs[0]) + (shares[0] - tf.stop_gradient(shares[0]))))
        if kind in SUMS:
            return self._of_sum(call, inputs, shares)
        if kind in FACTORS:
            share = next(share for read, share in zip(inputs, shares, strict=True) if _is_computed(read))
            return share + tf.zeros_like(self.cast(call.output))
        if kind is L.BatchNormalization:
            factor, shift = (self.cast(each) for each in normalisation(layer, len(call.output.shape)))
            own = factor * self.cast(inputs[0]) * shares[0] + self.of_bias(shift, len(call.output.shape))
            return own / self.steady(call.output)
        # What makes probabilities at the end of a model is cut from its graph.
        return CLASS_ACTIVATIONS[activation_name(layer)](shares[0])

    def of_linear(self, call: LayerCall, share: tf.Tensor, rule: str, folded: LayerCall | None) -> tf.Tensor:
        """The shares of what a layer with a kernel gave, or the batch normalisation `folded` into it, by a rule."""
        inputs, (product, kernel, bias) = self.cast(tf.nest.flatten(call.inputs)[0]), self._linear(call.layer)
        if folded is not None:
            factor, shift = (self.cast(each) for each in normalisation(folded.layer, len(folded.output.shape)))
            flat = tf.reshape(factor, [-1])
            kernel *= tf.reshape(flat, kernel.shape[2:]) if type(call.layer) is L.DepthwiseConv2D else flat
            bias = bias * factor + shift
        if rule == "zplus":
            # Products of numbers of the same sign, which are positive.
            pairs = [(part(inputs), part(kernel)) for part in (tf.nn.relu, lambda each: tf.minimum(each, 0))]
            whole = tf.add_n([product(read, weights) for read, weights in pairs])
            found = tf.math.divide_no_nan(tf.add_n([product(read * share, weights) for read, weights in pairs]), whole)
        else:
            outputs = product(inputs, kernel) + bias
            found = (product(inputs * share, kernel) + self.of_bias(bias, outputs.shape.rank)) / self.steady(outputs)
        made = CLASS_ACTIVATIONS.get(activation_name(call.layer))
        return found if made is None else made(found)

    def _linear(self, layer: Any) -> Linear:
        kernel = self.cast(tf.convert_to_tensor(layer.kernel))
        bias = tf.zeros([1], self.bias.dtype)
        if layer.bias is not None:
            bias = self.cast(tf.convert_to_tensor(layer.bias))
            if getattr(layer, "data_format", None) == "channels_first":
                bias = tf.reshape(bias, [-1, 1, 1])
        return Linear(PRODUCTS[type(layer)](layer), kernel, bias)

    def _of_sum(self, call: LayerCall, inputs: Sequence[Any], shares: Sequence[Any]) -> tf.Tensor:
        signs = [1, -1 if type(call.layer).__name__ == "Subtract" else 1, *[1] * (len(inputs) - 2)]
        zeros = tf.zeros_like(self.cast(call.output))
        terms = [
            zeros
            + sign * self.cast(read) * (share if _is_computed(read) else self.of_bias(self.cast(1), zeros.shape.rank))
            for sign, read, share in zip(signs, inputs, shares, strict=True)
        ]
        return tf.add_n(terms) / self.steady(call.output)

    def of_bias(self, bias: tf.Tensor, rank: int) -> tf.Tensor:
        """A bias that is added to a batch of this rank, times the share of each image's biases."""
        return tf.reshape(self.bias, [-1, *[1] * (rank - 1)]) * bias

    def steady(self, outputs: tf.Tensor) -> tf.Tensor:
        """Outputs moved away from 0 by epsilon, so that they can be divided by."""
        outputs = self.cast(outputs)
        return outputs + tf.where(outputs >= 0, self.cast(self.epsilon), self.cast(-self.epsilon))

    def cast(self, tensor: Any) -> tf.Tensor:
        """The tensor or number in the type of the shares."""
        return tf.cast(tensor, self.bias.dtype)


def normalisation(layer: Any, rank: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Factor and shift of batch normalisation in inference mode, each of the shape of one output of a batch of this rank, or less."""
    after = rank - 1 - layer.axis % rank
    return tuple(tf.reshape(each, [-1, *[1] * after]) for each in affine_of_normalisation(layer))


def takes_normalisation(call: LayerCall) -> bool:
    """Whether batch normalisation of its channels can be folded into the layer of a call: a layer with a kernel and no activation."""
    return type(call.layer) in PRODUCTS and activation_name(call.layer) == "linear"


def channel_axis(layer: Any, rank: int) -> int:
    """The axis of the outputs of a layer with a kernel, of this rank, that counts its units."""
    return 1 if getattr(layer, "data_format", None) == "channels_first" else rank - 1


def check_rule(call: LayerCall) -> None:
    """Raise InputError, naming the layer, for a call that relevance cannot be passed through."""
    kind, inputs = _kind(call), tf.nest.flatten(call.inputs)
    computed = [_is_computed(each) for each in inputs]
    if kind in PRODUCTS:
        # The kernel of a quantised layer holds whole numbers, which the layer scales.
        quantised = getattr(call.layer, "quantization_mode", None) is not None
        known = not quantised and (makes_probabilities(call) or _is_passed(call.layer))
    elif kind in SUMS:
        known = True
    elif kind in FACTORS:
        known = sum(computed) == 1 and (computed[0] or kind == "Multiply")
    else:
        # A constant that is moved with the rest would need a share of the biases.
        constants = sum(map(tf.is_tensor, inputs)) - sum(computed)
        kinds = (*PASSES, *MOVES, *MEANS, *MAXIMA, L.BatchNormalization)
        known = not constants and (kind in kinds or makes_probabilities(call) or _does_nothing(call))
    if not known:
        raise no_rule(call)


def no_rule(call: LayerCall) -> InputError:
    """The error for a call that relevance cannot be passed through."""
    activation, mode = activation_name(call.layer), getattr(call.layer, "quantization_mode", None)
    what = f"{type(call.layer).__name__}{f' with {activation}' if activation not in ('', 'linear') else ''}"
    what += f", quantised to {mode}" if mode else ""
    return InputError(
        f"LRP has no rule for the layer {call.name!r} ({what}): it knows dense, convolutional and pooling layers, batch normalisation, "
        "sums, ReLU and what moves numbers; use a method that needs no rules, such as IntegratedGradients"
    )


def makes_probabilities(call: LayerCall) -> bool:
    """Whether a call ends in a softmax or sigmoid, which has a rule at the end of a model alone."""
    kinds = (*PRODUCTS, L.Activation, L.Softmax)
    return type(call.layer) in kinds and activation_name(call.layer) in CLASS_ACTIVATIONS


def activation_name(layer: Any) -> str:
    """The name of a layer's activation; "linear" of none, "" of one without a name."""
    if type(layer) is L.Softmax:
        return "softmax"
    activation = getattr(layer, "activation", None)
    return "linear" if activation is None else getattr(activation, "__name__", "")


def _is_passed(layer: Any) -> bool:
    activation = getattr(layer, "activation", None)
    known = [getattr(keras.activations, name) for name in ACTIVATIONS] + [tf.nn.relu, tf.nn.relu6]
    return activation is None or activation in known


def _kind(call: LayerCall) -> Any:
    """The class of a layer, the name of an operation; of a layer that is an activation, the layer of that activation."""
    if not isinstance(call.layer, L.Layer):
        return type(call.layer).__name__
    if type(call.layer) is L.Activation and _is_passed(call.layer):
        return L.ReLU
    return type(call.layer)


def _does_nothing(call: LayerCall) -> bool:
    """Whether a call gives what it read, as layers that augment images do in inference mode."""
    read = tf.nest.flatten(call.inputs)
    return (
        len(read) == 1 and all(map(tf.is_tensor, (*read, call.output))) and source_of(call.output) is source_of(read[0])
    )


def _is_computed(value: Any) -> bool:
    """Whether an input of a call is computed from the images, and no number or constant of the model."""
    with tf.init_scope():
        of_values = type(tf.constant(0.0))
    return tf.is_tensor(value) and not isinstance(value, of_values)

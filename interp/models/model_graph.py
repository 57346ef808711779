"""What the graph of a model says of its two ends: where its logits are, whether class maps average to them, how it scales images.

The operations are looked at, not the layers: they are the same whether a model is functional, Sequential, nested, rebuilt of the layers
of another one, loaded from a file, or a custom class.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

from interp.core.errors import InputError

# Operations that pass a tensor on as it is, and those that only arrange its numbers anew.
_SAME = frozenset(("Identity", "IdentityN", "Cast", "StopGradient", "PreventGradient", "EnsureShape", "CheckNumerics"))
_RESHAPED = frozenset(("Reshape", "Squeeze", "ExpandDims"))
# Those that leave out, order, join or limit the numbers of their first input, and those that do so with all of their inputs.
_CHOSEN = frozenset(("StridedSlice", "GatherV2", "ReverseV2", "Transpose", "ClipByValue"))
_JOINED = frozenset(("ConcatV2", "Pack", "Minimum", "Maximum"))
# Outputs by the operation that makes them of logits.
PROBABILITIES = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
LOGITS = "logits"
# Operations that move, repeat or leave out pixels and channels, or fill in between them, and those that scale or shift each channel by
# constants.
_MOVED = frozenset(
    (
        *("ResizeBilinear", "ResizeBicubic", "ResizeNearestNeighbor", "Pad", "PadV2", "MirrorPad", "Transpose"),
        *("StridedSlice", "GatherV2", "ReverseV2", "ConcatV2", "Tile", "Pack"),
    )
)
_AFFINE = frozenset(("Mul", "AddV2", "Add", "Sub", "RealDiv", "BiasAdd", "FusedBatchNormV3"))
# The logits of both classes as multiples of that of a sigmoid unit.
_OF_TWO = [-0.5, 0.5]
_CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))


def find_logits(outputs: tf.Tensor) -> tuple[tf.Tensor, str]:
    """Return the logits (n, K) behind the symbolic `outputs` (n, K), and what is made of them: softmax, sigmoid or logits.

    Passes casts, identities and reshapes that keep the classes. Raises InputError for a softmax or sigmoid that cannot be cut: inside a
    compiled function, or with its numbers chosen, joined or limited after it.
    """
    classes = outputs.shape[-1]
    tensor = source_of(outputs, lambda inner: inner.shape[1:].num_elements() == classes)
    made = PROBABILITIES.get(tensor.op.type)
    if made is None:
        inside = _made_inside(tensor)
        if inside is not None:
            raise InputError(
                f"the model's outputs are probabilities by a {inside} inside a compiled function (tf.function, or a SavedModel), where "
                "it cannot be cut: give a model that returns logits"
            )
        behind = _made_behind(tensor)
        if behind is not None:
            raise InputError(
                f"the model's outputs are probabilities by a {behind}, which are joined, limited or left out after it ({tensor.op.type}), "
                "so that it cannot be cut: give a model that returns logits"
            )
        return outputs, LOGITS
    logits = tensor.op.inputs[0]
    if made == "softmax" and logits.shape[-1] != classes:
        raise InputError(
            f"the model's {classes} outputs are those of several softmaxes over {logits.shape[-1]} each, expected one: give a model "
            "with one row of logits per image"
        )
    return (logits if logits.shape.rank == 2 else tf.reshape(logits, (-1, classes))), made


class PooledEnd(NamedTuple):
    """The end of a model whose logits are averages of class maps, as tensors of its graph.

    `features` (n, h, w, d) are averaged over all positions; `kernel` (d, K), or (1, 1, d, K), and `bias` (K,), which may be None, make the
    logits of that. Of the two logits of a sigmoid unit they are those of the unit.
    """

    features: tf.Tensor
    kernel: tf.Tensor
    bias: tf.Tensor | None


def find_pooled_end(logits: tf.Tensor, *, training: bool = False) -> PooledEnd | None:
    """Return the average pooling and dense layer, or convolution of one position, that give the symbolic `logits` (n, K).

    None where others do; `logits` are those of `find_logits`. In a graph of `training` mode dropout may stand between the two.
    """
    classes = logits.shape[-1]
    tensor, bias = source_of(logits, lambda inner: inner.shape[1:].num_elements() == classes), None
    unit = unit_behind(tensor)
    if unit is not None:
        tensor = source_of(unit, lambda inner: inner.shape[1:].num_elements() == 1)
    if tensor.op.type in ("BiasAdd", "AddV2", "Add") and tensor.op.inputs[1].shape.rank == 1:
        tensor, bias = source_of(tensor.op.inputs[0]), tensor.op.inputs[1]
    if not _is_dense(tensor.op):
        return None
    rows, kernel = tensor.op.inputs

    def keeps(inner: tf.Tensor) -> bool:
        return inner.shape[1:].num_elements() == rows.shape[-1]

    mean = source_of(rows, keeps)
    if training:
        mean = source_of(_before_dropout(mean), keeps)
    if mean.op.type != "Mean" or mean.op.inputs[0].shape.rank != 4:
        return None
    features, axes = mean.op.inputs[0], tf.get_static_value(mean.op.inputs[1])
    over = None if axes is None else {int(axis) % 4 for axis in axes.ravel()}
    if over == {2, 3}:
        features = tf.transpose(features, (0, 2, 3, 1))
    elif over != {1, 2}:
        return None
    return PooledEnd(features, kernel, bias)


def find_scaled(images: tf.Tensor) -> tf.Tensor:
    """The symbolic `images` once constants have scaled and shifted them, as far as nothing else is done with them before."""
    tensor = found = images
    while True:
        uses = _uses_of(tensor)
        if uses and all(use.type == "StridedSlice" for use in uses):
            # Keras's preprocess_input takes the channels one by one and stacks them in another order.
            stacked = list(dict.fromkeys(reader for use in uses for reader in _uses_of(use.outputs[0])))
            uses = stacked if [each.type for each in stacked] == ["Pack"] else uses
        if len(uses) != 1 or uses[0].outputs[0].shape.rank != images.shape.rank:
            return found
        operation = uses[0]
        tensor = operation.outputs[0]
        if operation.type in _AFFINE and not _depends_twice(operation, images):
            found = tensor
        elif operation.type not in _SAME | _MOVED:
            return found


def handles_of(variable: keras.Variable) -> list[tf.Tensor]:
    """The handles of a variable: one, or on several replicas one of each copy."""
    copies = getattr(variable.value, "values", None) or [variable.value]
    return [copy.handle for copy in copies]


def variable_of(tensor: tf.Tensor | None) -> tf.Tensor | None:
    """The resource of the variable whose numbers, in their order, a symbolic tensor holds; None where it holds others."""
    operation = None if tensor is None else source_of(tensor, lambda _: True).op
    if operation is None or operation.type != "ReadVariableOp":
        return None
    inner = operation.inputs[0]
    return next((outer for outer, captured in operation.graph.captures if captured is inner), None)


def source_of(tensor: tf.Tensor, keeps: Callable[[tf.Tensor], bool] = lambda _: False) -> tf.Tensor:
    """What `tensor` is passed on from; reshapes are passed where `keeps(input)` says that they may be."""
    while True:
        operation = tensor.op
        if operation.type in _SAME:
            tensor = operation.inputs[tensor.value_index if operation.type == "IdentityN" else 0]
        elif operation.type in _RESHAPED and keeps(operation.inputs[0]):
            tensor = operation.inputs[0]
        else:
            return tensor


def ancestors(tensor: tf.Tensor) -> Iterator[tf.Tensor]:
    """A tensor and all that it is computed from."""
    waiting, seen = [tensor], set[object]()
    while waiting:
        tensor = waiting.pop()
        if tensor.ref() not in seen:
            seen.add(tensor.ref())
            yield tensor
            waiting.extend(tensor.op.inputs)


def _is_dense(operation: tf.Operation) -> bool:
    """Whether it multiplies rows, or maps of one position, by a matrix."""
    if operation.type == "MatMul":
        return not (operation.get_attr("transpose_a") or operation.get_attr("transpose_b"))
    if operation.type != "Conv2D" or operation.get_attr("data_format") != b"NHWC":
        return False
    maps, kernel = operation.inputs
    return maps.shape[1:3] == (1, 1) and kernel.shape[:2] == (1, 1) and maps.shape[3] == kernel.shape[2]


def two_logits(units: tf.Tensor) -> tf.Tensor:
    """The logits (..., 2) of a single sigmoid unit with logit z (..., 1): (-z/2, z/2), with z between them.

    With (0, z) explanations of class 0 would be 0 everywhere.
    """
    return units * tf.constant(_OF_TWO, units.dtype)


def unit_behind(logits: tf.Tensor) -> tf.Tensor | None:
    """The logit (n, 1) of the sigmoid unit whose `two_logits` these symbolic ones are, None of others."""
    operation = source_of(logits).op
    if operation.type != "Mul" or operation.inputs[0].shape.rank != 2 or operation.inputs[0].shape[1] != 1:
        return None
    factors = tf.get_static_value(operation.inputs[1])
    return operation.inputs[0] if factors is not None and factors.tolist() == _OF_TWO else None


def _before_dropout(tensor: tf.Tensor) -> tf.Tensor:
    """What dropout in training mode was applied to: numbers scaled by a constant, or 0 where a random number says so; else the tensor."""
    if tensor.op.type != "SelectV2":
        return tensor
    keep, scaled, zero = tensor.op.inputs
    drawn = any(each.op.type.startswith(("StatelessRandom", "RandomUniform")) for each in ancestors(keep))
    constants = [tf.get_static_value(each) for each in scaled.op.inputs]
    if (
        not drawn
        or scaled.op.type != "Mul"
        or tf.get_static_value(zero) != 0
        or all(each is None for each in constants)
    ):
        return tensor
    return scaled.op.inputs[0 if constants[0] is None else 1]


def _uses_of(tensor: tf.Tensor) -> list[tf.Operation]:
    """The operations on floating-point numbers that read a tensor, each once."""
    uses = (use for use in tensor.consumers() if use.outputs and use.outputs[0].dtype.is_floating)
    return list(dict.fromkeys(uses))


def _depends_twice(operation: tf.Operation, images: tf.Tensor) -> bool:
    """Whether more than one input of an operation is computed from the images, or they are divided by."""
    depending = [any(each is images for each in ancestors(tensor)) for tensor in operation.inputs]
    return sum(depending) > 1 or (operation.type == "RealDiv" and depending[1])


def _made_behind(tensor: tf.Tensor) -> str | None:
    """The softmax or sigmoid of whose numbers alone, and of constants, a tensor is put together; None where there is none."""
    waiting, found = [tensor], None
    while waiting:
        tensor = waiting.pop()
        operation = tensor.op
        if operation.type in PROBABILITIES:
            found = PROBABILITIES[operation.type]
        elif operation.type in _JOINED:
            waiting.extend(operation.inputs)
        elif operation.type in _CHOSEN | _SAME | _RESHAPED:
            waiting.append(operation.inputs[tensor.value_index if operation.type == "IdentityN" else 0])
        elif tf.get_static_value(tensor) is None:
            return None
    return found


def _made_inside(tensor: tf.Tensor) -> str | None:
    """The softmax or sigmoid that gives a tensor inside of a call of another graph; None where there is none."""
    operation = tensor.op
    if operation.type not in _CALLS:
        return None
    functions = {each.signature.name: each for each in operation.graph.as_graph_def().library.function}
    function = functions[operation.get_attr("f").name]
    result = function.ret[function.signature.output_arg[tensor.value_index].name]
    while True:
        nodes = {node.name: node for node in function.node_def}
        name, _, place = result.partition(":")
        node = nodes.get(name)
        if node is None:
            return None
        if node.op in PROBABILITIES:
            return PROBABILITIES[node.op]
        if node.op in _CALLS:
            function = functions[node.attr["f"].func.name]
            index = int(place.rpartition(":")[2] or 0)
            result = function.ret[function.signature.output_arg[index].name]
        elif node.op in _SAME or node.op in _RESHAPED:
            result = node.input[0]
        else:
            return None

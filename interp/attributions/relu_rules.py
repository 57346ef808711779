"""What DeconvNet and guided backpropagation make of ReLU's gradient.

TensorFlow asks every operation of a graph for its gradient by name, and a name can be exchanged while the graph is built. So a
rule holds for every ReLU wherever it stands (a layer, the activation of a convolution, a nested model, a custom layer),
nothing is copied, and the model stays as it is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import keras
import tensorflow as tf

from interp.core.errors import InputError
from interp.models.model_graph import ancestors
from interp.models.piecewise_linear import IN_FIRST, IN_LAST, LINEAR, PRODUCTS
from interp.models.recorded_model import functional_class

# Activation functions of Keras through which the rules are defined. At the end softmax and sigmoid are cut; inside a model softmax is
# attention, and a sigmoid is told by its operation.
_DEFINED = {getattr(keras.activations, name) for name in ("linear", "relu", "relu6", "softmax", "sigmoid")}
_OTHERS = {each for each in vars(keras.activations).values() if callable(each)} - _DEFINED
# Activations of another kind that are made of ReLU, so that their operations do not tell: layers, functions, operations of Keras.
_OTHER_LAYERS = (keras.layers.ELU, keras.layers.LeakyReLU, keras.layers.PReLU)
_OTHER_FUNCTIONS = frozenset(
    ("hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "celu", "sparse_plus", "threshold")
)
_OTHER_OPERATIONS = frozenset(("HardSigmoid", "HardSilu", "HardSwish", "HardTanh", "Celu", "SparsePlus", "Threshold"))
# Operations that hold no activation: linear ones, pooling, normalisation, and attention's softmax.
_OF_SHAPES = frozenset(("Rank", "Shape", "ShapeN", "Size"))
_NORMALISING = frozenset(("Rsqrt", "Softmax", "SquaredDifference"))
_WITHOUT_RULE = LINEAR | PRODUCTS | IN_FIRST | IN_LAST | _OF_SHAPES | _NORMALISING
_CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))


# Usual steepness of the softplus whose derivative stands in for ReLU's step where maps are searched or trained on.
STEEPNESS = 20.0


@tf.RegisterGradient("InterpDeconvnet")
def _deconvnet(_: tf.Operation, upstream: tf.Tensor) -> tf.Tensor:
    return tf.nn.relu(upstream)


@tf.RegisterGradient("InterpGuided")
def _guided(operation: tf.Operation, upstream: tf.Tensor) -> tf.Tensor:
    outputs = operation.outputs[0]
    active = outputs > 0 if operation.type == "Relu" else (outputs > 0) & (outputs < 6)
    return tf.nn.relu(upstream) * tf.cast(active, upstream.dtype)


@cache
def _soft_gradients(steepness: float) -> tuple[str, str]:
    """The names of ReLU's gradient by softplus of that steepness, plain and guided, registered when first asked for."""

    def soft(operation: tf.Operation, upstream: tf.Tensor) -> tf.Tensor:
        inputs = operation.inputs[0]
        slope = tf.sigmoid(steepness * inputs)
        if operation.type == "Relu6":
            slope *= tf.sigmoid(steepness * (6 - inputs))
        if operation.type == "LeakyRelu":
            least = operation.get_attr("alpha")
            slope = least + (1 - least) * slope
        return upstream * slope

    names = f"InterpSoft{steepness!r}", f"InterpSoftGuided{steepness!r}"
    tf.RegisterGradient(names[0])(soft)
    tf.RegisterGradient(names[1])(lambda operation, upstream: soft(operation, tf.nn.relu(upstream)))
    return names


def _gradients(rule: str, softplus: float | None) -> dict[str, str]:
    """The gradients of operations by the name of a rule."""
    if rule == "deconvnet":
        # It passes everything by the gradient that comes from above: there is no step to soften.
        return dict.fromkeys(("Relu", "Relu6"), "InterpDeconvnet")
    if softplus is None:
        return dict.fromkeys(("Relu", "Relu6"), "InterpGuided") if rule == "guided_backprop" else {}
    plain, guided = _soft_gradients(float(softplus))
    if rule == "guided_backprop":
        return dict.fromkeys(("Relu", "Relu6"), guided)
    return dict.fromkeys(("Relu", "Relu6", "LeakyRelu"), plain)


@contextmanager
def relu_gradient(
    model: keras.Model, rule: str, points: tf.Tensor, *, softplus: float | None
) -> Iterator[Callable[[tf.Tensor], tf.Tensor]]:
    """Have tf.gradients see ReLU's gradient by a rule (gradient is its own) in what a graph computes of `points` inside the block.

    With `softplus`, a steepness, ReLU's step is that of softplus's derivative.
    Gives a function that passes the logits on and raises InputError where the rule says nothing of what lies between.
    """
    graph = tf.compat.v1.get_default_graph()
    first = len(graph.get_operations())

    def check(logits: tf.Tensor) -> tf.Tensor:
        if rule != "gradient":
            # What else a model computes, such as a penalty on its activities, passes no gradient back.
            used = {tensor.op for tensor in ancestors(logits)}
            operations = [operation for operation in graph.get_operations()[first:] if operation in used]
            _check_operations(graph, operations, points, rule)
        return logits

    if rule != "gradient":
        _check_layers(model, rule)
    with graph.gradient_override_map(_gradients(rule, softplus)):
        yield check


def _check_layers(layer: Any, rule: str) -> None:
    """Refuse activations that can be recognised by their layer or, in a functional model, by their operation."""
    activation = getattr(layer, "activation", None)
    where = f"layer {layer.name}"
    if isinstance(layer, _OTHER_LAYERS):
        _refuse(type(layer).__name__, where, rule)
    name = getattr(activation, "__name__", "")
    if callable(activation) and (activation in _OTHERS or name in _OTHER_FUNCTIONS):
        _refuse(name, where, rule)
    if isinstance(layer, keras.layers.ReLU) and (
        layer.negative_slope or layer.threshold or layer.max_value not in (None, 6)
    ):
        _refuse("ReLU with a slope, a threshold or a maximum other than 6", where, rule)
    for inner in _inside(layer):
        if isinstance(inner, keras.layers.Layer):
            _check_layers(inner, rule)
        elif type(inner).__name__ in _OTHER_OPERATIONS:
            _refuse(type(inner).__name__, f"operation {inner.name}", rule)


def _inside(layer: Any) -> list[Any]:
    """Layers and operations of a model, or layers that another layer holds as attributes."""
    if isinstance(layer, functional_class()):
        return list(layer.operations)
    if isinstance(layer, keras.Model):
        return list(layer.layers)
    held = [each for value in vars(layer).values() for each in (value if isinstance(value, (list, tuple)) else [value])]
    return [each for each in held if isinstance(each, keras.layers.Layer)]


def _check_operations(graph: tf.Graph, operations: list[tf.Operation], images: tf.Tensor, rule: str) -> None:
    """Refuse operations on what depends on the images that are neither ReLU nor known to hold no activation."""
    reached = {images.ref()}
    for operation in operations:
        depending = [tensor for tensor in operation.inputs if tensor.ref() in reached]
        if not depending:
            continue
        # Shapes are whole numbers, whatever is done with them.
        reached.update(tensor.ref() for tensor in operation.outputs if tensor.dtype.is_floating)
        squared = operation.type == "Mul" and len(depending) == 2 and depending[0] is depending[1]
        linear_call = operation.type in _CALLS and _is_without_activation(graph, operation)
        if squared or not (linear_call or operation.type in _WITHOUT_RULE):
            _refuse(operation.type, f"operation {operation.name}", rule)


def _is_without_activation(graph: tf.Graph, call: tf.Operation) -> bool:
    """Whether a call of another graph, which keeps its own gradients, holds no activation: Keras's grouped convolutions are such."""
    functions = {function.signature.name: function for function in graph.as_graph_def().library.function}
    inside = functions[call.get_attr("f").name].node_def
    return all(
        node.op in _WITHOUT_RULE - {"Relu", "Relu6"} or node.op in ("Const", "ReadVariableOp", "NoOp")
        for node in inside
    )


def _refuse(what: str, where: str, rule: str) -> None:
    raise InputError(
        f"{rule} is defined for ReLU alone and has no rule for {what} ({where}): use a method that needs none, such as "
        "VanillaGradient or IntegratedGradients"
    )

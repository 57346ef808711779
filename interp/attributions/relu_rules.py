"""What DeconvNet and guided backpropagation make of ReLU's gradient.

TensorFlow asks every operation of a graph for its gradient by name, and a name can be exchanged while the graph is built. So a
rule holds for every ReLU wherever it stands (a layer, the activation of a convolution, a nested model, a layer of one's own),
nothing is copied, and the model stays as it is.
"""

from typing import Any

import keras
import tensorflow as tf

from interp.core.errors import InputError

RULES = ("deconvnet", "guided_backprop")

# Activation functions through which the rules are defined, besides those of operations.
_DEFINED = (
    keras.activations.linear,
    keras.activations.relu,
    keras.activations.relu6,
    # At the end it is cut; inside a model it is attention and keeps its gradient.
    keras.activations.softmax,
    tf.nn.relu,
    tf.nn.relu6,
    tf.nn.softmax,
    tf.identity,
)
# Layers that are activations of another kind, though some are made of ReLU.
_LAYERS = (keras.layers.ELU, keras.layers.LeakyReLU, keras.layers.PReLU)
# Elementwise nonlinear operations, and operations whose inside has a graph of its own.
_NONLINEAR = frozenset(
    ("Elu", "Selu", "LeakyRelu", "Softplus", "Softsign", "Tanh", "Sigmoid", "Erf", "Erfc", "Exp", "Abs")
)
_CLOSED = frozenset(
    (
        "PartitionedCall",
        "StatefulPartitionedCall",
        "While",
        "StatelessWhile",
        "If",
        "StatelessIf",
        "PyFunc",
        "EagerPyFunc",
    )
)
# max(x, 0) and the like are ReLU written by hand; max(x, y) of two maps is a kind of pooling.
_LIMITS = frozenset(("Maximum", "Minimum", "ClipByValue"))


@tf.RegisterGradient("InterpDeconvnet")
def _deconvnet(_: tf.Operation, upstream: tf.Tensor) -> tf.Tensor:
    return tf.nn.relu(upstream)


@tf.RegisterGradient("InterpGuidedRelu")
def _guided_relu(operation: tf.Operation, upstream: tf.Tensor) -> tf.Tensor:
    return tf.nn.relu(upstream) * tf.cast(operation.outputs[0] > 0, upstream.dtype)


@tf.RegisterGradient("InterpGuidedRelu6")
def _guided_relu6(operation: tf.Operation, upstream: tf.Tensor) -> tf.Tensor:
    active = (operation.inputs[0] > 0) & (operation.inputs[0] < 6)
    return tf.nn.relu(upstream) * tf.cast(active, upstream.dtype)


_GRADIENTS = {
    "deconvnet": {"Relu": "InterpDeconvnet", "Relu6": "InterpDeconvnet"},
    "guided_backprop": {"Relu": "InterpGuidedRelu", "Relu6": "InterpGuidedRelu6"},
}


def run_with_rule(model: keras.Model, images: tf.Tensor, rule: str) -> Any:
    """Run `model` on images inside a graph so that tf.gradients sees ReLU's gradient by `rule`. Raises InputError."""
    _check_layers(model, rule)
    graph = tf.compat.v1.get_default_graph()
    first = len(graph.get_operations())
    with graph.gradient_override_map(_GRADIENTS[rule]):
        outputs = model(images, training=False)
    _check_operations(graph.get_operations()[first:], images, rule)
    return outputs


def _check_layers(model: keras.Model, rule: str) -> None:
    """Refuse activations that can be told by their layer."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _check_layers(layer, rule)
            continue
        activation = getattr(layer, "activation", None)
        if isinstance(layer, _LAYERS):
            _refuse(type(layer).__name__, f"layer {layer.name}", rule)
        if callable(activation) and activation not in _DEFINED and not isinstance(activation, keras.layers.Layer):
            _refuse(getattr(activation, "__name__", type(activation).__name__), f"layer {layer.name}", rule)
        if isinstance(layer, keras.layers.ReLU) and (
            layer.negative_slope or layer.threshold or layer.max_value not in (None, 6)
        ):
            _refuse("ReLU with a slope, a threshold or a maximum other than 6", f"layer {layer.name}", rule)


def _check_operations(operations: list[tf.Operation], images: tf.Tensor, rule: str) -> None:
    """Refuse nonlinear operations that depend on the images."""
    reached = {images.ref()}
    for operation in operations:
        depending = [tensor for tensor in operation.inputs if tensor.ref() in reached]
        if not depending:
            continue
        reached.update(tensor.ref() for tensor in operation.outputs)
        by_hand = operation.type in _LIMITS and len(depending) == 1
        if operation.type in _NONLINEAR | _CLOSED or by_hand:
            _refuse(operation.type, f"operation {operation.name}", rule)


def _refuse(what: str, where: str, rule: str) -> None:
    raise InputError(
        f"{rule} is defined for ReLU alone and has no rule for {what} ({where}): use a method that needs none, such as "
        "VanillaGradient or IntegratedGradients"
    )

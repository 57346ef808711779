"""The gradient of a value by the points that it is computed from."""

from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

# Gradients that operations were given which a tape and tf.gradients see alike, or which are TensorFlow's own to rounding.
_ALIKE = ("CustomGradient", "InterpFrozenConvolution")
# Operations that hold others, with gradients of their own.
_HOLDING = ("While", "StatelessWhile", "If", "StatelessIf", "Case", "PartitionedCall", "StatefulPartitionedCall")


def value_and_gradient(
    function: Callable[[tf.Tensor], tuple[tf.Tensor, Any]], points: tf.Tensor
) -> tuple[tf.Tensor, Any, Any]:
    """The value that `function(points)` gives, its gradient by the points, None where there is none, and what else it gives.

    The gradient is that of a tape. Where no operation was given another one, as rules of ReLU do, `tf.gradients` finds the same by the
    fast gradients of convolutions (interp.models.frozen_convolution), which a tape does not see.
    """
    graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    first = 0 if graph is None else len(graph.get_operations())
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        value, rest = function(points)
    if graph is None or points.graph is not graph or not _are_usual(graph.get_operations()[first:]):
        return value, tape.gradient(value, points), rest
    return value, tf.gradients(value, points)[0], rest


def _are_usual(operations: Iterable[tf.Operation]) -> bool:
    for operation in operations:
        if operation.type in _HOLDING:
            return False
        given = _given_gradient(operation)
        if given is not None and not given.startswith(_ALIKE):
            return False
    return True


def _given_gradient(operation: tf.Operation) -> str | None:
    try:
        return operation.get_attr("_gradient_op_type").decode()
    except ValueError:
        return None

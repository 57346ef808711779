"""The gradient of a value by the points that it is computed from."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def value_and_gradient(function: Callable[[tf.Tensor], tuple[tf.Tensor, Any]], points: tf.Tensor) -> tuple[tf.Tensor, Any, Any]:
    """The value that `function(points)` gives, its gradient by the points, None where there is none, and what else it gives."""
    if tf.executing_eagerly():
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            value, rest = function(points)
        return value, tape.gradient(value, points), rest
    # A tape does not see which gradient an operation of the graph was given.
    value, rest = function(points)
    return value, tf.gradients(value, points)[0], rest

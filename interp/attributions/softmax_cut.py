"""Logits of models that end in a softmax."""

from typing import Any

import tensorflow as tf

# What may stand between a softmax and the model's output.
_SAME = frozenset(("Identity", "Cast", "StopGradient"))


def before_softmax(outputs: Any) -> tf.Tensor | None:
    """Return what the softmax reads that gives the symbolic `outputs`, None where no softmax does."""
    operation = outputs.op
    while operation.type in _SAME:
        operation = operation.inputs[0].op
    return operation.inputs[0] if operation.type == "Softmax" else None

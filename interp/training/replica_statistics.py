"""Batch normalisation of a batch that several replicas share: by the mean and variance of all its images, as one replica has them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from interp.core.errors import InputError


def check_shared_statistics(model: keras.Model, statistics: Sequence[Any]) -> None:
    """Raise InputError where something of each batch is kept that is no mean and variance of batch normalisation."""
    usual = keras.layers.BatchNormalization
    known = {
        id(variable)
        for layer in model._flatten_layers()
        if isinstance(layer, usual) and not layer.renorm and type(layer)._moments is usual._moments
        for variable in (layer.moving_mean, layer.moving_variance)
    }
    other = [variable.path for variable in statistics if id(variable) not in known]
    if other:
        raise InputError(
            f"the model keeps something of each batch ({', '.join(other[:3])}), which would depend on the number of replicas: train it "
            "with one, or with these layers at trainable=False"
        )


@contextmanager
def shared_statistics(replicas: int) -> Iterator[None]:
    """Batch normalisation that is traced inside takes moments over all replicas; Keras's own synchronised layer can wait for ever."""
    if replicas == 1:
        yield
        return
    layer = keras.layers.BatchNormalization
    usual = layer._moments
    layer._moments = _moments
    try:
        yield
    finally:
        layer._moments = usual


def _moments(layer: keras.layers.BatchNormalization, inputs: tf.Tensor, mask: tf.Tensor | None) -> tuple[Any, Any]:
    """Mean and variance of each channel over the inputs of all replicas, without those that a mask hides."""
    context = tf.distribute.get_replica_context()
    axes = layer._reduction_axes
    shown = (
        tf.ones_like(inputs)
        if mask is None
        else tf.broadcast_to(tf.cast(mask, inputs.dtype)[..., None], tf.shape(inputs))
    )
    ones = tf.reduce_sum(shown, axes)
    count, total = context.all_reduce(tf.distribute.ReduceOp.SUM, [ones, tf.reduce_sum(shown * inputs, axes)])
    count = tf.maximum(count, 1.0)
    mean = total / count
    shape = [inputs.shape[axis] if axis not in axes else 1 for axis in range(inputs.shape.rank)]
    # Sums of squares of the differences: those of the inputs would lose digits.
    spread = tf.reduce_sum(shown * tf.square(inputs - tf.reshape(mean, shape)), axes)
    return mean, context.all_reduce(tf.distribute.ReduceOp.SUM, spread) / count

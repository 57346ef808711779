"""The end of a training step: weights move where all is finite, and else what has moved is taken back."""

from typing import Any

import keras
import tensorflow as tf

from interp.models.network import Network


def is_finite(loss: tf.Tensor, gradients: list[tf.Tensor]) -> tf.Tensor:
    """Whether a loss and its gradients are finite."""
    finite = [tf.math.is_finite(loss), *(tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients)]
    return tf.reduce_all(finite)


def statistics_of(network: Network) -> list[tf.Tensor]:
    """The present values of what passes in training mode move: the statistics of batch normalisation."""
    return [tf.identity(variable) for variable in network.non_trainable_variables]


def update_if(
    fine: tf.Tensor,
    optimizer: keras.Optimizer,
    gradients: list[tf.Tensor],
    network: Network,
    statistics: list[tf.Tensor],
) -> None:
    """Update the network's weights if all is `fine`, else give it back its `statistics` of before the step."""
    tf.cond(
        fine,
        lambda: _apply(optimizer, gradients, network.trainable_variables),
        lambda: _assign(network.non_trainable_variables, statistics),
    )


def _apply(optimizer: keras.Optimizer, gradients: list[tf.Tensor], variables: list[Any]) -> tf.Tensor:
    optimizer.apply(gradients, variables)
    return tf.constant(True)


def _assign(variables: list[Any], values: list[tf.Tensor]) -> tf.Tensor:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return tf.constant(False)

"""The end of a training step: weights move where all is finite, and else what has moved is taken back."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from interp.training.model_state import ModelState

# What is not finite at this scale of the loss is not for its size. Each overflow halves the scale, which begins at 2**15.
LEAST_SCALE = 2.0**-10


def scaled_where_half(optimizer: keras.Optimizer, state: ModelState) -> keras.Optimizer:
    """The optimizer, scaling its loss for a model that computes in float16, whose gradients would underflow, as Keras's `fit` does it."""
    if state.is_half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def is_finite(optimizer: keras.Optimizer, loss: tf.Tensor, gradients: Sequence[tf.Tensor | None]) -> tf.Tensor:
    """Whether a loss and its gradients are finite; those of a scaled loss may overflow, until its optimizer has lowered the scale."""
    scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    watched = [] if scales else gradients
    finite = [tf.reduce_all(tf.math.is_finite(each)) for each in (loss, *watched) if each is not None]
    if scales:
        finite.append(optimizer.dynamic_scale >= LEAST_SCALE)
    return tf.reduce_all(finite)


def update_if(
    fine: tf.Tensor,
    optimizer: keras.Optimizer,
    gradients: Sequence[tf.Tensor | None],
    state: ModelState,
    statistics: list[tf.Tensor],
) -> None:
    """Update the model's weights if all is `fine`, else give it back its `statistics` of before the step."""
    tf.cond(fine, lambda: _apply(optimizer, gradients, state), lambda: _restore(state, statistics))


def _apply(optimizer: keras.Optimizer, gradients: Sequence[tf.Tensor | None], state: ModelState) -> tf.Tensor:
    optimizer.apply(gradients, state.model.trainable_variables)
    return tf.constant(True)


def _restore(state: ModelState, statistics: list[tf.Tensor]) -> tf.Tensor:
    state.restore(statistics)
    return tf.constant(False)

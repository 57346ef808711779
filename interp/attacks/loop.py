"""The one loop of every gradient attack."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from interp.core.errors import InputError


class Evaluation(NamedTuple):
    """What an objective says of a batch of points, each of shape (n,)."""

    value: tf.Tensor  # to be raised
    harm: tf.Tensor  # by which the worst iterate of an image is chosen


Objective = Callable[[tf.Tensor], Evaluation]
Move = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def ascend(
    objective: Objective, move: Move, start: tf.Tensor, steps: tf.Tensor | int, *, keep_worst: bool = False
) -> tf.Tensor:
    """Raise a per-image value for `steps` steps and return the points reached, shape of `start`. For use inside tf.function.

    `objective(points)` gives an Evaluation, `move(points, gradient, step)` the next points, projected. With `keep_worst` each
    image's point of largest harm over all iterates, the start included, is returned, else the last one.
    """
    if not keep_worst:

        def body(step: tf.Tensor, points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            gradient, _ = _gradient(objective, points)
            return step + 1, _shaped(move(points, gradient, step), start)

        return tf.while_loop(lambda step, _: step < steps, body, (0, start))[1]

    def worst_body(
        step: tf.Tensor, points: tf.Tensor, worst: tf.Tensor, most_harm: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        gradient, harm = _gradient(objective, points)
        worst, most_harm = _worse(points, harm, worst, most_harm)
        return step + 1, _shaped(move(points, gradient, step), start), worst, most_harm

    no_harm = tf.fill([tf.shape(start)[0]], start.dtype.min)
    _, last, worst, most_harm = tf.while_loop(lambda step, *_: step < steps, worst_body, (0, start, start, no_harm))
    return _worse(last, objective(last).harm, worst, most_harm)[0]


def _gradient(objective: Objective, points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        evaluation = objective(points)
    gradient = tape.gradient(evaluation.value, points)
    if gradient is None:
        raise InputError(
            "the model's logits do not depend on the images by any differentiable path, so it has no gradient to follow"
        )
    return gradient, evaluation.harm


def _worse(points: tf.Tensor, harm: tf.Tensor, worst: tf.Tensor, most_harm: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    # A NaN is passed on, not passed over: the attack as a whole reports it.
    more = (harm > most_harm) | tf.math.is_nan(harm)
    return _shaped(tf.where(more[:, None, None, None], points, worst), worst), tf.where(more, harm, most_harm)


def _shaped(points: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(points, like.shape)

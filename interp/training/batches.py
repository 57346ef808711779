"""The rows of a batch: drawn as a whole, and in parts for replicas and streams."""

from typing import NamedTuple

import tensorflow as tf

from interp.core.balls import find_ball


class Batch(NamedTuple):
    """Images (n, height, width, channels) and labels (n,), where each image's search starts, and the rows (n,) of the whole batch.

    `directions`, of the shape of the images, are normal draws for terms that look along random directions.
    """

    images: tf.Tensor
    labels: tf.Tensor
    start: tf.Tensor
    rows: tf.Tensor
    directions: tf.Tensor


def draw_batch(images: tf.Tensor, labels: tf.Tensor, epsilon: tf.Tensor, seed: tf.Tensor, norm: str = "linf") -> Batch:
    """The batch with random starts in the ball of radius `epsilon` and directions, drawn for all of it, so that parts do not matter."""
    ball = find_ball(norm)
    start = ball.project(images + ball.random(tf.shape(images), epsilon, seed), images, epsilon)
    directions = tf.random.stateless_normal(tf.shape(images), tf.random.fold_in(seed, 1))
    return Batch(images, labels, start, tf.range(tf.shape(images)[0]), directions)


def part_of(batch: Batch, number: int | tf.Tensor, parts: int) -> Batch:
    """Part `number`, from 0, of `parts` that are as equal as they can be."""
    count = tf.shape(batch.images)[0]
    mine = slice(count * number // parts, count * (number + 1) // parts)
    return Batch(*(array[mine] for array in batch))

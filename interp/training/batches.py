"""The rows of a batch: made while the batch before is computed with, drawn as a whole, and in parts for replicas and streams."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from interp.core.balls import find_ball
from interp.data import Dataset
from interp.training.augmentation import Augmentation


def made_ahead(
    data: Dataset, augmented: Augmentation, batch_size: int, seed: int, steps: range
) -> Generator[tuple[np.ndarray, np.ndarray]]:
    """Yield images and labels of the `steps` of a training, the next ones read and augmented in a thread of their own meanwhile.

    Epoch e visits the images in the order RandomState(seed + e).permutation; an incomplete last batch is left out.
    """
    in_epoch, orders = len(data) // batch_size, dict[int, np.ndarray]()

    def make(step: int) -> tuple[np.ndarray, np.ndarray]:
        epoch, number = divmod(step, in_epoch)
        if epoch not in orders:
            orders.clear()
            orders[epoch] = np.random.RandomState(seed + epoch).permutation(len(data))
        rows = orders[epoch][number * batch_size : (number + 1) * batch_size]
        return augmented(np.asarray(data.images[rows]), (seed, step)), data.labels[rows]

    with ThreadPoolExecutor(1) as executor:
        waiting = [executor.submit(make, step) for step in steps[:1]]
        for step in steps:
            batch = waiting.pop().result()
            if step + 1 in steps:
                waiting.append(executor.submit(make, step + 1))
            yield batch


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

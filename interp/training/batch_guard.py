"""The data contract inside Keras's loop: batches are judged inside the graph and reported outside of it."""

import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.core.checks import RANGE_TOLERANCE, check_images, check_labels
from interp.core.errors import InputError
from interp.training.training_errors import TrainingDiverged

# How tf.ensure_shape says it.
_OTHER_SHAPE = re.compile(r"Shape of tensor \S* ?(\[.*?\]) is not compatible with expected shape (\[.*?\])")
# What is noted of a batch inside the graph, to be reported outside of it.
FINE, BAD_INPUT, DIVERGED = 0.0, 1.0, 2.0


class BatchGuard:
    """Checks batches of images of `shape` with labels of `classes`, and notes in a variable how the first bad one was bad."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        self._shape, self._classes = shape, classes
        # What was seen of the first batch that was not fine: how it was not, least and largest value, lowest and highest label.
        self._seen = tf.Variable(tf.zeros([5]), trainable=False)

    def checked(self, images: Any, labels: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
        """The batch within the contract, and a note of it if it came outside; labels 0 where there are none. Raises InputError."""
        shape = self._shape
        if tf.is_tensor(images) and images.dtype.is_floating:
            images = tf.cast(images, tf.float32)
        if (
            tf.is_tensor(images)
            and not images.shape.is_fully_defined()
            and images.shape.is_compatible_with((None, *shape))
        ):
            # What a pipeline, or a graph made for several shapes, knows only when it runs.
            images = tf.ensure_shape(images, (None, *shape))
        images = check_images(images, shape)
        if labels is None:
            labels = tf.zeros(tf.shape(images)[:1], tf.int64)
        elif tf.is_tensor(labels) and labels.shape.rank is None:
            labels = tf.ensure_shape(tf.reshape(labels, [tf.shape(images)[0], -1]), (None, 1))[:, 0]
        elif labels.shape[1:] == (1,):
            labels = labels[:, 0]
        labels = check_labels(labels, images, self._classes)
        finite = tf.reduce_all(tf.math.is_finite(images))
        low, high = (tf.where(finite, ends(images), np.nan) for ends in (tf.reduce_min, tf.reduce_max))
        first, last = tf.reduce_min(labels), tf.reduce_max(labels)
        fine = finite & (low >= -RANGE_TOLERANCE) & (high <= 1 + RANGE_TOLERANCE)
        fine &= (first >= 0) & (last < self._classes)
        found = [tf.where(fine, FINE, BAD_INPUT), low, high, *(tf.cast(end, tf.float32) for end in (first, last))]
        self._note(tf.stack(found))
        # What is computed of a bad batch is thrown away, but must be computed without an error.
        images = tf.clip_by_value(tf.where(tf.math.is_finite(images), images, 0.0), 0.0, 1.0)
        return images, tf.clip_by_value(labels, 0, self._classes - 1)

    def is_fine(self, loss_is_finite: tf.Tensor) -> tf.Tensor:
        """Whether the batch, and all before it not reported yet, were fine, with a loss and gradients that are finite."""
        state = tf.where(loss_is_finite, FINE, DIVERGED)
        self._note(tf.concat([[state], self._seen[1:]], 0))
        return self._seen[0] == FINE

    def telling(self, function: Callable[..., Any], steps: Callable[[], int]) -> Callable[..., Any]:
        """The function, which raises what was noted while it ran: an error of the graph itself would have lost its words.

        `steps` tells how many steps of the optimiser there were.
        """

        def run(*batches: Any) -> Any:
            try:
                result = function(*batches)
            except tf.errors.InvalidArgumentError as error:
                found = _OTHER_SHAPE.search(error.message)
                if found is None:
                    raise
                what = (
                    f"labels came with rows of shape {found[1]}, expected integers (n,): for one-hot rows take argmax(-1)"
                    if found[2] == "[?,1]"
                    else f"images came with shape {found[1]}, the network takes {found[2]}: resize them, or add the missing axis"
                )
                raise InputError(what) from error
            state, *range_of_values = (float(value) for value in self._seen.numpy())
            if state != FINE:
                self._seen.assign(tf.zeros_like(self._seen))
                low, high, first, last = range_of_values
                # Two pixels, or two labels, that are as wrong as the batch was.
                pixels = check_images(tf.reshape([low, high], (2, 1, 1, 1)))
                check_labels(tf.cast([first, last], tf.int64), pixels, self._classes)
                raise TrainingDiverged(
                    f"the loss or a gradient was not finite at step {steps()}, and no weight was changed by it: "
                    "lower the learning rate or the penalty weight"
                )
            return result

        return run

    def _note(self, found: tf.Tensor) -> None:
        """Keep what was seen of a batch, unless a batch before it, not reported yet, was not fine."""
        self._seen.assign(tf.where(self._seen[0] == FINE, found, self._seen))


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """Images, labels and weights, None without them, of a batch of Keras's. Raises InputError where labels are missing."""
    images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    if labels is None:
        raise InputError("RobustModel takes batches of (images, labels), no labels came: give them beside the images")
    return images, labels, weights

"""Rows of a batch that are computed a few at a time, inside a graph."""

from collections.abc import Callable

import tensorflow as tf


def in_chunks(
    function: Callable[..., tf.Tensor], arrays: tuple[tf.Tensor, ...], chunk_size: int, dtype: tf.DType
) -> tf.Tensor:
    """`function` of all rows of the arrays, of this type, `chunk_size` of them at a time."""
    total = tf.shape(arrays[0])[0]
    count = -(-total // chunk_size)
    parts = tf.TensorArray(dtype, count, infer_shape=False)

    def add(number: tf.Tensor, parts: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        chunk = slice(number * chunk_size, (number + 1) * chunk_size)
        return number + 1, parts.write(number, function(*(array[chunk] for array in arrays)))

    # Iterations that run side by side would each hold their chunk.
    loop = tf.while_loop(lambda number, _: number < count, add, (tf.constant(0), parts), parallel_iterations=1)
    return loop[1].concat()

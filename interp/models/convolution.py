"""Convolutions with a gradient that is fast on a CPU.

TensorFlow's gradient of a convolution by its inputs takes 1.3 to 3 times as long as a convolution of the same size. With stride 1 it is
one: of the outputs' gradient, with the kernel turned around and its channels and filters exchanged. So it is computed as one here.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

Margins = tuple[tuple[int, int], tuple[int, int]]
Gradients = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

# Fewer channels leave part of the registers idle that a convolution writes: TensorFlow's own gradient is faster there.
FEWEST_CHANNELS = 8


def convolve(inputs: tf.Tensor, kernel: tf.Tensor, stride: int = 1, padding: str = "SAME") -> tf.Tensor:
    """Return what `tf.nn.conv2d` does; its gradients are the same to rounding.

    Args:
        inputs: (n, height, width, channels).
        kernel: (rows, columns, channels, filters).
        stride: of both sides.
        padding: "SAME" or "VALID".

    Returns:
        (n, height', width', filters).
    """
    rows, columns, channels, _ = kernel.shape
    if stride != 1 or channels < FEWEST_CHANNELS or tf.config.get_visible_devices("GPU"):
        return tf.nn.conv2d(inputs, kernel, stride, padding)
    return _with_margins((_margins(rows, padding), _margins(columns, padding)))(inputs, tf.convert_to_tensor(kernel))


@keras.saving.register_keras_serializable(package="interp")
class Convolution(keras.layers.Conv2D):
    """Keras's layer for images of the shape (n, height, width, channels), computed by `convolve`."""

    def convolution_op(self, inputs: tf.Tensor, kernel: Any) -> tf.Tensor:
        return convolve(inputs, tf.convert_to_tensor(kernel), self.strides[0], self.padding.upper())


def _margins(size: int, padding: str) -> tuple[int, int]:
    before = (size - 1) // 2 if padding == "SAME" else 0
    return before, size - 1 - before if padding == "SAME" else 0


def _with_margins(margins: Margins) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A convolution of inputs with so many zeros before and behind rows and columns."""
    (above, below), (left, right) = margins

    @tf.custom_gradient
    def run(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Gradients]:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            turned = tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
            rows, columns = kernel.shape[:2]
            opposite = ((rows - 1 - above, rows - 1 - below), (columns - 1 - left, columns - 1 - right))
            of_kernel = tf.raw_ops.Conv2DBackpropFilter(
                input=inputs,
                filter_sizes=tf.shape(kernel),
                out_backprop=upstream,
                strides=[1, 1, 1, 1],
                padding="EXPLICIT",
                explicit_paddings=[0, 0, above, below, left, right, 0, 0],
            )
            return _with_margins(opposite)(upstream, turned), of_kernel

        return tf.nn.conv2d(inputs, kernel, 1, [[0, 0], [above, below], [left, right], [0, 0]]), gradients

    return run

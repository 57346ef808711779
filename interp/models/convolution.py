"""Convolutions with a gradient that is fast on a CPU, for tapes too.

TensorFlow's gradient of a convolution by its inputs takes up to 10 times as long as a convolution of the same size. With stride 1 it is
one: of the outputs' gradient, with the kernel turned around and its channels and filters exchanged. So it is computed as one here; with
a larger stride as several small ones (interp.models.frozen_convolution).
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from interp.models.frozen_convolution import Way, fewest_channels, input_gradient, turned_kernels

Margins = tuple[tuple[int, int], tuple[int, int]]
Gradients = Callable[[tf.Tensor], tuple[tf.Tensor | None, ...]]


def convolve(
    inputs: tf.Tensor, kernel: tf.Tensor, stride: int = 1, padding: str = "SAME", turned: tf.Tensor | None = None
) -> tf.Tensor:
    """Return what `tf.nn.conv2d` does; its gradients are the same to rounding.

    Args:
        inputs: (n, height, width, channels).
        kernel: (rows, columns, channels, filters).
        stride: of both sides.
        padding: "SAME" or "VALID".
        turned: what `turn` makes of the kernel, where it was made once for many passes; for stride 1.

    Returns:
        (n, height', width', filters).
    """
    kernel = tf.convert_to_tensor(kernel)
    rows, columns, channels, _ = kernel.shape
    if channels < fewest_channels(stride) or tf.config.get_visible_devices("GPU"):
        return tf.nn.conv2d(inputs, kernel, stride, padding)
    if stride == 1:
        whole = _with_margins((_margins(rows, padding), _margins(columns, padding)))
        return whole(inputs, kernel) if turned is None else whole(inputs, kernel, turned)
    if None in inputs.shape[1:3]:
        return tf.nn.conv2d(inputs, kernel, stride, padding)
    return _with_stride(stride, padding)(inputs, kernel)


def turn(kernel: tf.Tensor) -> tf.Tensor:
    """The kernel of the gradient by the inputs."""
    return tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))


def apply_convolution(layer: keras.layers.Conv2D, inputs: tf.Tensor) -> tf.Tensor:
    """What a layer without an activation of its own gives for images (n, height, width, channels)."""
    outputs = convolve(inputs, layer.kernel, layer.strides[0], layer.padding.upper())
    return outputs if layer.bias is None else tf.nn.bias_add(outputs, tf.convert_to_tensor(layer.bias))


def _margins(size: int, padding: str) -> tuple[int, int]:
    before = (size - 1) // 2 if padding == "SAME" else 0
    return before, size - 1 - before if padding == "SAME" else 0


def _with_margins(margins: Margins) -> Callable[..., tf.Tensor]:
    """A convolution of inputs with so many zeros before and behind rows and columns; it may be given its turned kernel too."""
    (above, below), (left, right) = margins

    @tf.custom_gradient
    def run(inputs: tf.Tensor, kernel: tf.Tensor, *turned: tf.Tensor) -> tuple[tf.Tensor, Gradients]:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
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
            # Turned twice a kernel is itself. It is the gradient of what was turned that leads back to the kernel.
            of_inputs = _with_margins(opposite)(upstream, turned[0] if turned else turn(kernel), kernel)
            return of_inputs, of_kernel, *(None for _ in turned)

        return tf.nn.conv2d(inputs, kernel, 1, [[0, 0], [above, below], [left, right], [0, 0]]), gradients

    return run


def _with_stride(stride: int, padding: str) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    @tf.custom_gradient
    def run(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Gradients]:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
            sides = tuple(inputs.shape[1:3])
            way = Way(stride, padding, tuple(kernel.shape[:2]), sides, _of_part)
            of_kernel = tf.raw_ops.Conv2DBackpropFilter(
                input=inputs,
                filter_sizes=tf.shape(kernel),
                out_backprop=upstream,
                strides=[1, stride, stride, 1],
                padding=padding,
            )
            return input_gradient(upstream, turned_kernels(kernel, way), way), of_kernel

        return tf.nn.conv2d(inputs, kernel, stride, padding), gradients

    return run


def _of_part(upstream: tf.Tensor, kernel: tf.Tensor, margins: list[list[int]]) -> tf.Tensor:
    _, rows, columns, _ = margins
    if any(margin >= size for size, sides in zip(kernel.shape[:2], (rows, columns), strict=True) for margin in sides):
        # Outputs that see nothing but margins: the convolution that leads back would have to cut, so TensorFlow's own gradient is taken.
        return tf.nn.conv2d(upstream, kernel, 1, margins)
    return _with_margins(((rows[0], rows[1]), (columns[0], columns[1])))(upstream, kernel)

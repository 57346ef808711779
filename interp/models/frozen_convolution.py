"""Convolutions whose kernel stays for many passes, with a gradient by their inputs that is fast on a CPU.

TensorFlow's gradient of a convolution by its inputs takes up to 10 times as long as the convolution. It is one itself: of the outputs'
gradient, with the kernel turned around and its channels and filters exchanged. With a stride of s it is s x s small ones, each with
the taps that meet every s-th row and column. Kernels are turned where the object is made: make it once, outside of a loop over images.

The gradient is found by its name, as `tf.gradients` does; a tape, which looks at operations, gets TensorFlow's own. `tf.custom_gradient`
would serve both, but it keeps every graph that it was used in for as long as the process lives.
"""

from typing import NamedTuple

import tensorflow as tf

# Fewer channels leave part of the registers idle that a convolution writes: TensorFlow's own gradient is faster there.
FEWEST_CHANNELS = 8
_NAME = "InterpFrozenConvolution"


class FrozenConvolution:
    """A convolution of images (n, height, width, channels) with one kernel, or with one for each channel.

    Args:
        kernel: (rows, columns, channels, filters), or (rows, columns, channels, multiplier) where `by_channel`.
        stride: of both sides.
        padding: "SAME" or "VALID".
        sides: (height, width) of the images, None where they are not known.
        by_channel: whether every channel has a kernel of its own.
    """

    def __init__(
        self,
        kernel: tf.Tensor,
        stride: int,
        padding: str,
        sides: tuple[int | None, int | None],
        *,
        by_channel: bool = False,
    ) -> None:
        self.kernel, self.stride, self.padding, self.sides, self.by_channel = kernel, stride, padding, sides, by_channel
        self.turned = _turned(kernel, stride, padding, sides, by_channel) if self._is_worth_it() else []

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """Outputs (n, height', width', filters)."""
        if not self.turned or tf.executing_eagerly() or tuple(inputs.shape[1:3]) != self.sides:
            return _convolve(inputs, self.kernel, self.stride, self.padding, self.by_channel)
        return _with_fast_gradient(inputs, self.kernel, self.turned, self.stride, self.padding, self.by_channel)

    def _is_worth_it(self) -> bool:
        channels, multiplier = self.kernel.shape[2:]
        if None in self.sides or tf.config.get_visible_devices("GPU"):
            return False
        if self.by_channel:
            return self.stride > 1 and multiplier == 1
        return channels >= FEWEST_CHANNELS


class Phase(NamedTuple):
    """Every s-th position of one side from some position on: taps that meet them, and where the first begins in the outputs."""

    taps: list[int]
    begin: int


def phases(size: int, stride: int, padding: str, side: int) -> list[Phase]:
    """The phases of one side of the images, for a kernel of so many taps."""
    outputs = -(-side // stride)
    before = max((outputs - 1) * stride + size - side, 0) // 2 if padding == "SAME" else 0
    found = []
    for first in range(stride):
        # Output q meets input s q + t - before by its tap t.
        taps = [tap for tap in reversed(range(size)) if (first + before - tap) % stride == 0]
        found.append(Phase(taps, (first + before - taps[0]) // stride if taps else 0))
    return found


def input_gradient(
    upstream: tf.Tensor, turned: list[tf.Tensor], size: tuple[int, int], how: tuple[int, str, bool], sides: tuple[int, int]
) -> tf.Tensor:
    """The gradient by the inputs from that by the outputs, `turned` being the kernels of the phases that have taps."""
    stride, padding, by_channel = how
    counts = [-(-side // stride) for side in sides]
    parts, waiting = [], iter(turned)
    for down in phases(size[0], stride, padding, sides[0]):
        row = []
        for right in phases(size[1], stride, padding, sides[1]):
            if not (down.taps and right.taps):
                row.append(None)
                continue
            cut = [
                _cut(phase, length, count)
                for phase, length, count in zip((down, right), upstream.shape[1:3], counts, strict=True)
            ]
            row.append(_part(upstream, next(waiting), cut, by_channel))
        parts.append(row)
    if stride == 1:
        return parts[0][0]
    zeros = tf.zeros_like(next(part for row in parts for part in row if part is not None))
    filled = [[zeros if part is None else part for part in row] for row in parts]
    channels = zeros.shape[-1]
    # Stacked behind their own axis, columns and then rows lie in memory in their final order.
    rows = [tf.reshape(tf.stack(row, 3), (-1, counts[0], 1, counts[1] * stride * channels)) for row in filled]
    whole = tf.reshape(tf.concat(rows, 2), (-1, counts[0] * stride, counts[1] * stride, channels))
    return whole[:, : sides[0], : sides[1]]


def turned_kernels(kernel: tf.Tensor, down: list[Phase], right: list[Phase], by_channel: bool) -> list[tf.Tensor]:
    """The kernels of the phases that have taps."""
    if not by_channel:
        kernel = tf.transpose(kernel, (0, 1, 3, 2))
    return [
        tf.gather(tf.gather(kernel, rows.taps, axis=0), columns.taps, axis=1)
        for rows in down
        for columns in right
        if rows.taps and columns.taps
    ]


def _turned(
    kernel: tf.Tensor, stride: int, padding: str, sides: tuple[int | None, int | None], by_channel: bool
) -> list[tf.Tensor]:
    down, right = (
        phases(size, stride, padding, side or 1) for size, side in zip(kernel.shape[:2], sides, strict=True)
    )
    return turned_kernels(kernel, down, right, by_channel)


def _cut(phase: Phase, length: int, count: int) -> tuple[int, int]:
    """How many zeros stand before and behind the outputs of one side so that `count` positions come out; fewer than 0 are cut off."""
    return -phase.begin, count + len(phase.taps) - 1 - length + phase.begin


def _part(upstream: tf.Tensor, kernel: tf.Tensor, cut: list[tuple[int, int]], by_channel: bool) -> tf.Tensor:
    (above, below), (left, right) = cut
    if min(above, below, left, right) < 0:
        height, width = upstream.shape[1:3]
        upstream = upstream[
            :, max(-above, 0) : height - max(-below, 0), max(-left, 0) : width - max(-right, 0)
        ]
    margins = [[0, 0], *([max(each, 0) for each in pair] for pair in cut), [0, 0]]
    if by_channel:
        return tf.nn.depthwise_conv2d(tf.pad(upstream, margins), kernel, [1, 1, 1, 1], "VALID")
    return tf.nn.conv2d(upstream, kernel, 1, margins)


def _convolve(inputs: tf.Tensor, kernel: tf.Tensor, stride: int, padding: str, by_channel: bool) -> tf.Tensor:
    if by_channel:
        return tf.nn.depthwise_conv2d(inputs, kernel, [1, stride, stride, 1], padding)
    return tf.nn.conv2d(inputs, kernel, stride, padding)


def _with_fast_gradient(
    inputs: tf.Tensor, kernel: tf.Tensor, turned: list[tf.Tensor], stride: int, padding: str, by_channel: bool
) -> tf.Tensor:
    outputs = _convolve(inputs, kernel, stride, padding, by_channel)
    with tf.compat.v1.get_default_graph().gradient_override_map({"IdentityN": _NAME}):
        return tf.identity_n([outputs, inputs, kernel, *turned])[0]


@tf.RegisterGradient(_NAME)
def _gradients(operation: tf.Operation, upstream: tf.Tensor, *_: tf.Tensor) -> list[tf.Tensor | None]:
    outputs, inputs, kernel, *turned = operation.inputs
    forward = outputs.op
    by_channel, stride = forward.type == "DepthwiseConv2dNative", forward.get_attr("strides")[1]
    padding = forward.get_attr("padding").decode()
    upstream = tf.ensure_shape(upstream, outputs.shape)
    of_inputs = input_gradient(
        upstream, turned, tuple(kernel.shape[:2]), (stride, padding, by_channel), tuple(inputs.shape[1:3])
    )
    backprop = tf.nn.depthwise_conv2d_backprop_filter if by_channel else _filter_gradient
    of_kernel = backprop(inputs, kernel.shape, upstream, [1, stride, stride, 1], padding)
    # What was turned is a function of the kernel that the outputs do not depend on.
    return [None, of_inputs, of_kernel, *(None for _ in turned)]


def _filter_gradient(
    inputs: tf.Tensor, sizes: tf.TensorShape, upstream: tf.Tensor, strides: list[int], padding: str
) -> tf.Tensor:
    return tf.raw_ops.Conv2DBackpropFilter(
        input=inputs, filter_sizes=list(sizes), out_backprop=upstream, strides=strides, padding=padding
    )

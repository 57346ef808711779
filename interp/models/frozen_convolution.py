"""Convolutions whose kernel stays for many passes, with a gradient by their inputs that is fast on a CPU.

The gradient by the inputs is a convolution of the outputs' gradient, with the kernel turned around and its channels and filters
exchanged. With a stride of s it is s x s small ones, each with the taps that meet every s-th row and column. Kernels are turned where
the object is made: make it once, outside of a loop over images.

The gradient is found by its name, as `tf.gradients` does; a tape, which looks at operations, gets TensorFlow's own. `tf.custom_gradient`
would serve both, but it keeps every graph that it was used in for as long as the process lives.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

# Fewer channels leave part of the registers idle that a convolution writes: TensorFlow's own gradient is faster there.
FEWEST_CHANNELS, FEWEST_WITH_STRIDE = 8, 128
_NAME = "InterpFrozenConvolution"

# A convolution of stride 1 of images and a kernel, with zeros around the images: a pair for each axis.
Plain = Callable[[tf.Tensor, tf.Tensor, list[list[int]]], tf.Tensor]


class FrozenConvolution:
    """A convolution of images (n, height, width, channels) with one kernel, or with one for each channel; for use in a graph.

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
        self._kernel, self._sides, self._by_channel = kernel, sides, by_channel
        self._how = stride, padding
        self._turned = (
            turned_kernels(kernel, _way(kernel, *self._how, sides, by_channel)) if self._is_worth_it() else []
        )

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """Outputs (n, height', width', filters)."""
        stride, padding = self._how
        if self._by_channel:
            outputs = tf.nn.depthwise_conv2d(inputs, self._kernel, [1, stride, stride, 1], padding)
        else:
            outputs = tf.nn.conv2d(inputs, self._kernel, stride, padding)
        if not self._turned or tf.executing_eagerly() or tuple(inputs.shape[1:3]) != self._sides:
            return outputs
        with tf.compat.v1.get_default_graph().gradient_override_map({"IdentityN": _NAME}):
            return tf.identity_n([outputs, inputs, self._kernel, *self._turned])[0]

    def _is_worth_it(self) -> bool:
        channels, multiplier = self._kernel.shape[2:]
        if None in self._sides or tf.config.get_visible_devices("GPU"):
            return False
        # With stride 1 TensorFlow's own gradient of a kernel for each channel is as fast as the convolution.
        if self._by_channel:
            return self._how[0] > 1 and multiplier == 1
        return channels >= fewest_channels(self._how[0])


def fewest_channels(stride: int) -> int:
    """From how many channels on a gradient computed here is the faster one."""
    return FEWEST_CHANNELS if stride == 1 else FEWEST_WITH_STRIDE


class Way(NamedTuple):
    """How a convolution leads back to its inputs: its stride and padding, the sizes of its kernel and its inputs, and what computes it."""

    stride: int
    padding: str
    size: tuple[int, ...]
    sides: tuple[Any, ...]
    plain: Plain


class Phase(NamedTuple):
    """Every s-th position of one side: the taps that meet them, and where the first of those begins in the outputs."""

    taps: list[int]
    begin: int

    def zeros(self, length: int, count: int) -> tuple[int, int]:
        """How many stand before and behind `length` outputs so that `count` positions come out; fewer than 0 are cut off."""
        return -self.begin, count + len(self.taps) - 1 - length + self.begin


def input_gradient(upstream: tf.Tensor, turned: list[tf.Tensor], way: Way) -> tf.Tensor:
    """The gradient by the inputs from that by the outputs; `turned` are the kernels of the phases that have taps."""
    counts = [-(-side // way.stride) for side in way.sides]
    down, right = _phases(way)
    waiting = iter(turned)
    parts = [
        [
            _part(upstream, next(waiting), (row, column), counts, way.plain) if row.taps and column.taps else None
            for column in right
        ]
        for row in down
    ]
    if way.stride == 1:
        return parts[0][0]
    zeros = tf.zeros_like(next(part for row in parts for part in row if part is not None))
    # Stacked behind their own axis, columns and then rows lie in memory in their final order.
    width = counts[1] * way.stride * zeros.shape[-1]
    rows = [
        tf.reshape(tf.stack([zeros if part is None else part for part in row], 3), (-1, counts[0], 1, width))
        for row in parts
    ]
    whole = tf.reshape(tf.concat(rows, 2), (-1, *(count * way.stride for count in counts), zeros.shape[-1]))
    return whole[:, : way.sides[0], : way.sides[1]]


def turned_kernels(kernel: tf.Tensor, way: Way) -> list[tf.Tensor]:
    """The kernels of the phases that have taps."""
    if way.plain is not _by_channel:
        kernel = tf.transpose(kernel, (0, 1, 3, 2))
    down, right = _phases(way)
    return [
        kernel[row.taps[0] :: -way.stride, column.taps[0] :: -way.stride]
        for row in down
        for column in right
        if row.taps and column.taps
    ]


def _phases(way: Way) -> list[list[Phase]]:
    """The phases of rows and of columns."""
    found: list[list[Phase]] = [[], []]
    for place, (size, side) in enumerate(zip(way.size, way.sides, strict=True)):
        needed = (-(-side // way.stride) - 1) * way.stride + size - side
        before = max(needed, 0) // 2 if way.padding == "SAME" else 0
        for first in range(way.stride):
            # Output q meets input s q + t - before by its tap t.
            taps = [tap for tap in reversed(range(size)) if (first + before - tap) % way.stride == 0]
            found[place].append(Phase(taps, (first + before - taps[0]) // way.stride if taps else 0))
    return found


def _part(
    upstream: tf.Tensor, kernel: tf.Tensor, phases: tuple[Phase, Phase], counts: list[int], plain: Plain
) -> tf.Tensor:
    lengths = upstream.shape[1:3]
    zeros = [phase.zeros(*pair) for phase, pair in zip(phases, zip(lengths, counts, strict=True), strict=True)]
    kept = [slice(max(-first, 0), length - max(-last, 0)) for (first, last), length in zip(zeros, lengths, strict=True)]
    if min(min(pair) for pair in zeros) < 0:
        upstream = upstream[:, kept[0], kept[1]]
    return plain(upstream, kernel, [[0, 0], *([max(each, 0) for each in pair] for pair in zeros), [0, 0]])


def _across_channels(images: tf.Tensor, kernel: tf.Tensor, margins: list[list[int]]) -> tf.Tensor:
    return tf.nn.conv2d(images, kernel, 1, margins)


def _by_channel(images: tf.Tensor, kernel: tf.Tensor, margins: list[list[int]]) -> tf.Tensor:
    return tf.nn.depthwise_conv2d(tf.pad(images, margins), kernel, [1, 1, 1, 1], "VALID")


def _way(kernel: tf.Tensor, stride: int, padding: str, sides: tuple[Any, ...], by_channel: bool) -> Way:
    return Way(stride, padding, tuple(kernel.shape[:2]), sides, _by_channel if by_channel else _across_channels)


@tf.RegisterGradient(_NAME)
def _gradients(operation: tf.Operation, upstream: tf.Tensor, *_: tf.Tensor) -> list[tf.Tensor | None]:
    outputs, inputs, kernel, *turned = operation.inputs
    by_channel, stride = outputs.op.type == "DepthwiseConv2dNative", outputs.op.get_attr("strides")[1]
    padding = outputs.op.get_attr("padding").decode()
    upstream = tf.ensure_shape(upstream, outputs.shape)
    way = _way(kernel, stride, padding, tuple(inputs.shape[1:3]), by_channel)
    backprop = tf.nn.depthwise_conv2d_backprop_filter if by_channel else _filter_gradient
    of_kernel = backprop(inputs, kernel.shape, upstream, [1, stride, stride, 1], padding)
    # What was turned is a function of the kernel that the outputs do not depend on.
    return [None, input_gradient(upstream, turned, way), of_kernel, *(None for _ in turned)]


def _filter_gradient(
    inputs: tf.Tensor, sizes: tf.TensorShape, upstream: tf.Tensor, strides: list[int], padding: str
) -> tf.Tensor:
    return tf.raw_ops.Conv2DBackpropFilter(
        input=inputs, filter_sizes=list(sizes), out_backprop=upstream, strides=strides, padding=padding
    )

"""Images rearranged so that a network's first convolution reads them fast.

A convolution with an even kernel and stride 2 on one or three channels is slow: it touches few values at a time. With the image padded
and rearranged by 2x2 space-to-depth (28x28x1 becomes 15x15x4) it is a dense convolution of half the size, and the same numbers.
Whatever acts pixel by pixel, such as signed steps and their bounds, can stay in that layout for a whole attack.
"""

from abc import ABC, abstractmethod

import tensorflow as tf

from interp.models.architectures import Conv, Layer
from interp.models.convolution import convolve


class PixelLayout(ABC):
    """A way to arrange the pixels of images (n, height, width, channels), and the first convolution on it."""

    @abstractmethod
    def enter(self, images: tf.Tensor) -> tf.Tensor:
        """Images in this layout."""

    @abstractmethod
    def leave(self, points: tf.Tensor) -> tf.Tensor:
        """Points of this layout as images."""

    @abstractmethod
    def without_margin(self, points: tf.Tensor) -> tf.Tensor:
        """Points, or a gradient of them, with 0 where the layout added values that no image has: no step may change those."""

    @abstractmethod
    def kernel(self, kernel: tf.Tensor) -> tf.Tensor:
        """The first convolution's kernel for this layout."""

    @abstractmethod
    def convolve(self, points: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """The first convolution, without bias, with a kernel of this layout."""


class PlainLayout(PixelLayout):
    """Images as they are."""

    def __init__(self, stride: int) -> None:
        self.stride = stride

    def enter(self, images: tf.Tensor) -> tf.Tensor:
        return images

    def leave(self, points: tf.Tensor) -> tf.Tensor:
        return points

    def without_margin(self, points: tf.Tensor) -> tf.Tensor:
        return points

    def kernel(self, kernel: tf.Tensor) -> tf.Tensor:
        return kernel

    def convolve(self, points: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return convolve(points, kernel, self.stride)


class SpaceToDepthLayout(PixelLayout):
    """Images with a margin of zeros, in blocks of 2x2; for an even kernel with stride 2 on even sides."""

    def __init__(self, margin: int) -> None:
        self.margin = margin

    def enter(self, images: tf.Tensor) -> tf.Tensor:
        sides, channels = [self.margin, self.margin], images.shape[-1]
        # Ones that pick each pixel of a block: what space_to_depth of padded images gives, a third as long on a CPU.
        pick = tf.reshape(tf.eye(4 * channels, dtype=images.dtype), (2, 2, channels, 4 * channels))
        return tf.nn.conv2d(images, pick, 2, [[0, 0], sides, sides, [0, 0]])

    def leave(self, points: tf.Tensor) -> tf.Tensor:
        images = tf.nn.depth_to_space(points, 2)
        inside = slice(self.margin, -self.margin if self.margin else None)
        return images[:, inside, inside]

    def without_margin(self, points: tf.Tensor) -> tf.Tensor:
        return points * self.enter(tf.ones_like(self.leave(points[:1])))

    def kernel(self, kernel: tf.Tensor) -> tf.Tensor:
        height, width, channels, filters = kernel.shape
        blocks = tf.reshape(kernel, (height // 2, 2, width // 2, 2, channels, filters))
        blocks = tf.transpose(blocks, (0, 2, 1, 3, 4, 5))
        return tf.reshape(blocks, (height // 2, width // 2, 4 * channels, filters))

    def convolve(self, points: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return convolve(points, kernel, padding="VALID")


def fastest_layout(first: Layer, sides: tuple[int, ...]) -> PixelLayout:
    """The layout in which the first layer of a network reads images with these sides (height, width) fastest."""
    if not isinstance(first, Conv):
        raise TypeError(f"networks start with a convolution, not with {first}")
    if first.stride == 2 and first.size % 2 == 0 and not any(side % 2 for side in sides):
        return SpaceToDepthLayout((first.size - 2) // 2)
    return PlainLayout(first.stride)

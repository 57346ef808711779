"""What follows the last nonlinearity of a network, computed as the linear map that it is.

Convolution, average pooling and head in a row are linear, so the class activation maps are one convolution
of the activations with kernel sum_c K[..., c] W[c, k], and the logits one dense layer on them. Both are exact,
differentiable in the weights, and a fraction of the work: for the paper's small network 1.2 M (maps) and
0.47 M (logits) multiplications per image instead of 8.1 M.
"""

from abc import ABC, abstractmethod

import numpy as np
import tensorflow as tf

from interp.core.errors import ArgumentError
from interp.models.convolution import convolve


class Tail(ABC):
    """Maps the activations after the last nonlinearity (n, h, w, c) to features, class maps and logits.

    Without average pooling there are logits alone: the others raise InputError.
    """

    @abstractmethod
    def logits(self, activations: tf.Tensor) -> tf.Tensor:
        """Logits, shape (n, K)."""

    def features(self, activations: tf.Tensor) -> tf.Tensor:
        """Last feature maps A, shape (n, h, w, d), before average pooling."""
        raise ArgumentError(NO_FEATURES)

    def maps(self, activations: tf.Tensor) -> tf.Tensor:
        """Class activation maps of all classes, shape (n, h, w, K); their mean over (h, w) is the logits."""
        raise ArgumentError(NO_MAPS)

    def rectified(self) -> "Tail":
        """The tail with the positive part of the head alone: what Grad-CAM++ comes to behind average pooling."""
        raise ArgumentError(NO_MAPS)


class LayeredTail(Tail):
    """Convolution if there is one (kernel and bias), average pooling and head, one after the other.

    The head may have a `bias` (K,), which no map holds.
    """

    def __init__(
        self,
        head: tf.Tensor,
        convolution: tuple[tf.Tensor, tf.Tensor] | None = None,
        *,
        bias: tf.Tensor | None = None,
    ) -> None:
        self.head, self.convolution, self.bias = head, convolution, bias

    def features(self, activations: tf.Tensor) -> tf.Tensor:
        if self.convolution is None:
            return activations
        kernel, bias = self.convolution
        return convolve(activations, kernel) + bias

    def maps(self, activations: tf.Tensor) -> tf.Tensor:
        head = tf.cast(self.head, activations.dtype)
        return convolve(self.features(activations), head[None, None])

    def logits(self, activations: tf.Tensor) -> tf.Tensor:
        logits = tf.reduce_mean(self.features(activations), (1, 2)) @ tf.cast(self.head, activations.dtype)
        return logits if self.bias is None else logits + tf.cast(self.bias, activations.dtype)

    def rectified(self) -> Tail:
        return LayeredTail(tf.nn.relu(self.head), self.convolution)


class FoldedTail(Tail):
    """Convolution, average pooling and head as one convolution (maps) and one dense layer (logits).

    The fold is computed where the object is made: make it once, outside of a loop over images.
    `map_shape` is the (h, w) of the activations; the convolution has stride 1 and SAME padding.
    """

    def __init__(self, kernel: tf.Tensor, bias: tf.Tensor, head: tf.Tensor, map_shape: tuple[int, int]) -> None:
        self.convolution, self.map_shape = (kernel, bias), map_shape
        self.layers = LayeredTail(head, self.convolution)
        size_y, size_x, channels, _ = kernel.shape
        height, width = map_shape
        self.map_kernel = tf.reshape(
            tf.reshape(kernel, (-1, kernel.shape[-1])) @ head, (size_y, size_x, channels, head.shape[-1])
        )
        self.map_bias = tf.linalg.matvec(head, bias, transpose_a=True)
        # Activation (y, x) adds to the mean map through every tap that lands inside the map.
        rows = tf.constant(_taps_inside(height, size_y) / height, kernel.dtype)
        columns = tf.constant(_taps_inside(width, size_x) / width, kernel.dtype)
        weights = tf.einsum("yt,xs,tsck->yxck", rows, columns, self.map_kernel)
        self.logit_kernel = tf.reshape(weights, (height * width * channels, -1))

    def features(self, activations: tf.Tensor) -> tf.Tensor:
        return self.layers.features(activations)

    def maps(self, activations: tf.Tensor) -> tf.Tensor:
        return convolve(activations, self.map_kernel) + self.map_bias

    def logits(self, activations: tf.Tensor) -> tf.Tensor:
        return tf.reshape(activations, (-1, self.logit_kernel.shape[0])) @ self.logit_kernel + self.map_bias

    def rectified(self) -> Tail:
        return FoldedTail(*self.convolution, tf.nn.relu(self.layers.head), self.map_shape)


class LogitsTail(Tail):
    """No linear end that is known: the activations are the logits."""

    def logits(self, activations: tf.Tensor) -> tf.Tensor:
        return activations


class DenseTail(Tail):
    """A dense head on flat activations: logits only."""

    def __init__(self, kernel: tf.Tensor, bias: tf.Tensor) -> None:
        self.kernel, self.bias = kernel, bias

    def logits(self, activations: tf.Tensor) -> tf.Tensor:
        return activations @ self.kernel + self.bias


NO_MAPS = (
    "CAM needs a model that ends in global average pooling and one dense layer, which this one does not: use GradCAM, "
    "<interpretation=grad_cam>, which any model with a spatial layer has, or integrated gradients"
)
NO_FEATURES = (
    "the last feature maps are those before global average pooling and one dense layer, in which this model does not end: say which layer "
    "is meant, <layer=> its number from 0"
)


def _taps_inside(side: int, size: int) -> np.ndarray:
    """Matrix (position, tap): 1 where the tap of a SAME convolution takes that position into the output."""
    position, tap = np.arange(side)[:, None], np.arange(size)[None]
    output = position - tap + (size - 1) // 2
    return ((output >= 0) & (output < side)).astype(np.float64)

"""The logits of any Keras model, prepared once for many passes: what attacks and training steps loop over."""

from abc import ABC, abstractmethod

import keras
import tensorflow as tf

from interp.models.network import Network
from interp.models.pixel_layout import PlainLayout


class Forward(ABC):
    """A model's forward pass on points, which are images in a layout of the model's choice."""

    @abstractmethod
    def enter(self, images: tf.Tensor) -> tf.Tensor:
        """Images (n, height, width, channels) as points."""

    @abstractmethod
    def leave(self, points: tf.Tensor) -> tf.Tensor:
        """Points as images."""

    @abstractmethod
    def logits(self, points: tf.Tensor) -> tf.Tensor:
        """Logits (n, K) of points, in inference mode."""

    def classify(self, images: tf.Tensor) -> tf.Tensor:
        """Logits (n, K) of images, in inference mode."""
        return self.logits(self.enter(images))


class KerasForward(Forward):
    """Any Keras model, called as it is."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    def enter(self, images: tf.Tensor) -> tf.Tensor:
        return images

    def leave(self, points: tf.Tensor) -> tf.Tensor:
        return points

    def logits(self, points: tf.Tensor) -> tf.Tensor:
        # Decisions are made in float32, whatever the model computes in.
        return tf.cast(self.model(points, training=False), tf.float32)


class NetworkForward(Forward):
    """One of the package's networks with its present weights; the tail is folded and the first kernel arranged here, once.

    `training` turns batch normalisation to the batch's statistics in `activations`.
    """

    def __init__(self, network: Network, *, rearrange: bool = True) -> None:
        self.network = network
        self.layout = network.layout if rearrange else PlainLayout(network.first_layer.strides[0])
        self.kernel = self.layout.kernel(tf.convert_to_tensor(network.first_layer.kernel))
        self.bias = tf.convert_to_tensor(network.first_layer.bias)
        self.tail = network.tail()

    def enter(self, images: tf.Tensor) -> tf.Tensor:
        return self.layout.enter(images)

    def leave(self, points: tf.Tensor) -> tf.Tensor:
        return self.layout.leave(points)

    def activations(self, points: tf.Tensor, *, training: bool = False) -> tf.Tensor:
        """Outputs of the last nonlinearity, what the tail reads."""
        first = self.layout.convolve(points, self.kernel) + self.bias
        return self.network.activations_after_first(first, training=training)

    def logits(self, points: tf.Tensor) -> tf.Tensor:
        return self.tail.logits(self.activations(points))


def prepare_forward(model: keras.Model, *, rearrange: bool) -> Forward:
    """Return the forward pass of `model`; call this inside a compiled function and outside of its loop.

    With `rearrange` points may be images with their pixels in another order and zeros added: only for use that treats every pixel
    alone.
    """
    # A subclass may compute something else in its call.
    return NetworkForward(model, rearrange=rearrange) if type(model) is Network else KerasForward(model)

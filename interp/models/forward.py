"""The logits of any Keras model, prepared once for many passes: what attacks and training steps loop over."""

from abc import ABC, abstractmethod

import keras
import tensorflow as tf

from interp.core.errors import InputError
from interp.models.linear_tail import LayeredTail, Tail
from interp.models.low_precision import check_precision
from interp.models.model_check import find_facts
from interp.models.model_graph import find_logits, find_pooled_end
from interp.models.network import Network
from interp.models.pixel_layout import PlainLayout
from interp.models.recorded_model import layer_outputs


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

    def lift(self, points: tf.Tensor) -> tf.Tensor:
        """Points after the affine part that a model begins with, where it is known.

        Sums of gradients with respect to many points are taken there, and brought back to pixels once.
        """
        return points

    def logits_of_lifted(self, lifted: tf.Tensor) -> tf.Tensor:
        """Logits (n, K) of lifted points, in inference mode."""
        return self.logits(lifted)

    def pull_back(self, points: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
        """The gradient with respect to points, the same at all of them, from one with respect to lifted points."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            lifted = self.lift(points)
        return tape.gradient(lifted, points, output_gradients=gradient)


class KerasForward(Forward):
    """Any Keras model, called as it is; a softmax or sigmoid at its end is cut."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    def enter(self, images: tf.Tensor) -> tf.Tensor:
        return images

    def leave(self, points: tf.Tensor) -> tf.Tensor:
        return points

    def logits(self, points: tf.Tensor) -> tf.Tensor:
        if tf.executing_eagerly():
            return tf.function(self.logits, autograph=False)(points)
        # Decisions are made in float32, whatever the model computes in.
        return find_logits(self.model(points, training=False))[0]


class MappedForward(Forward):
    """A model whose logits are averages of class activation maps; `tail` maps its last feature maps to both."""

    tail: Tail

    @abstractmethod
    def activations(self, points: tf.Tensor) -> tf.Tensor:
        """What the tail reads."""

    @abstractmethod
    def logits_of(self, activations: tf.Tensor) -> tf.Tensor:
        """Logits (n, K) from what the tail reads."""

    def logits(self, points: tf.Tensor) -> tf.Tensor:
        return self.logits_of(self.activations(points))

    @abstractmethod
    def rectified_tail(self) -> Tail:
        """The tail with the positive part of the head alone: what Grad-CAM++ comes to behind average pooling."""

    @abstractmethod
    def layer(self, points: tf.Tensor, index: int) -> tf.Tensor:
        """Outputs of one layer of the model. Raises InputError where there is no such layer."""


class PooledForward(KerasForward, MappedForward):
    """A Keras model that ends in global average pooling and one dense layer, whose weights are its variables `kernel` and `bias`."""

    def __init__(self, model: keras.Model, kernel: int, bias: int | None) -> None:
        super().__init__(model)
        weights = tf.cast(tf.convert_to_tensor(model.variables[kernel]), tf.float32)
        self.kernel = tf.reshape(weights, weights.shape[-2:])
        self.bias = None if bias is None else tf.cast(tf.convert_to_tensor(model.variables[bias]), tf.float32)
        self.tail = LayeredTail(self.kernel)

    def activations(self, points: tf.Tensor) -> tf.Tensor:
        if tf.executing_eagerly():
            return tf.function(self.activations, autograph=False)(points)
        end = find_pooled_end(find_logits(self.model(points, training=False))[0])
        if end is None:
            raise RuntimeError("a model traced anew has lost its pooled head")
        return tf.cast(end.features, tf.float32)

    def logits_of(self, activations: tf.Tensor) -> tf.Tensor:
        logits = self.tail.logits(activations)
        return logits if self.bias is None else logits + self.bias

    def rectified_tail(self) -> Tail:
        return LayeredTail(tf.nn.relu(self.kernel))

    def layer(self, points: tf.Tensor, index: int) -> tf.Tensor:
        return tf.cast(layer_outputs(self.model, points, index), tf.float32)


class NetworkForward(MappedForward):
    """One of the package's networks with its present weights; the tail is folded and the first kernel arranged here, once.

    `training` turns batch normalisation to the batch's statistics in `activations`. With the `precision` bfloat16 passes in inference
    mode compute in it up to the tail.
    """

    def __init__(self, network: Network, *, rearrange: bool = True, precision: str = "float32") -> None:
        self.network = network
        self._cast = None
        if check_precision(precision) != "float32":
            self._cast = network.cast_after_first(tf.as_dtype(precision)), tf.as_dtype(precision)
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
        return self._activations_of_lifted(self._first(points), training=training)

    def lift(self, points: tf.Tensor) -> tf.Tensor:
        return tf.cast(self._first(points), tf.float32)

    def _first(self, points: tf.Tensor) -> tf.Tensor:
        kernel, bias = self.kernel, self.bias
        if self._cast is not None:
            _, dtype = self._cast
            points, kernel, bias = (tf.cast(part, dtype) for part in (points, kernel, bias))
        return self.layout.convolve(points, kernel) + bias

    def _activations_of_lifted(self, lifted: tf.Tensor, *, training: bool = False) -> tf.Tensor:
        if self._cast is None:
            outputs = self.network.activations_after_first(lifted, training=training)
        else:
            run, dtype = self._cast
            outputs = run(tf.cast(lifted, dtype))
        # The tail's weights are float32, whatever the layers compute in.
        return tf.cast(outputs, tf.float32)

    def logits_of_lifted(self, lifted: tf.Tensor) -> tf.Tensor:
        return self.logits_of(self._activations_of_lifted(lifted))

    def rectified_tail(self) -> Tail:
        return self.network.tail(rectified=True)

    def layer(self, points: tf.Tensor, index: int) -> tf.Tensor:
        return self.network.layer_outputs(self.leave(points), index)

    def logits_of(self, activations: tf.Tensor) -> tf.Tensor:
        return self.tail.logits(activations)


def prepare_forward(model: keras.Model, *, rearrange: bool, precision: str = "float32") -> Forward:
    """Return the forward pass of `model`; call this inside a compiled function and outside of its loop.

    With `rearrange` points may be images with their pixels in another order and zeros added: only for use that treats every pixel
    alone. The `precision` bfloat16 is for networks of this package; raises InputError for others.
    """
    # A subclass may compute something else in its call.
    if type(model) is Network:
        return NetworkForward(model, rearrange=rearrange, precision=precision)
    if check_precision(precision) != "float32":
        raise InputError(
            f"precision came as {precision} for {type(model).__name__}, which computes in the precision it was built with: use float32, "
            "or a network of this package"
        )
    facts = find_facts(model)
    return KerasForward(model) if facts.kernel is None else PooledForward(model, facts.kernel, facts.bias)

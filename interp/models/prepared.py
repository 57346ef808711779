"""A model prepared once for many passes: what attacks, maps and training steps compute with."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import keras
import tensorflow as tf

from interp.core.errors import InputError
from interp.models.folded_model import FoldedPass, find_folded_model
from interp.models.linear_tail import LayeredTail, LogitsTail, Tail
from interp.models.low_precision import check_precision
from interp.models.model_check import find_facts
from interp.models.model_graph import find_logits, find_pooled_end, two_logits
from interp.models.network import Network
from interp.models.pixel_layout import PixelLayout, PlainLayout
from interp.models.recorded_model import LayerCall, RecordedModel, StandIn, find_call

Pass = Callable[[tf.Tensor], tf.Tensor]
# Activations, None where they are not known, and the logits (n, K), None where the tail makes them.
Outputs = tuple[tf.Tensor | None, tf.Tensor | None]


@dataclass(frozen=True, kw_only=True)
class PreparedModel:
    """A Keras model with its present weights, ready for many passes: the parts enter, first, rest and tail, of which each may be trivial.

    Points are images with their pixels arranged as `layout` says.

    Args:
        model: The Keras model.
        layout: How the pixels of images are arranged.
        first: The affine part that the model begins with, a function of points.
        rest: Function of what `first` returned and whether the pass is in training mode (else batch normalisation and dropout are in
            inference mode) that returns activations, which the tail reads, and logits (n, K), None where the tail makes them.
        tail: The linear end, which makes logits and class activation maps of the activations.
        folded: A pass with layers computed together (default: none).
    """

    model: keras.Model
    layout: PixelLayout
    first: Pass
    rest: Callable[[tf.Tensor, bool], Outputs]
    tail: Tail
    folded: FoldedPass | None = None

    def enter(self, images: tf.Tensor) -> tf.Tensor:
        """Images (n, height, width, channels) as points."""
        return self.layout.enter(images)

    def leave(self, points: tf.Tensor) -> tf.Tensor:
        """Points as images."""
        return self.layout.leave(points)

    def without_margin(self, points: tf.Tensor) -> tf.Tensor:
        """Points, or a gradient of them, with 0 where the layout added values that no image has: no step may change those."""
        return self.layout.without_margin(points)

    def activations(self, points: tf.Tensor) -> tf.Tensor:
        """What the tail reads, in inference mode and in the precision of the points."""
        return tf.cast(self.rest(self.first(points), False)[0], points.dtype)

    def training_outputs(self, points: tf.Tensor) -> tuple[tf.Tensor | None, tf.Tensor]:
        """What the tail reads, None where the head draws in a way that is not known, and logits (n, K), of one pass in training mode."""
        activations, logits = self.rest(self.first(points), True)
        if activations is not None:
            activations = tf.cast(activations, points.dtype)
        return activations, self.tail.logits(activations) if logits is None else tf.cast(logits, points.dtype)

    def logits(self, points: tf.Tensor) -> tf.Tensor:
        """Logits (n, K) of points."""
        return self.tail.logits(self.activations(points))

    def classify(self, images: tf.Tensor) -> tf.Tensor:
        """Logits (n, K) of images."""
        return self.logits(self.enter(images))

    def lift(self, points: tf.Tensor) -> tf.Tensor:
        """Points after the affine part that the model begins with, in the precision of the points.

        Sums of gradients with respect to many points are taken there, and brought back to pixels once.
        """
        return tf.cast(self.first(points), points.dtype)

    def logits_of_lifted(self, lifted: tf.Tensor) -> tf.Tensor:
        """Logits (n, K) of lifted points."""
        return self.tail.logits(tf.cast(self.rest(lifted, False)[0], lifted.dtype))

    def pull_back(self, points: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
        """The gradient with respect to points, the same at all of them, from one with respect to lifted points."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            lifted = self.lift(points)
        return tape.gradient(lifted, points, output_gradients=gradient)

    @cached_property
    def _recorded(self) -> RecordedModel:
        # The caller may be building a graph, to which the stand-ins for layers do not belong.
        with tf.init_scope():
            return RecordedModel(self.model)

    def recorded_logits(self, points: tf.Tensor) -> tuple[tf.Tensor, list[LayerCall]]:
        """Logits (n, K) of points, and what each layer gave on the way. Raises InputError for models whose layers are not known."""
        outputs, calls = self._recorded(self.leave(points))
        return tf.cast(find_logits(outputs)[0], points.dtype), calls

    def logits_and_call(self, points: tf.Tensor, layer: str | None) -> tuple[tf.Tensor, LayerCall]:
        """Logits (n, K) of points, and the call of the layer that `find_call` finds. Raises InputError as that does."""
        if self.folded is None or tf.executing_eagerly():
            logits, calls = self.recorded_logits(points)
        else:
            outputs, calls = self.folded.with_calls(self.leave(points), layer)
            logits = tf.cast(find_logits(outputs)[0], points.dtype)
        return logits, find_call(calls, layer)

    def logits_with(self, images: tf.Tensor, stand_in: StandIn) -> tf.Tensor:
        """Logits (n, K) where `stand_in` computes what each layer gives. Raises InputError for models whose layers are not known."""
        return tf.cast(find_logits(self._recorded.with_stand_ins(images, stand_in))[0], images.dtype)

    def layer(self, points: tf.Tensor, index: int) -> tf.Tensor:
        """Outputs of layer `index` of the model, counted from 0, or from -1 backwards. Raises InputError where they are no maps."""
        if isinstance(self.model, Network):
            return self.model.layer_outputs(self.leave(points), index)
        return tf.cast(self._recorded.layer_outputs(self.leave(points), index), points.dtype)


def prepare(model: keras.Model, *, rearrange: bool, precision: str = "float32") -> PreparedModel:
    """Prepare a model for many passes. Call it inside a compiled function and outside of its loops: its weights are read here.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        rearrange: Whether points may have their pixels in another order and zeros added: only for use that treats every pixel alone.
        precision: "float32", or "bfloat16" up to the tail, for networks of this package.

    Returns:
        A PreparedModel.

    Raises:
        InputError: The precision is unknown, or bfloat16 came for another model.
    """
    # A subclass may compute something else in its call.
    if type(model) is Network:
        return _prepare_network(model, rearrange=rearrange, precision=precision)
    if check_precision(precision) != "float32":
        raise InputError(
            f"precision came as {precision} for {type(model).__name__}, which computes in the precision it was built with: use float32, "
            "or a network of this package"
        )
    facts, known = find_facts(model), find_folded_model(model)
    folded = None if known is None else known.prepare(model)
    tail: Tail = LogitsTail()
    if facts.kernel is not None:
        weights = tf.convert_to_tensor(model.variables[facts.kernel])
        weights = tf.reshape(weights, weights.shape[-2:])
        bias = None if facts.bias is None else tf.convert_to_tensor(model.variables[facts.bias])
        if weights.shape[-1] == 1:
            weights = two_logits(weights)
            bias = None if bias is None else two_logits(bias)
        tail = LayeredTail(weights, bias=bias)

    def rest(points: tf.Tensor, training: bool) -> Outputs:
        if tf.executing_eagerly():
            compiled = tf.function(lambda points: rest(points, training), autograph=False)
            return compiled.get_concrete_function(points)(points)
        outputs = model(points, training=training) if training or folded is None else folded(points)
        logits, _ = find_logits(outputs)
        end = None if facts.kernel is None else find_pooled_end(logits, training=training)
        if not training:
            return logits if end is None else end.features, None
        activations = logits if facts.kernel is None else None
        return activations if end is None else end.features, logits

    return PreparedModel(model=model, layout=PlainLayout(1), first=tf.identity, rest=rest, tail=tail, folded=folded)


def _prepare_network(network: Network, *, rearrange: bool, precision: str) -> PreparedModel:
    """One of the package's networks: its tail folded and its first kernel arranged here, once."""
    layout = network.layout if rearrange else PlainLayout(network.first_layer.strides[0])
    dtype = tf.as_dtype(check_precision(precision))
    kernel = tf.cast(layout.kernel(tf.convert_to_tensor(network.first_layer.kernel)), dtype)
    biased = network.first_layer.bias is not None
    bias = tf.cast(tf.convert_to_tensor(network.first_layer.bias), dtype) if biased else tf.zeros((), dtype)
    cast = network.cast_after_first(dtype)

    def rest(lifted: tf.Tensor, training: bool) -> Outputs:
        if training:
            return network.activations_after_first(lifted, training=True), None
        return cast(tf.cast(lifted, dtype)), None

    return PreparedModel(
        model=network,
        layout=layout,
        first=lambda points: layout.convolve(tf.cast(points, dtype), kernel) + bias,
        rest=rest,
        tail=network.tail(),
    )

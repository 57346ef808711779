"""A model run layer by layer, so that a method can look at what each layer gives."""

import inspect
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import keras
import tensorflow as tf

from interp.core.errors import InputError, check_choice
from interp.models.adapted_model import AdaptedModel, LogitsHead
from interp.models.image_scale import ImageScale
from interp.models.model_graph import ancestors, source_of

# Layers that interp.models.adapt puts before and behind a model.
_AROUND = (ImageScale, LogitsHead)
# Layers and operations that do nothing but arrange numbers anew, known to Keras or only to the graph.
_MOVES, _MOVING_OPERATIONS = ("Permute", "Reshape", "Transpose"), ("Reshape", "Transpose")
# A layer whose last operation only gives numbers the shape back that they came in.
_SHAPES_BACK = keras.layers.GroupNormalization

# Computes something of the shape of a layer's output from the layer, what stands for its inputs, and its arguments.
StandIn = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer: its name, unique in the model, what it read and what it gave.

    `channel_axis` is the axis of the channels, 1 or 3, of an output that is a batch of maps; None where that is not known. `is_used` says
    whether the model's output depends on it: layers of outputs that are not used do not count.
    """

    name: str
    layer: Any
    inputs: Any
    output: Any
    channel_axis: int | None = None
    is_used: bool = True

    @property
    def is_spatial(self) -> bool:
        """Whether the output is a batch of maps of more than one position, in a layout that is known."""
        return self.channel_axis is not None and tuple(self.maps(self.output).shape[1:3]) != (1, 1)

    @property
    def is_tokens(self) -> bool:
        """Whether the output is a batch of rows of tokens, (n, tokens, channels), as in transformers."""
        return tf.is_tensor(self.output) and self.output.dtype.is_floating and self.output.shape.rank == 3

    @property
    def moves_numbers(self) -> bool:
        """Whether the layer only arranges numbers anew that an earlier layer gave."""
        return type(self.layer).__name__ in _MOVES

    def maps(self, tensor: tf.Tensor) -> tf.Tensor:
        """The output, or something of its shape, as (n, height, width, channels)."""
        return tf.transpose(tensor, (0, 2, 3, 1)) if self.channel_axis == 1 else tensor


class RecordedModel:
    """A functional or Sequential model, nested ones followed, that tells the output of every layer.

    Layers are called where they are: nothing is copied, the weights are the present ones, and the model stays as it is. A layer
    of a nested model is named "model/layer"; of a layer used more than once the calls are named "layer:0", "layer:1" and so on.
    Raises InputError for a model that is neither functional nor Sequential.
    """

    def __init__(self, model: keras.Model) -> None:
        if not _can_be_followed(model):
            # Such as a RobustModel.
            holds_one = isinstance(getattr(model, "network", None), keras.Model)
            way_out = "give the .network that it holds, or use" if holds_one else "use"
            raise InputError(
                f"the layers of {type(model).__name__} cannot be followed: a method that looks at a layer needs a functional or "
                f"Sequential model, whose layers Keras knows; {way_out} a method that needs none, such as IntegratedGradients"
            )
        self._model = model
        self._calls: list[LayerCall] = []
        self._stand_in: StandIn | None = None
        self._run = self._follow(model, "")

    def __call__(
        self, images: tf.Tensor, stand_in: StandIn | None = None, *, around: bool = False
    ) -> tuple[tf.Tensor, list[LayerCall]]:
        """Return the model's output for images, in inference mode, and the calls of its layers in order.

        `stand_in` computes what layers give, as in `with_stand_ins`. With `around` the layers that were put around a user's model are
        among the calls.
        """
        self._calls.clear()
        outputs = self._run(images) if stand_in is None else self.with_stand_ins(images, stand_in)
        # Logits do not depend on the softmax that is cut behind them.
        used = _used((outputs, *(call.inputs for call in self._calls if isinstance(call.layer, LogitsHead))))
        if not around:
            self._calls = [call for call in self._calls if not isinstance(call.layer, _AROUND)]
        counts, seen = Counter(call.name for call in self._calls), Counter[str]()
        named, axes = [], dict[int, int | None]()
        for call in self._calls:
            name = call.name if counts[call.name] == 1 else f"{call.name}:{seen[call.name]}"
            seen[call.name] += 1
            axes[id(call.output)] = axis = _channel_axis(call, axes)
            is_used = used is None or any(
                tf.is_tensor(each) and each.ref() in used for each in tf.nest.flatten(call.output)
            )
            named.append(replace(call, name=name, channel_axis=axis, is_used=is_used))
        self._calls.clear()
        return outputs, named

    def with_stand_ins(self, images: tf.Tensor, stand_in: StandIn) -> tf.Tensor:
        """The model's output where `stand_in(layer, inputs, arguments)` computes what each layer but the head of an adapted model gives."""
        self._stand_in = stand_in
        try:
            return self._run(images)
        finally:
            self._stand_in = None

    def layer_outputs(self, images: tf.Tensor, index: int) -> tf.Tensor:
        """Outputs of layer `index`, counted from 0 without the input, or from -1 backwards. Raises InputError where they are no maps.

        Of an adapted model the layers are the user's.
        """
        layers = _layers_of(self._model)
        if not -len(layers) <= index < len(layers):
            raise InputError(
                f"no layer {index}: the model has layers 0 to {len(layers) - 1}, -1 is the last feature maps"
            )
        layer = layers[index]
        if isinstance(layer, keras.Model):
            raise InputError(f"layer {index} ({layer.name}) is a model in the model: choose another layer")
        calls = [call for call in self(images)[1] if call.layer is layer]
        if not calls or not calls[-1].is_spatial:
            raise InputError(f"layer {index} ({layer.name}) gives no feature maps (n, h, w, d): choose an earlier one")
        return calls[-1].maps(calls[-1].output)

    def _follow(self, model: keras.Model, path: str) -> Callable[..., Any]:
        if isinstance(model, keras.Sequential):
            steps = [self._step(layer, path, model) for layer in model.layers]

            def run(inputs: Any, **_: Any) -> Any:
                for step in steps:
                    inputs = step(inputs)
                return inputs

            return run
        # A functional model of the same graph, without the class and the compilation of the user's.
        plain = keras.Model(model.input, model.output)
        steps_by_name = keras.models.clone_model(
            plain, clone_function=lambda layer: _Step(self._step(layer, path, model), layer)
        )
        return lambda inputs, **_: steps_by_name(inputs, training=False)

    def _step(self, layer: Any, path: str, owner: keras.Model) -> Callable[..., Any]:
        if isinstance(layer, keras.Model) and _can_be_followed(layer):
            # The names in an adapted model are those of the user's.
            return self._follow(layer, path if isinstance(owner, AdaptedModel) else f"{path}{layer.name}/")

        def run(*inputs: Any, **arguments: Any) -> Any:
            stand_in = None if isinstance(layer, LogitsHead) else self._stand_in
            output = (stand_in or call_layer)(layer, inputs, arguments)
            self._calls.append(LayerCall(f"{path}{layer.name}", layer, inputs, output))
            return output

        return run


def call_layer(layer: Any, inputs: tuple[Any, ...], arguments: dict[str, Any]) -> Any:
    """What a layer gives in inference mode."""
    if isinstance(layer, keras.layers.Layer):
        # Also where the graph says otherwise, as Keras does for the model as a whole.
        arguments = {**arguments, "training": False}
    # Some names of layers may not stand at the root of a graph.
    with tf.name_scope("recorded"):
        return layer(*inputs, **arguments)


class _Step(keras.Operation):
    """Stands for a layer in a functional model; the layer itself is not connected to anything new."""

    def __init__(self, run: Callable[..., Any], layer: Any) -> None:
        super().__init__(name=layer.name)
        self._run, self._layer = run, layer

    def call(self, *inputs: Any, **arguments: Any) -> Any:
        return self._run(*inputs, **arguments)

    def compute_output_spec(self, *inputs: Any, **arguments: Any) -> Any:
        # The graph may say it to a layer that does not take it, which Keras forgives in calls alone.
        if "training" not in inspect.signature(self._layer.call).parameters:
            arguments.pop("training", None)
        # Most layers know the shape of their output, which running them would take seconds to find.
        return self._layer.compute_output_spec(*inputs, **arguments)


def _layers_of(model: keras.Model) -> list[Any]:
    layers = [layer for layer in model.layers if not isinstance(layer, (keras.layers.InputLayer, *_AROUND))]
    if isinstance(model, AdaptedModel) and len(layers) == 1 and isinstance(layers[0], keras.Model):
        return _layers_of(layers[0])
    return layers


def _used(ends: Any) -> set[Any] | None:
    """References of all tensors that the `ends` of a model are computed from; None where that is not known, outside of a graph."""
    if tf.executing_eagerly():
        return None
    return {each.ref() for end in tf.nest.flatten(ends) for each in ancestors(end)}


def find_call(calls: list[LayerCall], layer: str | None) -> LayerCall:
    """The call with a spatial output, or one of tokens, that `layer` names, with or without the models around it. Raises InputError.

    For None it is the last one with a spatial output.
    """
    calls = [call for call in calls if call.is_used]
    spatial = {call.name: call for call in calls if call.is_spatial}
    known = {call.name: call for call in calls if call.is_spatial or call.is_tokens}
    if not known:
        raise InputError(
            "no layer of the model has a spatial output (n, height, width, channels), so there is no map to make of one: "
            "use a method that looks at the pixels, such as IntegratedGradients"
        )
    if layer is None:
        if not spatial:
            raise InputError(
                "no layer of the model has a spatial output (n, height, width, channels): choose one with tokens (n, tokens, channels), "
                f"layer= one of {', '.join(known)}"
            )
        return [call for call in spatial.values() if not call.moves_numbers or len(spatial) == 1][-1]
    inner = [name for name in known if name.endswith(f"/{layer}")]
    if layer not in known and len(inner) == 1:
        return known[inner[0]]
    other = next((call for call in calls if call.name == layer), None)
    if layer not in known and other is not None:
        unknown = _is_batch_of_maps(other.output) and other.channel_axis is None
        lacks = "an output of a layout that is not known, not a" if unknown else "no"
        raise InputError(
            f"layer {layer!r} has {lacks} spatial output (n, height, width, channels): choose one of {', '.join(known)}"
        )
    return known[check_choice("layer", layer, known)]


def _channel_axis(call: LayerCall, axes: dict[int, int | None]) -> int | None:
    """The axis of the channels of an output, from the layer or from what it read; `axes` are those of earlier outputs by identity."""
    if not _is_batch_of_maps(call.output):
        return None
    layout = getattr(call.layer, "data_format", None)
    if layout is not None:
        return 1 if layout == "channels_first" else 3
    read = next((tensor for tensor in tf.nest.flatten(call.inputs) if _is_batch_of_maps(tensor)), None)
    # Images come with the channels last.
    axis = None if read is None else axes.get(id(read), 3)
    if axis is not None and call.moves_numbers:
        order = getattr(call.layer, "dims", None) or [
            place for place in getattr(call.layer, "axes", None) or () if place
        ]
        axis = [*order].index(axis) + 1 if axis in order else None
        return axis if axis in (1, 3) else None
    if (
        tf.is_tensor(call.output)
        and not tf.executing_eagerly()
        and not isinstance(call.layer, _SHAPES_BACK)
        and source_of(call.output).op.type in _MOVING_OPERATIONS
    ):
        return None
    return axis


def _is_batch_of_maps(tensor: Any) -> bool:
    return len(getattr(tensor, "shape", None) or ()) == 4


@cache
def functional_class() -> type[keras.Model]:
    """The class of functional models, which has no public name."""
    inputs = keras.Input((1,))
    return type(keras.Model(inputs, inputs))


def _can_be_followed(model: keras.Model) -> bool:
    return isinstance(model, (keras.Sequential, functional_class()))

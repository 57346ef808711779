"""A model run layer by layer, so that a method can look at what each layer gives."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import keras
import tensorflow as tf

from interp.core.errors import InputError, check_choice
from interp.models.model_graph import source_of

# Layers and operations that do nothing but arrange numbers anew, known to Keras or only to the graph.
_MOVES, _MOVING_OPERATIONS = ("Permute", "Reshape", "Transpose"), ("Reshape", "Transpose")


@dataclass(frozen=True)
class Use:
    """One use of a layer: its name, unique in the model, what it read and what it gave.

    `channel_axis` is the axis of the channels, 1 or 3, of an output that is a batch of maps; None where that is not known.
    """

    name: str
    layer: Any
    inputs: Any
    output: Any
    channel_axis: int | None = None

    @property
    def is_spatial(self) -> bool:
        """Whether the output is a batch of maps of more than one position, in a layout that is known."""
        return self.channel_axis is not None and tuple(self.maps(self.output).shape[1:3]) != (1, 1)

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
    of a nested model is named "model/layer"; of a layer used more than once the uses are named "layer:0", "layer:1" and so on.
    Raises InputError for a model that is neither functional nor Sequential.
    """

    def __init__(self, model: keras.Model) -> None:
        if not _can_be_followed(model):
            raise InputError(
                f"the layers of {type(model).__name__} cannot be followed: a method that looks at a layer needs a functional or "
                "Sequential model, whose layers Keras knows; use a method that needs none, such as IntegratedGradients"
            )
        self._uses: list[Use] = []
        self._run = self._follow(model, "")

    def __call__(self, images: tf.Tensor) -> tuple[tf.Tensor, list[Use]]:
        """Return the model's output for images, in inference mode, and the uses of its layers in order."""
        self._uses.clear()
        outputs = self._run(images)
        counts, seen = Counter(use.name for use in self._uses), Counter[str]()
        named, axes = [], dict[int, int | None]()
        for use in self._uses:
            name = use.name if counts[use.name] == 1 else f"{use.name}:{seen[use.name]}"
            seen[use.name] += 1
            axes[id(use.output)] = axis = _channel_axis(use, axes)
            named.append(replace(use, name=name, channel_axis=axis))
        self._uses.clear()
        return outputs, named

    def _follow(self, model: keras.Model, path: str) -> Callable[..., Any]:
        if isinstance(model, keras.Sequential):
            steps = [self._step(layer, path) for layer in model.layers]

            def run(inputs: Any, **_: Any) -> Any:
                for step in steps:
                    inputs = step(inputs)
                return inputs

            return run
        # A functional model of the same graph, without the class and the compilation of the user's.
        plain = keras.Model(model.input, model.output)
        steps_by_name = keras.models.clone_model(
            plain, clone_function=lambda layer: _Step(self._step(layer, path), layer.name)
        )
        return lambda inputs, **_: steps_by_name(inputs, training=False)

    def _step(self, layer: Any, path: str) -> Callable[..., Any]:
        if isinstance(layer, keras.Model) and _can_be_followed(layer):
            return self._follow(layer, f"{path}{layer.name}/")

        def run(*inputs: Any, **arguments: Any) -> Any:
            if isinstance(layer, keras.layers.Layer):
                # Inference mode, also where the graph says otherwise, as Keras does for the model as a whole.
                arguments = {**arguments, "training": False}
            # Some names of layers may not stand at the root of a graph.
            with tf.name_scope("recorded"):
                output = layer(*inputs, **arguments)
            self._uses.append(Use(f"{path}{layer.name}", layer, inputs, output))
            return output

        return run


class _Step(keras.Operation):
    """Stands for a layer in a functional model; the layer itself is not connected to anything new."""

    def __init__(self, run: Callable[..., Any], name: str) -> None:
        super().__init__(name=name)
        self._run = run

    def call(self, *inputs: Any, **arguments: Any) -> Any:
        return self._run(*inputs, **arguments)


def find_use(uses: list[Use], layer: str | None) -> Use:
    """The use with a spatial output that `layer` names, with or without the models around it; the last one for None. Raises InputError."""
    spatial = {use.name: use for use in uses if use.is_spatial}
    if not spatial:
        raise InputError(
            "no layer of the model has a spatial output (n, height, width, channels), so there is no map to make of one: "
            "use a method that looks at the pixels, such as IntegratedGradients"
        )
    if layer is None:
        return [use for use in spatial.values() if not use.moves_numbers or len(spatial) == 1][-1]
    inner = [name for name in spatial if name.endswith(f"/{layer}")]
    if layer not in spatial and len(inner) == 1:
        return spatial[inner[0]]
    other = next((use for use in uses if use.name == layer), None)
    if layer not in spatial and other is not None:
        unknown = _is_batch_of_maps(other.output) and other.channel_axis is None
        lacks = "an output of a layout that is not known, not a" if unknown else "no"
        raise InputError(
            f"layer {layer!r} has {lacks} spatial output (n, height, width, channels): choose one of {', '.join(spatial)}"
        )
    return spatial[check_choice("layer", layer, spatial)]


def layer_outputs(model: keras.Model, images: tf.Tensor, index: int) -> tf.Tensor:
    """Outputs of layer `index` of a model, counted from 0, or from -1 backwards. Raises InputError where those are no feature maps."""
    count = len(model.layers)
    if not -count <= index < count:
        raise InputError(f"no layer {index}: the model has layers 0 to {count - 1}, -1 is the last feature maps")
    layer = model.layers[index]
    if isinstance(layer, keras.Model):
        raise InputError(f"layer {index} ({layer.name}) is a model in the model: choose another layer")
    uses = [use for use in RecordedModel(model)(images)[1] if use.layer is layer]
    if not uses or not uses[-1].is_spatial:
        raise InputError(f"layer {index} ({layer.name}) gives no feature maps (n, h, w, d): choose an earlier one")
    return uses[-1].maps(uses[-1].output)


def _channel_axis(use: Use, axes: dict[int, int | None]) -> int | None:
    """The axis of the channels of an output, from the layer or from what it read; `axes` are those of earlier outputs by identity."""
    if not _is_batch_of_maps(use.output):
        return None
    layout = getattr(use.layer, "data_format", None)
    if layout is not None:
        return 1 if layout == "channels_first" else 3
    read = next((tensor for tensor in tf.nest.flatten(use.inputs) if _is_batch_of_maps(tensor)), None)
    # Images come with the channels last.
    axis = None if read is None else axes.get(id(read), 3)
    if axis is not None and use.moves_numbers:
        order = getattr(use.layer, "dims", None) or [place for place in getattr(use.layer, "axes", None) or () if place]
        axis = [*order].index(axis) + 1 if axis in order else None
        return axis if axis in (1, 3) else None
    if tf.is_tensor(use.output) and not tf.executing_eagerly() and source_of(use.output).op.type in _MOVING_OPERATIONS:
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

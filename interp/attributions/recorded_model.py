"""A model run layer by layer, so that a method can look at what each layer gives."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from interp.core.errors import InputError, check_choice
from interp.models.pooled_head import functional_class


@dataclass(frozen=True)
class Use:
    """One use of a layer: its name, unique in the model, what it read and what it gave."""

    name: str
    layer: Any
    inputs: Any
    output: Any

    @property
    def is_spatial(self) -> bool:
        """Whether the output is a batch of maps (n, height, width, channels) of more than one position."""
        shape = getattr(self.output, "shape", None)
        return shape is not None and len(shape) == 4 and shape[1:3] != (1, 1)


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
        named = []
        for use in self._uses:
            name = use.name if counts[use.name] == 1 else f"{use.name}:{seen[use.name]}"
            seen[use.name] += 1
            named.append(Use(name, use.layer, use.inputs, use.output))
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
        return list(spatial.values())[-1]
    inner = [name for name in spatial if name.endswith(f"/{layer}")]
    if layer not in spatial and len(inner) == 1:
        return spatial[inner[0]]
    if layer not in spatial and layer in {use.name for use in uses}:
        raise InputError(
            f"layer {layer!r} has no spatial output (n, height, width, channels): choose one of {', '.join(spatial)}"
        )
    return spatial[check_choice("layer", layer, spatial)]


def _can_be_followed(model: keras.Model) -> bool:
    return isinstance(model, (keras.Sequential, functional_class()))

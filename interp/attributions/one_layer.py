"""What looks at the outputs of one layer, feature maps or tokens."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import keras
import numpy as np
import tensorflow as tf

from interp.attributions.gradients import OfOneClass
from interp.attributions.token_grid import tokens_as_maps
from interp.core.checks import check_pair, kind_of
from interp.core.errors import InputError
from interp.models.prepared import PreparedModel, prepare
from interp.models.recorded_model import LayerCall, find_call

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class OfOneLayer(OfOneClass):
    """A method that looks at the outputs of `layer`, by default the last with a spatial output.

    A layer of a transformer gives tokens (n, tokens, channels), which are the places of a `grid` (height, width), by default a square;
    a class token before them is left out. Raises InputError when called for a layer that does not exist or has neither; the message
    lists those that have.
    """

    layer: str | None = field(default=None, kw_only=True)
    grid: tuple[int, int] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layer is not None and not isinstance(self.layer, str):
            raise InputError(f"layer came as {kind_of(self.layer)}, expected the name of a layer")
        object.__setattr__(self, "grid", check_pair("grid", self.grid))

    def find_layer(self, model: keras.Model | None, few: tf.Tensor) -> str | None:
        def name(calls: list[LayerCall]) -> str:
            call = find_call(calls, self.layer)
            self.as_maps(call, call.output)
            return call.name

        return look_at_layers(model, few, name)

    def layer_outputs(self, model: PreparedModel, points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The layer's outputs (n, h, w, d), and the logits. Raises InputError."""
        logits, call = model.logits_and_call(points, self.layer)
        return tf.cast(self.as_maps(call, call.output), points.dtype), logits

    def as_maps(self, call: LayerCall, tensor: tf.Tensor) -> tf.Tensor:
        """The output of a call, or something of its shape, as (n, h, w, d)."""
        return tokens_as_maps(tensor, self.grid, call.name) if call.is_tokens else call.maps(tensor)


def look_at_layers(model: keras.Model | None, few: tf.Tensor, look: Callable[[list[LayerCall]], Found]) -> Found:
    """What `look` finds in the calls of the model's layers. Raises InputError where they are not what the model computes."""
    found: list[Found] = []

    def run(images: tf.Tensor) -> tf.Tensor:
        prepared = prepare(model, rearrange=False)
        logits, calls = prepared.recorded_logits(images)
        found.append(look(calls))
        return logits, prepared.classify(images)

    # In a graph, whose operations tell more than the layers.
    recorded, logits = tf.function(run, autograph=False).get_concrete_function(few)(few)
    # A subclass of a functional model may compute something else than its layers say.
    if not np.allclose(recorded, logits, rtol=1e-3, atol=1e-4):
        raise InputError(
            f"{type(model).__name__} computes something else than its layers one after the other, so no layer can be "
            "looked at: use a method that needs none, such as IntegratedGradients"
        )
    return found[0]

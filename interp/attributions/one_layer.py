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
from interp.models.model_check import run_model
from interp.models.model_graph import find_logits
from interp.models.prepared import PreparedModel, prepare
from interp.models.recorded_model import LayerCall, find_call

Found = TypeVar("Found")
# How far logits of two passes through the same layers may be apart by rounding, in float32 and in half precision, of so many bytes less.
NEAR, NEAR_IN_HALF, FULL = 1e-3, 0.02, 4


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

    def run(images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        logits, calls = prepare(model, rearrange=False).recorded_logits(images)
        found.append(look(calls))
        # In the precision of the layers, which that of a prepared model's head may not be.
        own, _ = find_logits(run_model(model, images))
        computed = [each for call in calls for each in tf.nest.flatten(call.output) if tf.is_tensor(each)]
        half = any(each.dtype.is_floating and each.dtype.size < FULL for each in computed)
        return logits, tf.cast(own, logits.dtype), tf.constant(NEAR_IN_HALF if half else NEAR)

    # In a graph, whose operations tell more than the layers.
    recorded, logits, near = tf.function(run, autograph=False).get_concrete_function(few)(few)
    # A subclass of a functional model may compute something else than its layers say.
    if not np.allclose(recorded, logits, rtol=near, atol=near / 10):
        raise InputError(
            f"{type(model).__name__} computes something else than its layers one after the other, so no layer can be "
            "looked at: use a method that needs none, such as IntegratedGradients"
        )
    return found[0]

"""A user's model behind the contract: images in [0, 1] in, logits out."""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from interp.core.compiled import keep_for
from interp.core.errors import InputError
from interp.models.model_graph import find_logits, two_logits


@keras.saving.register_keras_serializable(package="interp")
class LogitsHead(keras.layers.Layer):
    """The logits (n, K) behind a model's outputs, float32; of a single sigmoid unit with logit z the two logits (-z/2, z/2).

    The softmax or sigmoid is cut by looking at the graph, so the layer works inside of a compiled function alone, which `AdaptedModel`
    sees to.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**{"dtype": "float32", "autocast": False, **arguments})

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if tf.executing_eagerly():
            raise InputError(
                "the end of an adapted model cannot be cut layer by layer: call the adapted model as a whole"
            )
        logits = tf.cast(find_logits(inputs)[0], tf.float32)
        return two_logits(logits) if logits.shape[-1] == 1 else logits

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        return keras.KerasTensor((inputs.shape[0], max(2, inputs.shape[-1])), dtype="float32")


@keras.saving.register_keras_serializable(package="interp")
class AdaptedModel(keras.Model):
    """A functional model around a user's, which `interp.models.adapt` makes; `model(images)` gives logits (n, K).

    The layers and weights are the user's own, not copies, so training it trains the user's model.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: Any = None) -> tf.Tensor:
        if not tf.executing_eagerly():
            return self._logits(inputs, bool(training))
        # Heads are found in graphs.
        make = partial(_compile_logits, weakref.ref(self), tuple(inputs.shape[1:]), bool(training))
        # In training mode frozen layers compute something else.
        frozen = tuple(layer.trainable for layer in self._flatten_layers()) if training else ()
        return keep_for(self, ("logits", tuple(inputs.shape[1:]), bool(training), frozen), make)(inputs)

    def _logits(self, images: tf.Tensor, training: bool) -> tf.Tensor:
        return super().call(images, training=training)


def _compile_logits(model: Callable[[], Any], shape: tuple[int, ...], training: bool) -> Any:
    def run(images: tf.Tensor) -> tf.Tensor:
        return model()._logits(images, training)

    return tf.function(run, autograph=False).get_concrete_function(tf.TensorSpec([None, *shape]))

"""Keras models that end in global average pooling and one dense layer: those that have class activation maps."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import keras
import tensorflow as tf

from interp.core.errors import InputError


@dataclass(frozen=True)
class PooledHead:
    """The end of such a model: the pooling and the dense layer that reads it."""

    model: keras.Model
    pooling: keras.layers.GlobalAveragePooling2D
    dense: keras.layers.Dense

    def features(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """The function from images to the last feature maps (n, h, w, d), in inference mode."""
        if isinstance(self.model, keras.Sequential):
            return _apply(self.model.layers[: self.model.layers.index(self.pooling)])
        part = keras.Model(self.model.inputs[0], self.pooling.input)
        return lambda images: part(images, training=False)

    def layer(self, index: int) -> Callable[[tf.Tensor], tf.Tensor]:
        """The function from images to the outputs of layer `index`. Raises InputError where those are no feature maps."""
        layers = self.model.layers
        if not -len(layers) <= index < len(layers):
            raise InputError(
                f"no layer {index}: the model has layers 0 to {len(layers) - 1}, -1 is the last feature maps"
            )
        chosen, output = layers[index], layers[index].output
        if not isinstance(output, keras.KerasTensor) or len(output.shape) != 4:
            raise InputError(f"layer {index} ({chosen.name}) gives no feature maps (n, h, w, d): choose an earlier one")
        if isinstance(self.model, keras.Sequential):
            return _apply(layers[: index % len(layers) + 1])
        if isinstance(chosen, keras.Model):
            raise InputError(f"layer {index} ({chosen.name}) is a model in the model: choose another layer")
        part = keras.Model(self.model.inputs[0], output)
        return lambda images: part(images, training=False)


def find_pooled_head(model: keras.Model) -> PooledHead | None:
    """Return the head of a Sequential or functional model that ends in average pooling and a dense layer; None for others.

    Dropout between the two does nothing in inference mode and is passed over.
    """
    # Subclasses, of models as of layers, may compute something else than their parents.
    if type(model) not in (keras.Sequential, functional_class()) or not model.built or len(model.inputs) != 1:
        return None
    end = _end(model)
    if len(end) < 2:
        return None
    dense, pooling = end
    if type(dense) is not keras.layers.Dense or dense.activation is not keras.activations.linear:
        return None
    # A quantised kernel means nothing without its scale.
    if not tf.as_dtype(dense.kernel.dtype).is_floating:
        return None
    if type(pooling) is not keras.layers.GlobalAveragePooling2D or pooling.keepdims:
        return None
    return PooledHead(model, pooling, dense) if pooling.data_format == "channels_last" else None


def _end(model: keras.Model) -> list[keras.layers.Layer]:
    """The last layer and the one it reads, dropout left out; fewer where there is no such chain."""
    if isinstance(model, keras.Sequential):
        return [layer for layer in reversed(model.layers) if type(layer) is not keras.layers.Dropout][:2]
    makers = {id(output): layer for layer in model.layers for output in _outputs(layer)}
    end: list[keras.layers.Layer] = []
    tensor = model.outputs[0] if len(model.outputs) == 1 else None
    while len(end) < 2 and id(tensor) in makers:
        layer = makers[id(tensor)]
        if type(layer) is not keras.layers.Dropout:
            end.append(layer)
        tensor = layer.input
    return end


def _outputs(layer: keras.layers.Layer) -> list[keras.KerasTensor]:
    try:
        output = layer.output
    except (AttributeError, ValueError):
        # A layer that has not been used has no output.
        return []
    return list(output) if isinstance(output, (list, tuple)) else [output]


def _apply(layers: list[keras.layers.Layer]) -> Callable[[tf.Tensor], tf.Tensor]:
    """The function that applies layers one after the other: those of a loaded Sequential model are not connected to its inputs."""

    def apply(images: tf.Tensor) -> tf.Tensor:
        outputs = images
        # Some names of layers may not stand at the root of a graph.
        with tf.name_scope("features"):
            for layer in layers:
                outputs = layer(outputs, training=False)
        return outputs

    return apply


@cache
def functional_class() -> type[keras.Model]:
    """The class of functional models, which has no public name."""
    inputs = keras.Input((1,))
    return type(keras.Model(inputs, inputs))

"""Keras models that end in global average pooling and one dense layer: those that have class activation maps."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import keras
import tensorflow as tf

from interp.core.errors import InputError


@dataclass(frozen=True)
class PooledHead:
    """The end of such a model: the layer whose outputs are pooled, by its place in model.layers, and the dense layer."""

    model: keras.Model
    last: int
    dense: keras.layers.Dense

    def features(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """The function from images to the last feature maps (n, h, w, d), in inference mode."""
        return _up_to(self.model, self.last)

    def layer(self, index: int) -> Callable[[tf.Tensor], tf.Tensor]:
        """The function from images to the outputs of layer `index`. Raises InputError where those are no feature maps."""
        layers = self.model.layers
        if not -len(layers) <= index < len(layers):
            raise InputError(
                f"no layer {index}: the model has layers 0 to {len(layers) - 1}, -1 is the last feature maps"
            )
        output = layers[index].output
        if not isinstance(output, keras.KerasTensor) or len(output.shape) != 4:
            raise InputError(
                f"layer {index} ({layers[index].name}) gives no feature maps (n, h, w, d): choose an earlier one"
            )
        return _up_to(self.model, index % len(layers))


def find_pooled_head(model: keras.Model) -> PooledHead | None:
    """Return the head of a Sequential or functional model that ends in average pooling and a dense layer; None for others.

    Dropout between the two does nothing in inference mode and is passed over.
    """
    # A subclass may compute something else in its call than its graph of layers says.
    if type(model) not in (keras.Sequential, _functional()) or not model.built or len(model.inputs) != 1:
        return None
    places = _chain(model)
    if len(places) < 3:
        return None
    dense, pooling = (model.layers[place] for place in places[:2])
    if not isinstance(dense, keras.layers.Dense) or dense.activation is not keras.activations.linear:
        return None
    if not isinstance(pooling, keras.layers.GlobalAveragePooling2D) or pooling.keepdims:
        return None
    return PooledHead(model, places[2], dense) if pooling.data_format == "channels_last" else None


def _chain(model: keras.Model) -> list[int]:
    """Places of the last three layers, last first, dropout left out; fewer where they are no chain."""
    layers = model.layers
    if isinstance(model, keras.Sequential):
        return [place for place in reversed(range(len(layers))) if not isinstance(layers[place], keras.layers.Dropout)][
            :3
        ]
    makers = {id(output): place for place, layer in enumerate(layers) for output in _outputs(layer)}
    chain: list[int] = []
    tensor = model.outputs[0] if len(model.outputs) == 1 else None
    while len(chain) < 3 and id(tensor) in makers:
        place = makers[id(tensor)]
        if not isinstance(layers[place], keras.layers.Dropout):
            chain.append(place)
        # What the third layer reads does not matter; it may have several inputs.
        tensor = layers[place].input if len(chain) < 3 else None
    return chain


def _outputs(layer: keras.layers.Layer) -> list[keras.KerasTensor]:
    try:
        output = layer.output
    except (AttributeError, ValueError):
        # A layer that has not been used has no output.
        return []
    return list(output) if isinstance(output, (list, tuple)) else [output]


def _up_to(model: keras.Model, place: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """The function from images to the outputs of the layer at `place`."""
    if not isinstance(model, keras.Sequential):
        part = keras.Model(model.inputs[0], model.layers[place].output)
        return lambda images: part(images, training=False)

    # The layers of a Sequential model that was loaded are not connected to its inputs.
    def apply(images: tf.Tensor) -> tf.Tensor:
        outputs = images
        for layer in model.layers[: place + 1]:
            outputs = layer(outputs, training=False)
        return outputs

    return apply


@cache
def _functional() -> type[keras.Model]:
    """The class of functional models, which has no public name."""
    inputs = keras.Input((1,))
    return type(keras.Model(inputs, inputs))

"""Keras models that end in global average pooling and one dense layer: those that have class activation maps."""

from dataclasses import dataclass
from functools import cache

import keras

from interp.core.errors import InputError


@dataclass(frozen=True)
class PooledHead:
    """The end of such a model: `features` gives the last feature maps (n, h, w, d), `dense` the logits from their means."""

    model: keras.Model
    features: keras.Model
    dense: keras.layers.Dense

    def layer(self, index: int) -> keras.Model:
        """The model up to layer `index` of model.layers. Raises InputError where it gives no feature maps."""
        layers = self.model.layers
        if not -len(layers) <= index < len(layers):
            raise InputError(f"no layer {index}: the model has layers 0 to {len(layers) - 1}, -1 is the last")
        output = layers[index].output
        if len(output.shape) != 4:
            raise InputError(
                f"layer {index} ({layers[index].name}) gives no feature maps (n, h, w, d): choose an earlier one"
            )
        return keras.Model(self.model.inputs, output)


def find_pooled_head(model: keras.Model) -> PooledHead | None:
    """Return the head of a Sequential or functional model that ends in average pooling and a dense layer; None for others.

    Dropout between the two does nothing in inference mode and is passed over.
    """
    # A subclass may compute something else in its call than its graph of layers says.
    if type(model) not in (keras.Sequential, _functional()) or not model.built or not model.layers:
        return None
    dense = model.layers[-1]
    if not isinstance(dense, keras.layers.Dense) or dense.activation is not keras.activations.linear:
        return None
    if not _is_output(dense, model.outputs):
        return None
    producers = {id(tensor): layer for layer in model.layers for tensor in _outputs(layer)}
    pooling = producers.get(id(dense.input))
    while isinstance(pooling, keras.layers.Dropout):
        pooling = producers.get(id(pooling.input))
    if not isinstance(pooling, keras.layers.GlobalAveragePooling2D) or pooling.keepdims:
        return None
    if pooling.data_format != "channels_last":
        return None
    return PooledHead(model, keras.Model(model.inputs, pooling.input), dense)


@cache
def _functional() -> type[keras.Model]:
    """The class of functional models, which has no public name."""
    inputs = keras.Input((1,))
    return type(keras.Model(inputs, inputs))


def _outputs(layer: keras.layers.Layer) -> list[keras.KerasTensor]:
    try:
        output = layer.output
    except (AttributeError, ValueError):
        # A layer that is used twice, or not yet, has no one output.
        return []
    return list(output) if isinstance(output, (list, tuple)) else [output]


def _is_output(layer: keras.layers.Layer, outputs: list[keras.KerasTensor]) -> bool:
    return len(outputs) == 1 and any(tensor is outputs[0] for tensor in _outputs(layer))

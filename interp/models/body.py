"""Keras layers made from an architecture, applied to symbolic and to real images by the same lines."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from interp.models.architectures import BatchNorm, Conv, Dense, Flatten, Layer, MaxPool, ReLU, Residual, layer_names
from interp.models.convolution import apply_convolution

Activation = Callable[[Any], Any]

# What a global policy or image format of Keras says is for layers of others: networks of this package are what their files hold.
DTYPE, LAYOUT = "float32", "channels_last"


@keras.saving.register_keras_serializable(package="interp")
class Shortcut(keras.layers.Layer):
    """Average pooling by the stride and zero channels, half before and half after: what joins stages of a residual net."""

    def __init__(self, stride: int, filters: int, **arguments: Any) -> None:
        super().__init__(**{"dtype": DTYPE, **arguments})
        self.stride, self.filters = stride, filters

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return pool_and_pad(inputs, self.stride, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stride": self.stride, "filters": self.filters}


def pool_and_pad(inputs: tf.Tensor, stride: int, filters: int) -> tf.Tensor:
    """What `Shortcut` computes."""
    missing = filters - inputs.shape[-1]
    pooled = tf.nn.avg_pool2d(inputs, stride, stride, "SAME") if stride > 1 else inputs
    return tf.pad(pooled, [[0, 0], [0, 0], [0, 0], [missing // 2, missing - missing // 2]])


class Body:
    """The layers of an architecture before its head; holds Keras layers, is not one.

    Calling it with a Keras input builds the graph that Keras sees; calling it with tensors computes,
    where `activation` may stand in for every ReLU.
    """

    def __init__(self, layers: tuple[Layer, ...], prefix: str = "") -> None:
        self.specification = layers
        names = layer_names(layers, prefix)
        self.layers: list[Any] = [_make(layer, name) for layer, name in zip(layers, names, strict=True)]

    def __call__(
        self,
        inputs: Any,
        *,
        activation: Activation | None = None,
        training: bool = False,
        first: int = 0,
        last: int | None = None,
    ) -> Any:
        """Apply the layers from `first` up to `last`, not included (all by default)."""
        outputs = inputs
        for specification, layer in list(zip(self.specification, self.layers, strict=True))[first:last]:
            match specification:
                case Conv() if not isinstance(outputs, keras.KerasTensor):
                    outputs = apply_convolution(layer, outputs)
                case ReLU():
                    outputs = layer(outputs) if activation is None else activation(outputs)
                case BatchNorm():
                    outputs = layer(outputs, training=training)
                case Residual():
                    outputs = layer(outputs, activation, training)
                case _:
                    outputs = layer(outputs)
        return outputs

    def kernels(self) -> list[Any]:
        """Convolutions and dense layers in the order they are applied."""
        found: list[Any] = []
        for layer in self.layers:
            if isinstance(layer, _ResidualLayers):
                found += [*layer.inner.kernels(), *([layer.projection] if layer.projection else [])]
            elif isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
                found.append(layer)
        return found


class _ResidualLayers:
    """The layers inside a residual block, with the shortcut around them."""

    def __init__(self, block: Residual, name: str) -> None:
        convolutions = [layer for layer in block.layers if isinstance(layer, Conv)]
        self.inner = Body(block.layers, prefix=f"{name}_")
        self.filters = convolutions[-1].filters
        self.stride = convolutions[0].stride
        self.projection: Any = None
        if block.projected:
            self.projection = _make(Conv(self.filters, 1, self.stride, bias=False), f"{name}_projection")
        self.shortcut = self.projection or Shortcut(self.stride, self.filters, name=f"{name}_shortcut")
        self.add = keras.layers.Add(name=f"{name}_add", dtype=DTYPE)

    def keeps_shape(self, inputs: Any) -> bool:
        """Whether the outputs have the shape of the inputs, which are added as they are."""
        return bool(self.projection is None and inputs.shape[-1] == self.filters and self.stride == 1)

    def __call__(self, inputs: Any, activation: Activation | None, training: bool) -> Any:
        kept = inputs if self.keeps_shape(inputs) else self.shortcut(inputs)
        return self.add([self.inner(inputs, activation=activation, training=training), kept])


def _make(layer: Layer, name: str) -> Any:
    match layer:
        case Conv(filters, size, stride, bias):
            return keras.layers.Conv2D(
                filters, size, stride, padding="same", data_format=LAYOUT, use_bias=bias, dtype=DTYPE, name=name
            )
        case Dense(units):
            return keras.layers.Dense(units, dtype=DTYPE, name=name)
        case MaxPool():
            return keras.layers.MaxPooling2D(2, padding="same", data_format=LAYOUT, dtype=DTYPE, name=name)
        case BatchNorm():
            return keras.layers.BatchNormalization(dtype=DTYPE, name=name)
        case ReLU():
            return keras.layers.ReLU(dtype=DTYPE, name=name)
        case Flatten():
            return keras.layers.Flatten(data_format=LAYOUT, dtype=DTYPE, name=name)
        case Residual():
            return _ResidualLayers(layer, name)

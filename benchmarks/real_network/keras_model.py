"""EfficientNet-Lite0 as a plain functional Keras model, made of the arrays of a PyTorch state."""

from collections.abc import Mapping

import keras
import numpy as np
from blocks import BLOCKS, CLASSES, EPSILON, HEAD, SIDE, STEM
from keras import layers

# The outputs of the last convolution, and of the last activation, before average pooling.
LAST_CONVOLUTION, LAST_ACTIVATION = "head_convolution", "head_activation"


def build_keras_model(state: Mapping[str, np.ndarray], dtype: str = "float32") -> keras.Model:
    """Images (n, 224, 224, 3), scaled as in training, to logits (n, 1000), computed in `dtype`.

    Raises ValueError where an array does not fit or is left over.
    """
    left = {name: array for name, array in state.items() if not name.endswith("num_batches_tracked")}
    weights: dict[str, list[np.ndarray]] = {}

    def convolution(tensor, name: str, array: str, filters: int, kernel: int = 1, stride: int = 1):
        weights[name] = [left.pop(f"{array}.weight").transpose(2, 3, 1, 0)]
        return layers.Conv2D(filters, kernel, stride, "same", use_bias=False, dtype=dtype, name=name)(tensor)

    def depthwise(tensor, name: str, array: str, kernel: int, stride: int):
        weights[name] = [left.pop(f"{array}.weight").transpose(2, 3, 0, 1)]
        return layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, dtype=dtype, name=name)(tensor)

    def normalise(tensor, name: str, array: str):
        weights[name] = [left.pop(f"{array}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
        return layers.BatchNormalization(epsilon=EPSILON, dtype=dtype, name=name)(tensor)

    def activate(tensor, name: str):
        return layers.ReLU(6.0, dtype=dtype, name=name)(tensor)

    inputs = keras.Input((SIDE, SIDE, 3), dtype="float32", name="images")
    x = convolution(inputs, "stem_convolution", "_conv_stem", STEM, 3, 2)
    x = activate(normalise(x, "stem_normalisation", "_bn0"), "stem_activation")
    for block in BLOCKS:
        name, before = f"block{block.number}", x
        if block.expansion > 1:
            x = convolution(x, f"{name}_expansion", f"{block.state}_expand_conv", block.width)
            x = activate(normalise(x, f"{name}_normalisation0", f"{block.state}_bn0"), f"{name}_activation0")
        x = depthwise(x, f"{name}_depthwise", f"{block.state}_depthwise_conv", block.kernel, block.stride)
        x = activate(normalise(x, f"{name}_normalisation1", f"{block.state}_bn1"), f"{name}_activation1")
        x = convolution(x, f"{name}_projection", f"{block.state}_project_conv", block.outputs)
        x = normalise(x, f"{name}_normalisation2", f"{block.state}_bn2")
        if block.is_residual:
            x = layers.Add(dtype=dtype, name=f"{name}_sum")([x, before])
    x = convolution(x, LAST_CONVOLUTION, "_conv_head", HEAD)
    x = activate(normalise(x, "head_normalisation", "_bn1"), LAST_ACTIVATION)
    x = layers.GlobalAveragePooling2D(dtype=dtype, name="pooling")(x)
    x = layers.Dropout(0.2, dtype=dtype, name="dropout")(x)
    weights["logits"] = [left.pop("_fc.weight").T, left.pop("_fc.bias")]
    logits = layers.Dense(CLASSES, dtype=dtype, name="logits")(x)
    model = keras.Model(inputs, logits, name="efficientnet_lite0")
    if left:
        raise ValueError(f"the state holds arrays that the network does not have: {', '.join(left)}")
    for name, arrays in weights.items():
        model.get_layer(name).set_weights(arrays)
    return model

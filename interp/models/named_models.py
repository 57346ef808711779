"""Models that are named rather than found at a path: architectures of keras.applications with weights from a file."""

from pathlib import Path

import keras
import numpy as np

from interp.core.errors import InputError, check_choice
from interp.core.network_files import APPLICATIONS
from interp.models.model_check import reason

# What a file of weights may end in, as Keras asks for it.
WEIGHT_SUFFIXES = (".h5", ".hdf5", ".keras")
# What Keras's weights of EfficientNetB0 to B7 hold as the variance of images; a layer that it adds for weights="imagenet" alone makes
# deviations of these.
_RESCALED, _DEVIATIONS = "EfficientNetB", (0.229, 0.224, 0.225)


def build_application(
    name: str,
    weights: str | Path | None,
    *,
    image_shape: tuple[int, int, int] | None = None,
    classes: int = 1000,
) -> keras.Model:
    """Build an architecture of keras.applications and give it the weights in a file; nothing is downloaded.

    Args:
        name: Such as "keras.applications.MobileNetV2".
        weights: The path of a file of weights, .weights.h5 or .h5, or of a whole model, .keras.
        image_shape: (height, width, channels); None for the architecture's own.
        classes: How many classes the head has.

    Returns:
        The model, which ends as Keras builds it, in a softmax.

    Raises:
        InputError: For an unknown architecture, without a file of weights, for weights of another network, and for those of an
            EfficientNetB0 to B7 that was built with weights="imagenet", which has a layer more.

    Example:
        `build_application("keras.applications.MobileNetV2", "mobilenet_v2.weights.h5")`.
    """
    builders = {
        each: build for each, build in vars(keras.applications).items() if each[0].isupper() and callable(build)
    }
    build = builders[check_choice("architecture of keras.applications", name.removeprefix(APPLICATIONS), builders)]
    if weights is None:
        raise InputError(
            f"{name} needs weights: give weights=, the path of a file that ends in {', '.join(WEIGHT_SUFFIXES)}"
        )
    path = Path(weights)
    if not path.is_file() or not path.name.endswith(WEIGHT_SUFFIXES):
        raise InputError(f"no file of weights {path}: give the path of one that ends in {', '.join(WEIGHT_SUFFIXES)}")
    try:
        model = build(weights=None, input_shape=image_shape, classes=classes)
    except Exception as error:
        raise InputError(
            f"{name} cannot be built for images {image_shape} and {classes} classes: {reason(error)}"
        ) from error
    try:
        model.load_weights(path)
    except Exception as error:
        raise InputError(
            f"{path} does not hold the weights of {name} for images {model.input_shape[1:]} and {classes} classes: {reason(error)}"
        ) from error
    if name.removeprefix(APPLICATIONS).startswith(_RESCALED) and _is_rescaled(model):
        raise InputError(
            f"{path} holds weights of {name} as it is built with weights='imagenet', which scales images once more than this one: save the "
            "whole model where it was built, with model.save('name.keras'), and give that file as the network"
        )
    return model


def _is_rescaled(model: keras.Model) -> bool:
    first = next((layer for layer in model.layers if isinstance(layer, keras.layers.Normalization)), None)
    return first is not None and np.allclose(np.ravel(first.variance), _DEVIATIONS, atol=1e-3)

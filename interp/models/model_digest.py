"""What a model is, in a few digits: its layers, and its weights."""

import json
from typing import Any

import keras
import numpy as np

from interp.core.digest import digest
from interp.core.errors import InputError
from interp.models.network import Network

# Of what Keras saves of a model: how it was compiled, the batch it was built with, and seeds, in whose place the training sets its own.
NOT_LAYERS = ("compile_config", "build_config", "seed")


def model_digest(model: keras.Model) -> str:
    """A short hash of a model's layers and weights. Raises InputError for a model that Keras cannot save."""
    layers = layers_digest(model)
    if layers is None:
        raise InputError(
            f"the model {model.name} could not be saved once it is trained: each of its classes needs get_config(), as Keras asks for it"
        )
    return digest([np.frombuffer(layers.encode(), np.uint8), *model.get_weights()])


def layers_digest(model: keras.layers.Layer) -> str | None:
    """A short hash of a model's layers and how they follow each other, or of one layer; None for what Keras cannot save.

    Names, which Keras counts up from one model to the next, do not count.
    """
    try:
        saved = model.architecture if isinstance(model, Network) else keras.saving.serialize_keras_object(model)
    except Exception:
        # A user's own get_config may raise anything.
        return None
    made = json.loads(json.dumps(saved, default=lambda value: type(value).__name__))
    places: dict[str, str] = {}

    def placed(values: Any) -> Any:
        if isinstance(values, list):
            return [placed(value) for value in values]
        if not isinstance(values, dict):
            return places.get(values, values)
        name = isinstance(values.get("config"), dict) and values["config"].get("name")
        # Names of policies say a precision.
        if isinstance(name, str) and "Policy" not in str(values.get("class_name")):
            places.setdefault(name, f"layer {len(places)}")
        return {key: placed(value) for key, value in values.items() if key not in NOT_LAYERS}

    return digest([np.frombuffer(json.dumps(placed(made), sort_keys=True).encode(), np.uint8)])

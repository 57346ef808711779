"""What a model is, in a few digits: its layers, and its weights."""

import hashlib
import json
from collections.abc import Collection
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


def identify_model(model: keras.Model) -> str:
    """What a model is, also one that Keras cannot save: its class, its layers and its weights."""
    layers = hashlib.sha256(json.dumps(_layers(model)).encode()).hexdigest()[:16]
    return f"{type(model).__name__} {layers} {digest([np.asarray(values) for values in model.get_weights()])}"


def layers_digest(model: keras.layers.Layer) -> str | None:
    """A short hash of a model's layers and how they follow each other, or of one layer; None for what Keras cannot save."""
    try:
        made = model.architecture if isinstance(model, Network) else saved_settings(model, NOT_LAYERS)
    except Exception:
        # A user's own get_config may raise anything.
        return None
    return digest([np.frombuffer(json.dumps(made, sort_keys=True).encode(), np.uint8)])


def saved_settings(of: Any, left_out: Collection[str]) -> Any:
    """What Keras saves of a model, layer or optimizer, as JSON values, less the entries `left_out`.

    Names, which Keras counts up from one object to the next, are numbered wherever they stand.
    """
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(of), default=lambda value: type(value).__name__))
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
        # Schedules of rates are named after their class.
        kept = {key: value for key, value in values.items() if key not in left_out}
        return {key: value if key == "class_name" else placed(value) for key, value in kept.items()}

    return placed(saved)


def _layers(layer: keras.layers.Layer) -> Any:
    """What a layer or model computes with: the same weights may stand in another one. Of a class that Keras cannot save, its parts."""
    saved = layers_digest(layer)
    return saved or [type(layer).__name__, *map(_layers, getattr(layer, "layers", ()))]

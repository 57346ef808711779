"""Networks that a command line names."""

from pathlib import Path

import keras

from interp.core.errors import InputError
from interp.data import Dataset
from interp.models import load_model
from interp.models.keras_file import WEIGHTS, WHOLE, read_keras_file
from interp.models.model_check import run_model

HELP = (
    "a name under networks/; the path of a .safetensors file, of a pickle published with the paper, of a .weights.h5 file (with "
    "--network_type); or of a .keras model: only one that you trust, because such a file says which classes to build"
)


def open_network(name: str, data: Dataset, network_type: str | None) -> keras.Model:
    """Return the network `name`, checked against the images and classes of `data`. Raises InputError."""
    if name.endswith((WHOLE, WEIGHTS)):
        model = read_keras_file(name, architecture=network_type, image_shape=data.image_shape, classes=data.classes)
    else:
        model = load_model(name, architecture=network_type)
    outputs = run_model(model, data.images[:1])
    if getattr(outputs, "shape", (0, 0))[1:] != (data.classes,):
        raise InputError(
            f"{name} gives outputs of shape {tuple(getattr(outputs, 'shape', ()))} for one image of {data.name}, which has "
            f"{data.classes} classes: choose the dataset it was trained on"
        )
    return model


def network_stem(name: str) -> str:
    """The network's name without folder and suffix, for the names of results."""
    stem = Path(name).name
    for suffix in (".safetensors", ".pkl", WHOLE, WEIGHTS):
        stem = stem.removesuffix(suffix)
    return stem

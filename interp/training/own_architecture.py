"""A user's model as an architecture: kept as bytes that can be sent, built anew, and started from a seed."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from interp.core.digest import digest
from interp.core.errors import InputError
from interp.models.model_check import reason
from interp.training.model_state import ModelState, drawing_from


@dataclass(frozen=True)
class OwnArchitecture:
    """A Keras model by its `name`, which tells it apart from others, and the file that it is built of."""

    name: str
    file: bytes = field(compare=False, repr=False)

    @classmethod
    def of(cls, model: keras.Model) -> "OwnArchitecture":
        """The architecture of a model, which stays as it is. Raises InputError for one that cannot be built anew."""
        weights = [np.asarray(variable) for variable in model.weights]
        with _named_file() as path, _telling():
            model.save(path)
            known = digest([np.frombuffer(_configuration(model).encode(), np.uint8), *weights])
            found = cls(f"its own architecture of {model.count_params():,} weights, {known}", path.read_bytes())
        if [each.shape for each in found.build().weights] != [each.shape for each in model.weights]:
            raise InputError("the model cannot be built anew for retrainings: its file gives other weights than it has")
        return found

    def build(self) -> keras.Model:
        """A model of this architecture with the weights that it was kept with. Raises InputError."""
        with _named_file() as path, drawing_from(0), _telling():
            path.write_bytes(self.file)
            return keras.models.load_model(path, compile=False)


def start_anew(model: keras.Model, kept: list[np.ndarray], seed: int, image_shape: tuple[int, int, int]) -> None:
    """Give a model, in place, the weights that its initializers draw with `seed`.

    What no training changes, such as frozen layers and the mean of a Normalization, gets the weights `kept`; statistics of batch
    normalisation start as in a new model. Initializers with a seed of their own draw the same each time. Raises InputError.
    """
    with drawing_from(seed), _telling():
        new = type(model).from_config(model.get_config())
        new.build((None, *image_shape))
    changed = {id(each) for each in (*model.trainable_variables, *ModelState(model, image_shape).statistics)}
    for variable, drawn, value in zip(model.weights, new.weights, kept, strict=True):
        variable.assign(np.asarray(drawn) if id(variable) in changed else value)


def _configuration(model: keras.Model) -> str:
    """What a model computes of its weights, and which of them are trained, whatever its layers happen to be called."""
    text = json.dumps(keras.saving.serialize_keras_object(model)["config"], sort_keys=True)
    for place, layer in enumerate(model._flatten_layers()):
        text = text.replace(json.dumps(layer.name), f'"{place}"')
    return text


@contextmanager
def _named_file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "model.keras"


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise InputError(
            f"the model cannot be built anew for retrainings ({reason(error)}): give layers of your own a get_config and "
            "@keras.saving.register_keras_serializable() in a module that can be imported, or name an architecture with --retrain-type"
        ) from error

"""Keras models saved by others: whole models that a user trusts, and weights of the package's architectures."""

import importlib
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import keras

from interp.core.errors import ArgumentError, InputError
from interp.core.names import ARCHITECTURE_TAGS
from interp.core.network_files import OLDER, WEIGHTS
from interp.models.initialisation import build_network

_WRAPPED = "Exception encountered: "
# What a file of a RobustModel names, and the module that makes it known to Keras; no package of models imports it.
_ROBUST, _ROBUST_MODULE = b"interp>RobustModel", "interp.training.robust_model"


def read_keras_file(
    path: str | Path,
    *,
    architecture: str | None = None,
    image_shape: tuple[int, int, int] | None = None,
    classes: int = 10,
    custom_objects: Mapping[str, Any] | None = None,
) -> keras.Model:
    """Load a model saved with model.save (.keras, .h5), or weights of an `architecture` saved with save_weights (.weights.h5).

    A file of a model says which classes to build, so it should be one you trust; code in it (lambdas) is refused all the same. A
    weights file holds numbers only. `custom_objects` are classes of the user's by name. Raises InputError.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no network file {path}: check the path")
    if path.name.endswith(WEIGHTS):
        if architecture is None or image_shape is None:
            raise InputError(
                f"{path} holds weights only: say of which architecture, one of {', '.join(ARCHITECTURE_TAGS)}"
            )
        network = build_network(architecture, image_shape, classes)
        return _reading(path, lambda: network.load_weights(path)) or network
    if path.name.endswith(OLDER):
        _check_older(path)
    elif not zipfile.is_zipfile(path):
        raise InputError(f"{path} is no Keras model file: save the model with model.save('name.keras')")
    elif _ROBUST in _reading(path, lambda: _configuration(path)):
        importlib.import_module(_ROBUST_MODULE)
    # The older format names classes without their package, so those of this package are told.
    ours = keras.saving.get_custom_objects().items() if path.name.endswith(OLDER) else ()
    objects: dict[str, Any] = {name.removeprefix("interp>"): each for name, each in ours if name.startswith("interp>")}
    objects.update(custom_objects or {})
    model = _reading(path, lambda: keras.models.load_model(path, custom_objects=objects, compile=False, safe_mode=True))
    if not isinstance(model, keras.Model):
        raise InputError(f"{path} holds a {type(model).__name__}, expected a model")
    if keras.saving.get_registered_name(type(model)) == _ROBUST.decode():
        # What it trains, whose layers are known: ModelCheckpoint keeps the whole.
        model = model.network
    if architecture is not None and getattr(model, "architecture", architecture) != architecture:
        raise InputError(f"{path} holds the architecture {model.architecture}, not {architecture!r}")
    return model


def _configuration(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("config.json")


def _check_older(path: Path) -> None:
    """Raise InputError for a file that holds no model in Keras's older format."""
    try:
        with h5py.File(path) as file:
            whole = "model_config" in file.attrs
    except OSError as error:
        raise InputError(f"{path} cannot be read as a Keras model: it is no HDF5 file, or a damaged one") from error
    if not whole:
        raise InputError(
            f"{path} holds weights only: build their network, with interp.build_network or Keras, and give the file to its load_weights"
        )


def _reading(path: Path, read: Any) -> Any:
    try:
        with warnings.catch_warnings():
            # What is wrong is raised; that optional parts are absent does not matter.
            warnings.simplefilter("ignore")
            return read()
    except Exception as error:
        # Keras raises whatever its layers raise; what is wrong stands first, or last where one error wraps another.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        wrapped = [line for line in lines if line.startswith((_WRAPPED, "Not allowed"))]
        reason = (wrapped or lines[:1])[-1].removeprefix(_WRAPPED).split(". ")[0][:200]
        text = f"{path} cannot be read as a Keras model: {reason}"
        if "Could not locate" in reason or "Unknown layer" in reason:
            raise ArgumentError(f"{text}; name your own classes by <custom_objects=>, each as MODULE:NAME") from error
        raise InputError(text) from error

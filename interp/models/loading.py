"""Networks by name or path."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from interp.core.checks import check_instance
from interp.core.errors import InputError
from interp.core.hub_files import HUB, download
from interp.core.network_files import APPLICATIONS, OLDER, WEIGHTS, WHOLE, find_network, is_saved_model
from interp.models.keras_file import read_keras_file
from interp.models.named_models import build_application
from interp.models.named_objects import resolve_objects
from interp.models.network import Network
from interp.models.reference_pickle import read_reference_pickle
from interp.models.saved_model import read_saved_model
from interp.models.weight_file import read_weight_file


def load_model(
    name: str | Path,
    *,
    architecture: str | None = None,
    networks_dir: str | Path | None = None,
    fold_tail: bool = True,
    custom_objects: Mapping[str, Any] | None = None,
    weights: str | Path | None = None,
    image_shape: tuple[int, int, int] | None = None,
    classes: int = 1000,
) -> Network | keras.Model:
    """Load a network by name or path.

    A .keras or .h5 file and a SavedModel directory say what to build, so they should be ones you trust; lambdas in files are refused
    all the same. Nothing in files of `save_model` and in the paper's pickles is run.

    Args:
        name: A name under the network directories; the path of a file of `save_model`, of one of the paper's pickles, of a .keras or
            .h5 file that model.save wrote, or of a SavedModel directory; "keras.applications.NAME"; or "hf://owner/repository/file".
        architecture: That of a pickle whose name does not say it; for other files of this package it is checked.
        networks_dir: Directory where names are looked up (default: INTERP_NETWORKS_DIR, ./networks, and those that are installed).
        fold_tail: Whether the linear layers at the end are computed as one, with the same result.
        custom_objects: Your own classes in a .keras or .h5 file, by name: the class, or "module:name", which is imported.
        weights: File of weights for "keras.applications.NAME"; nothing is downloaded.
        image_shape: (height, width, channels) for "keras.applications.NAME".
        classes: Number of classes for "keras.applications.NAME".

    Returns:
        A network of the package, or the Keras model as it was saved, of a RobustModel its network; `interp.models.adapt` brings that to
        the contract.

    Raises:
        InputError: There is no such network, or the file cannot be read or used.

    Example:
        ```python
        model = interp.load_model("mine.keras", custom_objects={"Mish": "my_package.layers:Mish"})
        model = interp.load_model("keras.applications.MobileNetV2", weights="mobilenet_v2.weights.h5")
        ```
    """
    check_instance("the name of the network", name, (str, os.PathLike), "'mine.keras'")
    objects = resolve_objects(custom_objects)
    text = str(name)
    if text.startswith(APPLICATIONS):
        return build_application(text, weights, image_shape=image_shape, classes=classes)
    if weights is not None:
        raise InputError(f"weights go with a name such as {APPLICATIONS}MobileNetV2, not with {text!r}: leave them out")
    if text.startswith(HUB):
        name = download(text)
        text = str(name)
    if text.endswith(WEIGHTS) and Path(name).is_file():
        raise InputError(
            f"{name} holds weights only: build their network with interp.build_network and give the file to its load_weights"
        )
    if text.endswith((WHOLE, *OLDER)):
        model = read_keras_file(name, architecture=architecture, custom_objects=objects)
        if isinstance(model, Network) and not fold_tail:
            model.fold_tail = False
        return model
    if is_saved_model(name):
        return read_saved_model(name)
    path = find_network(name, networks_dir)
    if path.suffix == ".pkl":
        return read_reference_pickle(path, architecture=architecture, fold_tail=fold_tail)
    network = read_weight_file(path, fold_tail=fold_tail)
    if architecture is not None and network.architecture != architecture:
        raise InputError(f"{path} holds the architecture {network.architecture}, not {architecture!r}")
    return network

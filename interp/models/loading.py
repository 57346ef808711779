"""Networks by name or path."""

from pathlib import Path

import keras

from interp.core.errors import InputError
from interp.core.network_files import WEIGHTS, WHOLE, find_network
from interp.models.keras_file import read_keras_file
from interp.models.network import Network
from interp.models.reference_pickle import read_reference_pickle
from interp.models.weight_file import read_weight_file


def load_model(
    name: str | Path, *, architecture: str | None = None, networks_dir: str | Path | None = None, fold_tail: bool = True
) -> Network | keras.Model:
    """Load a network by name or path: a file of `save_model`, or a pickle published with the paper (nothing in it is run).

    The architecture comes from the file's metadata, for pickles from the file's name or from `architecture`.
    `fold_tail=False` computes the last linear layers one by one. The path of a .keras file gives the Keras model in it, as
    model.save wrote it; such a file says which classes to build, so it should be one you trust. Raises InputError.
    """
    if str(name).endswith(WEIGHTS) and Path(name).is_file():
        raise InputError(
            f"{name} holds weights only: build their network with interp.build_network and give the file to its load_weights"
        )
    if str(name).endswith(WHOLE):
        model = read_keras_file(name, architecture=architecture)
        if isinstance(model, Network) and not fold_tail:
            model.fold_tail = False
        return model
    path = find_network(name, networks_dir)
    if path.suffix == ".pkl":
        return read_reference_pickle(path, architecture=architecture, fold_tail=fold_tail)
    network = read_weight_file(path, fold_tail=fold_tail)
    if architecture is not None and network.architecture != architecture:
        raise InputError(f"{path} holds the architecture {network.architecture}, not {architecture!r}")
    return network

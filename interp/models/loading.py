"""Networks by name or path."""

import os
from pathlib import Path

import keras

from interp.core.errors import InputError, check_choice
from interp.core.files import visible_files
from interp.models.keras_file import WEIGHTS, WHOLE, read_keras_file
from interp.models.network import Network
from interp.models.reference_pickle import read_reference_pickle
from interp.models.weight_file import read_weight_file

SUFFIXES = (".safetensors", ".pkl")


def network_folders(networks_dir: str | Path | None = None) -> list[Path]:
    """Folders in which names are looked up: the argument alone, else INTERP_NETWORKS_DIR, ./networks and the checkout's networks/."""
    if networks_dir is not None:
        return [Path(networks_dir)]
    named = os.environ.get("INTERP_NETWORKS_DIR")
    folders = [Path(named)] if named else []
    root = Path(__file__).resolve().parents[2]
    # Installed from a wheel, the package has no checkout around it.
    folders += [Path("networks"), *([root / "networks"] if (root / "train.py").is_file() else [])]
    seen: dict[Path, Path] = {folder.resolve(): folder for folder in reversed(folders)}
    return [folder for folder in folders if seen.pop(folder.resolve(), None) is not None]


def find_network(name: str | Path, networks_dir: str | Path | None = None) -> Path:
    """Return the file of a network given by path, or by name under the network folders. Raises InputError that says where it looked."""
    path = Path(name)
    # Unlike Path.is_file, this is False for a name that no file can have.
    if path.suffix in SUFFIXES and os.path.isfile(path):
        return path
    folders = network_folders(networks_dir)
    for folder in folders:
        for suffix in SUFFIXES:
            candidate = folder / (path.name if path.suffix in SUFFIXES else f"{path.name}{suffix}")
            if os.path.isfile(candidate) and path.parent == Path("."):
                return candidate
    if os.path.exists(path):
        raise InputError(f"{path} is {_what_it_is(path)}")
    if path.parent != Path(".") or path.name.lower().endswith((WHOLE, ".h5")):
        raise InputError(f"no network file {path}: check the path")
    looked = ", ".join(str(folder) for folder in folders)
    known = sorted({file.stem for folder in folders for file in visible_files(folder, SUFFIXES)})
    if not known:
        raise InputError(
            f"no network {str(name)!r}: looked in {looked}, which hold none; train one, give a path, or set INTERP_NETWORKS_DIR"
        )
    check_choice(f"network (looked in {looked})", path.stem, known)
    raise InputError(f"no network {str(name)!r} in {looked}: give its name or its path")


def _what_it_is(path: Path) -> str:
    """What was given in place of a network file, and how to make one of it."""
    save = f"save it with model.save('{path.stem}{WHOLE}')"
    if (path / "saved_model.pb").is_file():
        return f"a SavedModel directory, which Keras 3 does not load: load it with the Keras that wrote it and {save}"
    if path.is_dir():
        return "a directory, expected the file of a network"
    if path.suffix.lower() in (".h5", ".hdf5"):
        return (
            f"a file of Keras's older format: if you trust it, load it with keras.models.load_model and {save}; "
            f"if it holds weights only, rename it to {path.stem}{WEIGHTS}"
        )
    for suffix in (*SUFFIXES, WHOLE):
        if path.suffix.lower() == suffix:
            return f"not recognised by its name: rename it to {path.stem}{suffix}"
    return f"no file of a network: expected one that ends in {', '.join((*SUFFIXES, WHOLE, WEIGHTS))}"


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

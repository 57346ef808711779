"""Networks by name or path."""

import os
from pathlib import Path

from interp.core.errors import InputError, check_choice
from interp.core.files import visible_files
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
    if path.suffix in SUFFIXES:
        if path.is_file():
            return path
        if path.parent != Path("."):
            raise InputError(f"no network file {path}: check the path")
    folders = network_folders(networks_dir)
    for folder in folders:
        for suffix in SUFFIXES:
            candidate = folder / (path.name if path.suffix in SUFFIXES else f"{path.name}{suffix}")
            if candidate.is_file() and path.parent == Path("."):
                return candidate
    looked = ", ".join(str(folder) for folder in folders)
    known = sorted({file.stem for folder in folders for file in visible_files(folder, SUFFIXES)})
    if not known:
        raise InputError(
            f"no network {str(name)!r}: looked in {looked}, which hold none; train one, give a path, or set INTERP_NETWORKS_DIR"
        )
    check_choice(f"network (looked in {looked})", path.stem, known)
    raise InputError(f"no network {str(name)!r} in {looked}: give its name or its path")


def load_model(
    name: str | Path, *, architecture: str | None = None, networks_dir: str | Path | None = None, fold_tail: bool = True
) -> Network:
    """Load a network by name or path: a file of `save_model`, or a pickle published with the paper (nothing in it is run).

    The architecture comes from the file's metadata, for pickles from the file's name or from `architecture`.
    `fold_tail=False` computes the last linear layers one by one. Raises InputError.
    """
    path = find_network(name, networks_dir)
    if path.suffix == ".pkl":
        return read_reference_pickle(path, architecture=architecture, fold_tail=fold_tail)
    network = read_weight_file(path, fold_tail=fold_tail)
    if architecture is not None and network.architecture != architecture:
        raise InputError(f"{path} holds the architecture {network.architecture}, not {architecture!r}")
    return network

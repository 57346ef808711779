"""Files of networks by name or path; free of TensorFlow, so that wrong names are reported at once."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from interp.core.command_line import one_line
from interp.core.errors import InputError, check_choice
from interp.core.files import visible_files
from interp.core.hub_files import HUB, download
from interp.core.network_name import parse_name

# Files of the package and of the paper; whole models of Keras, also in its older format, and weights alone.
SUFFIXES = (".safetensors", ".pkl")
WHOLE, WEIGHTS = ".keras", ".weights.h5"
OLDER = (".h5", ".hdf5")
# Begins the name of an architecture whose weights are in a file of their own.
APPLICATIONS = "keras.applications."
# Entry points by which installed distributions, such as interp-networks, name a top-level package that holds files of networks.
ENTRY_POINTS = "interp.networks"
# With the task, the options and what a picture shows, still the name of a file.
LONGEST = 120


@dataclass(frozen=True)
class NetworkFile:
    """A network to evaluate: its file, or SavedModel directory, and the name of its results.

    Of an `application`, an architecture of keras.applications by name, the file holds the weights.
    """

    path: Path
    name: str
    application: str | None = None

    @property
    def is_of_this_package(self) -> bool:
        """Whether the file can hold nothing but a network of this package, as its suffix says."""
        return self.path.suffix in SUFFIXES and self.application is None


def find_file(name: str, networks_dir: str | Path | None = None, weights: Path | None = None) -> NetworkFile:
    """The file of a network by name or path, of a file of the Hugging Face hub or of an architecture with `weights`. Raises InputError."""
    if name.startswith(APPLICATIONS):
        if weights is None:
            raise InputError(f"{name} needs --weights, the file of its weights; nothing is downloaded")
        if not weights.is_file():
            raise InputError(f"no file of weights {weights}: check the path")
        return NetworkFile(weights, network_stem(f"{name.removeprefix(APPLICATIONS)}_{weights.name}"), name)
    if weights is not None:
        raise InputError(f"--weights goes with {APPLICATIONS}NAME, the network came as {name}: leave it out")
    if name.startswith(HUB):
        path = download(name)
        if not path.name.endswith((*SUFFIXES, WHOLE, WEIGHTS, *OLDER)):
            raise InputError(f"{name} is {_what_it_is(path)}")
        return NetworkFile(path, network_stem(name.removeprefix(HUB).replace("/", "_")))
    path = locate_network(name, networks_dir)
    # A directory may be given as one above this one.
    return NetworkFile(path, network_stem(os.path.abspath(path)))


def network_folders(networks_dir: str | Path | None = None) -> list[Path]:
    """Directories in which names are looked up.

    They are the argument alone, else INTERP_NETWORKS_DIR, ./networks, the checkout's networks/ and those of installed distributions.
    """
    if networks_dir is not None:
        return [Path(networks_dir)]
    named = os.environ.get("INTERP_NETWORKS_DIR")
    folders = [Path(named)] if named else []
    root = Path(__file__).resolve().parents[2]
    # Installed from a wheel, the package has no checkout around it.
    folders += [Path("networks"), *([root / "networks"] if (root / "train.py").is_file() else [])]
    folders += _installed_folders()
    seen: dict[Path, Path] = {folder.resolve(): folder for folder in reversed(folders)}
    return [folder for folder in folders if seen.pop(folder.resolve(), None) is not None]


def _installed_folders() -> list[Path]:
    """The directories of installed distributions of networks; nothing of them is imported."""
    found = (find_spec(each.value) for each in entry_points(group=ENTRY_POINTS))
    return [Path(folder) for each in found if each is not None for folder in each.submodule_search_locations or ()]


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
            f"no network {str(name)!r}: looked in {looked}, which hold none; train one, give a path, set INTERP_NETWORKS_DIR, or "
            "pip install ./networks in the directory of interp's sources"
        )
    check_choice(f"network (looked in {looked})", path.stem, known)
    raise InputError(f"no network {str(name)!r} in {looked}: give its name or its path")


def is_saved_model(path: str | Path) -> bool:
    """Whether a path is a SavedModel directory."""
    return os.path.isfile(Path(path) / "saved_model.pb")


def locate_network(name: str, networks_dir: str | Path | None = None) -> Path:
    """The file of a network or of a Keras model, or a SavedModel directory, by name or path. Raises InputError."""
    path = Path(name)
    if is_saved_model(path):
        return path
    if not name.endswith((WHOLE, WEIGHTS, *OLDER)):
        return find_network(name, networks_dir)
    if not path.is_file():
        raise InputError(f"no network file {path}: check the path")
    return path


def find_used(network: Path, words: Sequence[str], name: str, networks_dir: Path | None = None) -> Path:
    """The file `name` of a result: one that the words of a command line name, or beside the network, or among the networks.

    Raises InputError.
    """
    given = [Path(word.rpartition("=")[2]) for word in words if Path(word.rpartition("=")[2]).name == name]
    path = next((path for path in (*given, network.with_name(name)) if path.exists()), None)
    return path or locate_network(name, networks_dir)


def _what_it_is(path: Path) -> str:
    """What was given in place of a network file, and how to make one of it."""
    if path.is_dir():
        return "a directory, expected the file of a network, or a SavedModel directory, which holds saved_model.pb"
    for suffix in (*SUFFIXES, WHOLE, *OLDER):
        if path.suffix.lower() == suffix:
            return f"not recognised by its name: rename it to {path.stem}{suffix}"
    return f"no file of a network: expected one that ends in {', '.join((*SUFFIXES, WHOLE, WEIGHTS, *OLDER))}"


def normal_counterpart(path: Path, networks_dir: Path | None = None) -> Path:
    """The Normal network to compare a network of the paper's naming with.

    It has as many epochs and is in the same directory or in those of networks; else it is the only one of other epochs in the same
    directory. Raises InputError.
    """
    stem = network_stem(path.name)
    name = parse_name(stem)
    if name is None:
        raise InputError(f"--against is needed: the name {stem} does not say which Normal network to compare with")
    normal = replace(name, tag="normal", variant="")
    files = [file for suffix in SUFFIXES for file in visible_files(path.parent, suffix)]
    others = [file for file in files if file.name.startswith(f"{name.family}_normal_")]
    same = [file for file in others if file.stem == str(normal)]
    if same or len(others) != 1:
        return same[0] if same else locate_network(str(normal), networks_dir)
    return others[0]


def network_stem(name: str) -> str:
    """The network's name without directory and suffix, for the names of results: printable, in any encoding. Raises InputError."""
    stem = one_line(Path(name).name).encode("utf-8", "replace").decode()
    if len(stem.encode()) > LONGEST:
        raise InputError(
            f"the network's name has {len(stem.encode())} bytes, results are named after it: rename it to at most {LONGEST}"
        )
    for suffix in (*SUFFIXES, WHOLE, WEIGHTS, *OLDER):
        stem = stem.removesuffix(suffix)
    return stem

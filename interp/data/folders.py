"""Where datasets lie, and finding the files of one there."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from interp.core.errors import InputError

VARIABLE = "INTERP_DATA_DIR"


def data_folder(data_dir: str | Path | None) -> Path | None:
    """Return `data_dir`, else the folder INTERP_DATA_DIR names, else None; raises InputError if it is no folder."""
    given = data_dir if data_dir is not None else os.environ.get(VARIABLE) or None
    if given is None:
        return None
    folder = Path(os.path.expanduser(given))
    if not os.path.isdir(folder):
        origin = "the data folder" if data_dir is not None else f"the data folder of {VARIABLE}"
        raise InputError(f"{origin}, {folder}, is not a folder: make it, or name the one that holds the datasets")
    return folder


def below(folder: Path | None, *names: str) -> list[Path]:
    """Return the folders to search: those called `names` in `folder` ("." for itself), none without a folder."""
    return [] if folder is None else [folder / name for name in names]


def complete_set(folders: Sequence[Path], wanted: Sequence[Sequence[str]]) -> list[Path] | None:
    """Return the wanted files, each under one of its names, from the first folder that has all; None if none has any.

    Raises InputError naming the first missing file when the only folders that have any lack some.
    """
    lacking: tuple[Path, str, Path] | None = None
    for folder in folders:
        # Unlike Path.is_file, this is False in a folder that may not be entered.
        found = [next((folder / name for name in names if os.path.isfile(folder / name)), None) for names in wanted]
        paths = [path for path in found if path is not None]
        if len(paths) == len(wanted):
            return paths
        if paths and lacking is None:
            lacking = folder, wanted[found.index(None)][0], paths[0]
    if lacking is None:
        return None
    folder, missing, present = lacking
    raise InputError(
        f"{folder / missing} is missing, though {present.name} is there: add it, "
        f"or move {present.name} away to use another source"
    )


def file_digest(path: Path, algorithm: str) -> str:
    """Return the hex digest of a file; raises InputError if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error

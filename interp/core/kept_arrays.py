"""Arrays of a long computation on disk, with what they were made of."""

from pathlib import Path
from typing import Any

import numpy as np

from interp.core.errors import InputError
from interp.core.files import DAMAGED_ARRAY, replacing


def write_arrays(path: Path, made_of: str, **arrays: Any) -> None:
    """Write arrays to the .npz file `path`, complete or not at all. Raises InputError."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, made_of=np.array(made_of), **arrays)


def read_arrays(path: Path, made_of: str) -> dict[str, np.ndarray] | None:
    """The arrays in a file by name; None without a file, or where its arrays were made of something else.

    Raises InputError for a damaged file.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except FileNotFoundError:
        return None
    except (*DAMAGED_ARRAY, AttributeError, KeyError) as error:
        raise InputError(f"{path} is damaged: remove it") from error
    return arrays if str(arrays.pop("made_of", "")) == made_of else None

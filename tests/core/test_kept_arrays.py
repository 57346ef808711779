"""Arrays on disk: read back by what they were made of, and refused when damaged."""

import numpy as np
import pytest

from interp.core.errors import InputError
from interp.core.kept_arrays import read_arrays, write_arrays
from tests.archives import with_flags


def test_arrays_come_back_for_what_they_were_made_of_alone(tmp_path):
    path = tmp_path / "folder" / "arrays.npz"
    assert read_arrays(path, "this") is None
    write_arrays(path, "this", numbers=np.arange(3), words=np.array(["", "clean"]))
    found = read_arrays(path, "this")
    assert {name: array.tolist() for name, array in found.items()} == {"numbers": [0, 1, 2], "words": ["", "clean"]}
    assert read_arrays(path, "that") is None
    assert [each.name for each in path.parent.iterdir()] == ["arrays.npz"]


@pytest.mark.parametrize("damage", ["cut", "an array", "text", "a directory", "encrypted"])
def test_damaged_files_are_refused(tmp_path, damage):
    path = tmp_path / "arrays.npz"
    write_arrays(path, "this", numbers=np.arange(1000))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    elif damage == "an array":
        with open(path, "wb") as file:
            np.save(file, np.arange(3))
    elif damage == "encrypted":
        path.write_bytes(with_flags(path.read_bytes(), encrypted=True))
    elif damage == "text":
        path.write_text("numbers")
    else:
        path.unlink()
        path.mkdir()
    with pytest.raises(InputError, match="is damaged: remove it"):
        read_arrays(path, "this")

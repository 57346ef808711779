"""A user's own sets, by path: a directory, an .npz file, or one that TensorFlow Datasets prepared."""

import os
from collections.abc import Container
from pathlib import Path

from interp.core.errors import InputError
from interp.data.array_files import arrays_inside, arrays_spec
from interp.data.image_folder import folder_spec
from interp.data.image_rules import ImageRules
from interp.data.spec import DatasetSpec
from interp.data.user_spec import safe_name
from interp.data.user_tfds import tfds_spec

TFDS = "tfds:"

# What was found in this process, and in which directory of datasets, by path; and the paths by name, of each name the last one that
# was found. So commands find it again by either.
_FOUND: dict[str, tuple[DatasetSpec, str | Path | None]] = {}
_PATHS: dict[str, str] = {}


def is_path(name: str | Path) -> bool:
    """Whether this is meant as a path or a set of TensorFlow Datasets, rather than as the name of a dataset."""
    if isinstance(name, Path) or name in _PATHS:
        return True
    return name.startswith((TFDS, "~", ".")) or "/" in name or name.endswith(".npz") or os.path.exists(name)


def whole_path(name: str) -> str:
    """The path by which a set is known wherever a command runs, or the name of one of TensorFlow Datasets."""
    return name if name.startswith(TFDS) else os.path.abspath(os.path.expanduser(name))


def find_user_set(
    name: str | Path, rules: ImageRules | None, taken: Container[str], data_dir: str | Path | None = None
) -> DatasetSpec:
    """Return the facts of a set by its path; without `rules` as it was found before in this process. Raises InputError.

    Args:
        name: a directory, an .npz file, "tfds:NAME", or the name of a set that was found before, where no path of that name is there.
        rules: how images are brought to one size; None for those of before, else the defaults.
        taken: names that its name must not be.
        data_dir: where TensorFlow Datasets prepared its set.
    """
    text = str(name)
    key = whole_path(text)
    # What is there is meant before a name: another directory's set may have it too.
    if not text.startswith(TFDS) and not os.path.exists(key):
        key = _PATHS.get(text, key)
    if rules is None and key in _FOUND:
        spec, found_in = _FOUND[key]
        if data_dir in (None, found_in) or not key.startswith(TFDS):
            return spec
    spec = _make(key, rules or ImageRules(), taken, data_dir)
    _FOUND[key], _PATHS[spec.name] = (spec, data_dir), key
    return spec


def _make(key: str, rules: ImageRules, taken: Container[str], data_dir: str | Path | None) -> DatasetSpec:
    if key.startswith(TFDS):
        return tfds_spec(key.removeprefix(TFDS), safe_name(key, taken), rules, data_dir)
    path = Path(key)
    name = safe_name(path.stem if path.suffix == ".npz" else path.name, taken)
    if path.is_dir():
        return (arrays_spec if arrays_inside(path) else folder_spec)(path, name, rules)
    if path.suffix == ".npz" and path.is_file():
        return arrays_spec(path, name, rules)
    if not path.exists():
        raise InputError(f"{path} is not there: give the path of a directory of images or of an .npz file")
    raise InputError(
        f"{path} is no set of images: give a directory with a subdirectory for each class, or an .npz file"
    )

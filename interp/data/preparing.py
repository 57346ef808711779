"""Finding a dataset that TensorFlow Datasets has prepared, else having it prepared once."""

import os
import re
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interp.core.errors import InputError, first_line
from interp.data.folders import VARIABLE
from interp.data.tfds import Prepared, import_tfds, open_folder, quiet

_PROBE_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Preparable:
    """A dataset's name in TensorFlow Datasets, what preparing it needs, and advice for when that fails.

    `probe` is an address its download reads; `archives` are files that must be fetched by hand.
    """

    name: str
    advice: str
    probe: str | None = None
    archives: tuple[str, ...] = ()


def find_prepared(wanted: Preparable, root: Path | None, looked: Sequence[Path]) -> Prepared:
    """Return a dataset prepared in `root`/tfds or `root`, else download it to the former.

    Without a root the usual folder of TensorFlow Datasets is taken. `looked` is where official files were not found.
    Raises InputError saying where was looked and what to do.
    """
    homes = _homes(root)
    found = _newest(wanted.name, homes)
    if found is not None:
        return open_folder(found)
    try:
        folder = _download(wanted, homes[0])
    except Exception as error:  # whatever stops a download, the user needs files
        searched = ", ".join(map(str, [*looked, *homes]))
        if root is None:
            raise InputError(
                f"no data folder was given: name the one that holds {wanted.name} with {VARIABLE}, --data-dir or data_dir; "
                f"it is not in {searched} either, and it cannot be prepared ({first_line(error)})"
            ) from error
        raise InputError(
            f"no {wanted.name} was found (looked in {searched}) and it cannot be prepared ({first_line(error)}): "
            f"{wanted.advice}"
        ) from error
    return open_folder(folder)


def prepared_in(name: str, root: Path | None) -> Prepared:
    """Return a dataset prepared in `root`/tfds or `root`, by its name or name/config; nothing is downloaded.

    Raises InputError saying where was looked.
    """
    homes = _homes(root)
    if not re.fullmatch(r"\w+(/\w[\w.+-]*)?", name, re.ASCII):
        raise InputError(f"tfds:{name[:80]} is no name such as tfds:eurosat/rgb: correct it")
    found = _newest(name, homes)
    if found is None:
        told = f"no prepared {name} is in {' or '.join(map(str, homes))}"
        # The name may lack a configuration, or have a version in its place.
        below = (f"{name}/*/*/dataset_info.json", f"{name}/dataset_info.json")
        there = [path.relative_to(home) for home in homes for pattern in below for path in home.glob(pattern)]
        others = sorted({path.parents[1].as_posix() for path in there})
        if others:
            raise InputError(f"{told}, but {', '.join(others)}: give tfds:{others[0]}")
        raise InputError(f"{told}: tensorflow_datasets.load({name!r}, data_dir={str(homes[0])!r}) prepares it")
    return open_folder(found)


def _homes(root: Path | None) -> list[Path]:
    usual = Path(os.path.expanduser(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")))
    return [usual] if root is None else [root / "tfds", root]


def _newest(name: str, homes: Sequence[Path]) -> Path | None:
    """The last version in the first of the homes that has any."""
    for home in homes:
        versions = [path.parent for path in home.glob(f"{name}/*/dataset_info.json")]
        if versions:
            return max(
                versions, key=lambda path: ([int(number) for number in re.findall(r"\d+", path.name)], path.name)
            )
    return None


def _download(wanted: Preparable, home: Path) -> Path:
    """Prepare the newest version under `home` and return its folder; any error may come out."""
    for archive in (home / "downloads" / "manual" / name for name in wanted.archives):
        if not archive.is_file():
            raise InputError(f"{archive} is missing")
    if wanted.probe is not None:
        # Without a network the downloader itself retries for minutes before it gives up.
        request = urllib.request.Request(wanted.probe, method="HEAD")
        urllib.request.urlopen(request, timeout=_PROBE_SECONDS).close()
    tfds = import_tfds()
    with quiet():
        builder = tfds.builder(wanted.name, data_dir=home)
        builder.download_and_prepare()
    return Path(builder.data_dir)

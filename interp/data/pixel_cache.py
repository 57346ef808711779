"""Images that were decoded once: bytes on disk, mapped into memory, complete or not there at all."""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from interp.core.errors import InputError
from interp.core.files import DAMAGED_ARRAY, locked, write_json
from interp.data.npy_file import growing_npy

VARIABLE = "INTERP_CACHE_DIR"
# Raised when decoding changes, so that what earlier versions decoded is not used.
_VERSION = 4
_MOST_NAMES = 20

# The bytes of an image and its label, or the name of a file that cannot be read and the reason.
Row = tuple[np.ndarray, int] | tuple[str, str]


@dataclass(frozen=True)
class CachedImages:
    """Images (n, h, w, c) uint8, mapped from a file, with labels (n,) int64 and the files that were left out, with reasons."""

    images: np.ndarray
    labels: np.ndarray
    left_out: Mapping[str, str]

    def warn(self, what: str) -> None:
        """Warn of the files that were left out, with their number and names."""
        names = [f"{name} ({reason})" for name, reason in self.left_out.items()]
        if names:
            more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            told = f"{len(names)} of {len(names) + len(self.labels)} files of {what} cannot be read and are left out: "
            warnings.warn(told + ", ".join(names[:_MOST_NAMES]) + more, stacklevel=3)


def cache_folder() -> Path:
    """Return the directory of decoded images: INTERP_CACHE_DIR, else ~/.cache/interp. It may be deleted at any time."""
    return Path(os.path.expanduser(os.environ.get(VARIABLE) or "~/.cache/interp"))


def cached_facts(
    parts: Iterable[object],
    find: Callable[[], dict[str, Any]],
    *,
    holds: Callable[[dict[str, Any]], bool] = lambda _: True,
) -> dict[str, Any]:
    """Return what `find` gives, kept as JSON under a digest of the `parts` as long as it `holds`. Raises InputError."""
    path = cache_folder() / f"facts-{_key(parts)}.json"
    found: dict[str, Any] | None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or not holds(found):
        found = find()
        with _writing():
            write_json(path, found)
    return found


def cached_images(
    parts: Iterable[object],
    shape: tuple[int, int, int],
    rows: Callable[[], Iterator[Row]],
    what: str,
    *,
    is_readable: Callable[[str], bool] = lambda _: False,
) -> CachedImages:
    """Return the images of `rows`, decoded now or earlier.

    Args:
        parts: what the images depend on; a digest of these names them in the cache.
        shape: (height, width, channels) of each.
        rows: gives the images one after the other.
        what: names the set in messages.
        is_readable: whether a file that was left out earlier can be read now; then all are decoded again.

    Raises:
        InputError: no image can be read, or the cache cannot be written.
    """
    home = cache_folder() / f"images-{_key([*parts, shape])}"

    def earlier() -> CachedImages | None:
        found = _read(home / "complete", shape)
        return None if found is None or any(map(is_readable, found.left_out)) else found

    found = earlier()
    if found is None:
        with _writing(), locked(home, wait=True):
            # Another process may have written it in the meantime.
            found = earlier()
            if found is None:
                _write(home, shape, rows(), what)
                found = _read(home / "complete", shape)
    if found is None:
        raise InputError(f"{home} changes while it is read: delete it and start again")
    return found


def _key(parts: Iterable[object]) -> str:
    return hashlib.sha256(json.dumps([_VERSION, *parts], default=str).encode()).hexdigest()[:24]


def _read(folder: Path, shape: tuple[int, int, int]) -> CachedImages | None:
    """What was written there; None where nothing was, or where it is damaged."""
    try:
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(folder / "labels.npy", allow_pickle=False)
        left_out = json.loads((folder / "left_out.json").read_text(encoding="utf-8"))
    except DAMAGED_ARRAY:
        return None
    if images.dtype != np.uint8 or images.shape != (len(labels), *shape) or labels.dtype != np.int64:
        return None
    return CachedImages(images, labels, left_out)


def _write(home: Path, shape: tuple[int, int, int], rows: Iterator[Row], what: str) -> None:
    """Write all rows beside the place where they are looked for, then move them there."""
    writing, left_out, count = home / "writing", dict[str, str](), 0
    for leftover in (writing, home / "complete"):
        shutil.rmtree(leftover, ignore_errors=True)
    writing.mkdir(parents=True)
    try:
        with (
            growing_npy(writing / "images.npy", shape, np.uint8) as add_image,
            growing_npy(writing / "labels.npy", (), np.int64) as add_label,
        ):
            for first, second in rows:
                if isinstance(first, str):
                    left_out[first] = str(second)
                    continue
                add_image(first)
                add_label(np.int64(second))
                count += 1
        if not count:
            name, reason = next(iter(left_out.items()), ("it", "it holds none"))
            raise InputError(f"no image of {what} can be read ({name}: {reason}): look at the files")
        write_json(writing / "left_out.json", left_out)
        writing.rename(home / "complete")
    finally:
        shutil.rmtree(writing, ignore_errors=True)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InputError(
            f"cannot write decoded images to {cache_folder()}: {error.strerror or error}; make it writable or free some space, "
            f"or name another directory with {VARIABLE}"
        ) from error

"""A directory of image files, with a subdirectory for each class: where the files are, and loading them."""

import os
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from interp.core.errors import InputError
from interp.core.json_values import json_values
from interp.core.tables import counted
from interp.data.class_list import FILE as CLASS_LIST
from interp.data.class_list import read_class_list
from interp.data.decoding import SUFFIXES, UnreadableImage, decode, read_header
from interp.data.drawn_splits import check_seed, draw_splits
from interp.data.image_rules import ImageRules
from interp.data.pixel_cache import Row, cached_facts, cached_images
from interp.data.pixels import ScaledPixels
from interp.data.record import SPLITS, Dataset
from interp.data.spec import DatasetSpec
from interp.data.user_spec import count_training, user_spec

# The names of directories of splits, in any case.
_FOLDERS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_LAYOUT = "it needs a subdirectory for each class, or train/ and test/ (and validation/) with these inside"
_ALL = "all"
# Fewer files are decoded before anybody looks for progress.
_MANY = 2000

T = TypeVar("T")
# A file's name below the root and its label.
File = tuple[str, int]


@dataclass(frozen=True)
class ImageFolder:
    """The files of an image set: `files` by split, or all together where the splits are drawn."""

    root: Path
    class_names: tuple[str, ...]
    files: dict[str, list[File]]

    @property
    def drawn(self) -> tuple[str, ...]:
        """The splits that are drawn, from train/ or from all files."""
        if _ALL in self.files:
            return SPLITS
        return () if "validation" in self.files or "train" not in self.files else SPLITS[:2]

    def of_split(self, split: str, seed: int) -> list[File]:
        """The files of a split in an order of that seed. Raises InputError."""
        if split in self.drawn:
            files = self.files[_ALL if _ALL in self.files else "train"]
            labels = np.array([label for _, label in files])
            rows = draw_splits(labels, self.class_names, self.drawn[1:], seed)[split]
        elif split in self.files:
            files = self.files[split]
            rows = np.random.RandomState(check_seed(seed)).permutation(len(files))
        else:
            raise InputError(
                f"{self.root} has no {split}/ beside {' and '.join(f'{there}/' for there in self.files)}: add it, or put the classes into "
                f"{self.root} itself, and the splits are drawn"
            )
        return [files[row] for row in rows]

    def stamp(self, files: Sequence[File]) -> list[object]:
        """What tells these files from others: their names, labels, sizes and times."""
        return [str(self.root.resolve()), *([name, label, *_size_and_time(self.root / name)] for name, label in files)]


def folder_spec(root: Path, name: str, rules: ImageRules) -> DatasetSpec:
    """Return the facts of a directory of images. Raises InputError naming what is wrong with it."""
    folder = list_folder(root)
    shape = _shape(folder, rules)

    def load(split: str, data_dir: str | Path | None, seed: int) -> Dataset:
        return _load(list_folder(root), shape, rules, split, seed, name)

    has_training = "train" in folder.files or _ALL in folder.files
    training_images = count_training(lambda: len(folder.of_split("train", 0))) if has_training else 0
    return user_spec(name, shape, folder.class_names, training_images, load)


def list_folder(root: Path) -> ImageFolder:
    """Return the files below a directory by split and class. Raises InputError for a layout that is not known."""
    inside, given = _folders(root), read_class_list(root)
    known = {name: split for name in inside for split in [_FOLDERS.get(name.lower())] if split}
    splits = {split: root / name for name, split in known.items() if _folders(root / name)}
    if not {"train", "test"} & set(splits):
        if not inside:
            raise InputError(f"{root} has no subdirectories: {_LAYOUT}")
        for held in splits.values():
            if inside == [held.name]:
                raise InputError(
                    f"{root} has {held.name}/ and neither train/ nor test/: add them, or give {held} itself, and the splits are drawn"
                )
            same = sorted(set(inside) & set(_folders(held)))
            if same:
                raise InputError(
                    f"{root} has {same[0]} beside {held.name}/{same[0]}: put the classes that are beside {held.name}/ into {root / 'train'}"
                )
        if set(inside) <= set(known):
            raise InputError(f"{root / inside[0]} has no subdirectory for each class: {_LAYOUT}")
        _refuse_splits(root, inside)
        names, files = _classes(root, root, given)
        return ImageFolder(root, names, {_ALL: files})
    doubled = [name for name in known if root / name not in splits.values() and _folders(root / name)]
    if doubled:
        raise InputError(f"{root} has {doubled[0]} beside {splits[known[doubled[0]]].name}: leave one of them")
    listed = {split: _classes(root, splits[split], given) for split in SPLITS if split in splits}
    (first, (names, _)), *others = listed.items()
    for split, (there, _) in others:
        odd = sorted(set(names) ^ set(there))
        if odd:
            has, lacks = (first, split) if odd[0] in names else (split, first)
            raise InputError(
                f"{root} has the class {odd[0]} in {splits[has].name}/ and not in {splits[lacks].name}/: give all splits the same classes"
            )
    return ImageFolder(root, names, {split: files for split, (_, files) in listed.items()})


def _refuse_splits(root: Path, inside: Sequence[str]) -> None:
    """Raise an InputError where the subdirectories hold nothing but the same subdirectories: splits of a name that is not known."""
    contents = {tuple(_folders(root / name)) for name in inside}
    if len(inside) < 2 or len(contents) > 1 or len(*contents) < 2:
        return
    if not any(
        entry.is_file() and entry.suffix.lower() in SUFFIXES for name in inside for entry in (root / name).iterdir()
    ):
        (same,) = contents
        raise InputError(
            f"all of {', '.join(inside)} in {root} hold {', '.join(same)}: if those are the classes, name the directories train, "
            "validation and test; if not, put the images of each class into its directory itself"
        )


def _folders(folder: Path) -> list[str]:
    try:
        return sorted(e.name for e in os.scandir(folder) if not e.name.startswith((".", "__MACOSX")) and e.is_dir())
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}") from error


def _classes(root: Path, folder: Path, given: tuple[str, ...] | None) -> tuple[tuple[str, ...], list[File]]:
    """The classes of a directory, by name or as they are `given`, and their files. Raises InputError."""
    inside, files, others = _folders(folder), list[File](), list[str]()
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and not path.exists() and not path.suffix and not path.name.startswith("."):
            raise InputError(f"{path} is a link to nothing, perhaps to the images of a class: mend or remove it")
    numbers = {name: number for number, name in enumerate(inside if given is None else given)}
    for name in inside:
        before = len(files)
        if name not in numbers:
            raise InputError(
                f"{folder} has the subdirectory {name}, which {root / CLASS_LIST} does not list: add it there, or rename one of them"
            )
        for path in _files(folder / name):
            below = str(path.relative_to(root))
            if path.suffix.lower() in SUFFIXES:
                files.append((below, numbers[name]))
            else:
                others.append(below)
        if len(files) == before:
            raise InputError(
                f"{folder / name} holds no images ({', '.join(SUFFIXES[:4])} and so on): add some, or remove the empty class"
            )
    if len(numbers) < 2:
        raise InputError(f"{folder} has one class, {inside[0]}, expected at least two: {_LAYOUT}")
    if others:
        warnings.warn(
            f"passed over as no images: {counted(len(others), 'file')} of {folder}, such as {others[0]}", stacklevel=4
        )
    return tuple(map(json_values, numbers)), files


def _size_and_time(path: Path) -> tuple[int, ...]:
    """The size and the time of a file; of one that is a link to nothing there is neither, and it is told where it is decoded."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns


def _files(folder: Path) -> list[Path]:
    """All files below a directory that are not hidden, by name, those behind links too. Raises InputError."""
    found, seen = [], set[str]()
    for where, inside, names in os.walk(folder, onerror=_refuse, followlinks=True):
        # Links may lead in a circle.
        if os.path.realpath(where) in seen:
            inside[:] = []
            continue
        seen.add(os.path.realpath(where))
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        visible = sorted(
            name for name in names if not name.startswith(".") and name not in ("Thumbs.db", "desktop.ini")
        )
        paths = [Path(where) / name for name in visible]
        # A link to nothing is a file that cannot be read, not one less.
        found += [path for path in paths if path.is_file() or path.is_symlink()]
    return found


def _refuse(error: OSError) -> None:
    raise InputError(f"cannot read {error.filename}: {error.strerror}") from error


def _shape(folder: ImageFolder, rules: ImageRules) -> tuple[int, int, int]:
    """The shape that all images get. Raises InputError."""
    files = [file for part in folder.files.values() for file in part]
    facts = cached_facts(
        folder.stamp(files),
        lambda: _headers(folder, files),
        # Without a change of its size or time a file can be read once it may be, or once its format is known.
        holds=lambda facts: not facts["unreadable"] or not _can(read_header, folder.root / facts["unreadable"][0]),
    )
    if facts["unreadable"] and rules.unreadable == "error":
        raise _unreadable(folder.root / facts["unreadable"][0], facts["unreadable"][1])
    if not facts["sizes"]:
        raise InputError(f"no image of {folder.root} can be read ({facts['unreadable'][1]}): look at the files")
    smallest, largest = facts["sizes"]
    if rules.image_size is None and smallest != largest:
        written = [f"{height}x{width}" for height, width in (smallest, largest)]
        raise InputError(
            f"images of {folder.root} differ in size (height x width {written[0]} to {written[1]}): bring them to one with --image-size "
            f"(in Python image_size=(height, width)), for example --image-size {smallest[0]},{smallest[0]}"
        )
    height, width = smallest
    return rules.shape(height, width, 1 if facts["grey"] else 3)


def _headers(folder: ImageFolder, files: Sequence[File]) -> dict[str, Any]:
    """The smallest and the largest size, whether all is grey, and the first file that cannot be read."""
    sizes, grey, unreadable = set[tuple[int, int]](), True, list[str]()
    for (name, _), found in zip(
        files, _in_threads(partial(_or_reason, read_header), [folder.root / name for name, _ in files], "")
    ):
        if isinstance(found, UnreadableImage):
            unreadable = unreadable or [name, str(found)]
        else:
            sizes.add((found.height, found.width))
            grey = grey and found.is_grey
    return {"sizes": [min(sizes), max(sizes)] if sizes else [], "grey": grey, "unreadable": unreadable}


def _load(
    folder: ImageFolder, shape: tuple[int, int, int], rules: ImageRules, split: str, seed: int, name: str
) -> Dataset:
    files = folder.of_split(split, seed)
    what = f"{folder.root}, {split}"
    parts = [*folder.stamp(files), rules.crop]

    def rows() -> Iterator[Row]:
        now = _shape(folder, rules)
        if now != shape:
            raise InputError(
                f"images of {folder.root} changed from {shape} (height, width, channels) to {now} since they were first looked at: start "
                "again, or in Python say anew how they are to be read, as in find_dataset(path, crop='center')"
            )
        return _decoded(folder, files, shape, rules, what)

    found = cached_images(
        parts,
        shape,
        rows,
        what,
        is_readable=lambda name: _can(partial(decode, shape=shape, rules=rules), folder.root / name),
    )
    if found.left_out and rules.unreadable == "error":
        # Decoded earlier, when such files were to be left out.
        first, reason = next(iter(found.left_out.items()))
        raise _unreadable(folder.root / first, reason)
    found.warn(what)
    lost = np.setdiff1d([label for _, label in files], found.labels)
    if len(lost):
        raise InputError(
            f"no image of the class {folder.class_names[lost[0]]} in {what} can be read: look at its files"
        )
    drawn = f", split drawn by seed {seed}" if split in folder.drawn else ""
    return Dataset(
        images=ScaledPixels(found.images),
        labels=found.labels,
        class_names=folder.class_names,
        source=f"images of {json_values(folder.root.name or str(folder.root))}{rules.told()}{drawn}",
        split=split,
        name=name,
    )


def _decoded(
    folder: ImageFolder, files: Sequence[File], shape: tuple[int, int, int], rules: ImageRules, what: str
) -> Iterator[Row]:
    paths = [folder.root / name for name, _ in files]
    work = partial(_or_reason, partial(decode, shape=shape, rules=rules))
    for (name, label), found in zip(files, _in_threads(work, paths, what)):
        if not isinstance(found, UnreadableImage):
            yield found, label
        elif rules.unreadable == "error":
            raise _unreadable(folder.root / name, str(found))
        else:
            yield name, str(found)


def _unreadable(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} cannot be read ({reason}): replace or remove it, or leave such files out with --unreadable skip (in Python "
        'unreadable="skip")'
    )


def _can(function: Callable[[Path], Any], path: Path) -> bool:
    return not isinstance(_or_reason(function, path), UnreadableImage)


def _or_reason(function: Callable[[Path], T], path: Path) -> T | UnreadableImage:
    try:
        return function(path)
    except UnreadableImage as error:
        return error


def _in_threads(function: Callable[[Path], T], paths: Sequence[Path], what: str) -> Iterator[T]:
    """What the function gives for each path, in their order; only a few are ahead, so memory stays small."""
    from tqdm import tqdm

    workers = min(8, os.cpu_count() or 1)
    ahead: deque[Future[T]] = deque()
    shown = {"desc": f"decoding {what}", "unit": "image", "disable": not what or len(paths) < _MANY}
    interval = 0.5 if sys.stderr.isatty() else 20
    with ThreadPoolExecutor(workers) as pool, tqdm(total=len(paths), mininterval=interval, ascii=" =", **shown) as bar:
        try:
            for path in paths:
                ahead.append(pool.submit(function, path))
                if len(ahead) >= 8 * workers:
                    bar.update()
                    yield ahead.popleft().result()
            while ahead:
                bar.update()
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()

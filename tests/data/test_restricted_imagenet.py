"""Restricted ImageNet: arrays that are there, arrays made from a stream, and arrays that are damaged."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp import data
from interp.data.restricted_imagenet import read_arrays
from interp.data.superclasses import CLASS_NAMES, RANGES, SUPERCLASS, resize, write_arrays, write_split

ARRAYS = ["eval_images.npy", "eval_labels.npy", "train_images.npy", "train_labels.npy"]


def write_eval(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "eval_images.npy", images)
    np.save(folder / "eval_labels.npy", labels)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.RandomState(0).randint(0, 256, (3, 224, 224, 3)).astype(np.uint8)


@pytest.mark.parametrize("folder", [".", "imagenet", "restimagenet"])
def test_arrays_that_are_there(tmp_path: Path, images: np.ndarray, folder: str) -> None:
    write_eval(tmp_path / folder, images, np.array([8, 0, 3], np.int32))
    test = data.load("restimagenet", "test", data_dir=tmp_path)
    assert isinstance(test.images, data.ScaledPixels)
    np.testing.assert_array_equal(test.images[1], images[1] / np.float32(255))
    assert test.labels.tolist() == [8, 0, 3]
    assert [test.class_names[label] for label in test.labels] == ["insect", "dog", "turtle"]
    assert test.source == "Restricted ImageNet arrays (npy)"


def test_the_first_5000_training_images_are_validation(tmp_path: Path) -> None:
    count = 5003  # 750 MB that take no room: nearly all of the file is a hole
    pixels = np.lib.format.open_memmap(tmp_path / "train_images.npy", "w+", np.uint8, (count, 224, 224, 3))
    pixels[4999], pixels[5000] = 51, 255
    labels = np.zeros(count, np.int64)
    labels[4999], labels[5000] = 1, 2
    np.save(tmp_path / "train_labels.npy", labels)
    validation, train = (data.load("restimagenet", split, data_dir=tmp_path) for split in ("validation", "train"))
    assert (len(validation), len(train)) == (5000, 3)
    assert (validation.labels[-1], train.labels[0]) == (1, 2)
    assert validation.images[-1].max() == np.float32(0.2)
    assert train.images[0].min() == 1


def test_a_missing_file_is_named(tmp_path: Path, images: np.ndarray, refuses: Any) -> None:
    np.save(tmp_path / "eval_images.npy", images)
    refuses(lambda: data.load("restimagenet", "test", data_dir=tmp_path), tmp_path / "eval_labels.npy", "missing")


@pytest.mark.parametrize(
    ("labels", "word"),
    [
        (np.array([0, 9, 1]), "[0, 9]"),
        (np.array([0, -1, 1]), "[-1, 1]"),
        (np.array([0, 1]), "(2,)"),
        (np.array([0.0, 1.0, 2.0]), "float64"),
        (np.array([0, 1, "a"], object), "get the file again"),
    ],
)
def test_labels_that_do_not_fit_are_named(
    tmp_path: Path, images: np.ndarray, refuses: Any, labels: Any, word: str
) -> None:
    write_eval(tmp_path, images, labels)
    refuses(lambda: data.load("restimagenet", "test", data_dir=tmp_path), tmp_path / "eval_labels.npy", word)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((3, 224, 224), np.uint8), np.zeros((3, 64, 64, 3), np.uint8), np.zeros((3, 224, 224, 3), np.float16)],
)
def test_images_that_do_not_fit_are_named(tmp_path: Path, refuses: Any, pixels: np.ndarray) -> None:
    write_eval(tmp_path, pixels, np.zeros(3, np.int64))
    refuses(lambda: data.load("restimagenet", "test", data_dir=tmp_path), tmp_path / "eval_images.npy", pixels.dtype)


def test_damaged_files_are_named(tmp_path: Path, images: np.ndarray, refuses: Any) -> None:
    write_eval(tmp_path, images, np.zeros(3, np.int64))
    path = tmp_path / "eval_images.npy"
    whole = path.read_bytes()
    np.savez(tmp_path / "archive.npz", images)
    for content in (b"", b"text", whole[:60], whole[:-1], (tmp_path / "archive.npz").read_bytes()):
        path.write_bytes(content)
        refuses(lambda: data.load("restimagenet", "test", data_dir=tmp_path), path)
    np.save(path, images[:0])
    np.save(tmp_path / "eval_labels.npy", np.zeros(0, np.int64))
    refuses(lambda: read_arrays(path, tmp_path / "eval_labels.npy"), path)


def test_the_ranges() -> None:
    assert CLASS_NAMES == ("dog", "cat", "frog", "turtle", "bird", "primate", "fish", "crab", "insect")
    assert SUPERCLASS[[151, 268, 281, 285, 30, 32, 33, 37, 80, 100]].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert SUPERCLASS[[365, 382, 389, 397, 118, 121, 300, 319]].tolist() == [5, 5, 6, 6, 7, 7, 8, 8]
    assert SUPERCLASS[[0, 29, 38, 79, 101, 117, 122, 150, 269, 280, 286, 299, 320, 999]].tolist() == [-1] * 14
    assert (SUPERCLASS >= 0).sum() == sum(last - first + 1 for first, last in RANGES.values()) == 203


def stream(count: int, seed: int) -> Iterator[tuple[np.ndarray, int]]:
    """Pictures of one grey each, of several sizes; every other one has no superclass."""
    firsts = [first for first, _ in RANGES.values()]
    for i in range(count):
        height, width = 100 + 60 * (i % 4), 300 - 50 * (i % 3)
        grey = np.full((height, width, 3), (i * 7 + seed) % 256, np.uint8)
        yield grey, firsts[i // 2 % 9] if i % 2 else 0


def test_a_stream_is_filtered_resized_and_written(tmp_path: Path) -> None:
    folder = tmp_path / "restimagenet"
    write_arrays(stream(40, 0), stream(20, 100), folder, origin="a made-up stream")
    assert sorted(path.name for path in folder.glob("*.npy")) == ARRAYS
    pixels, labels = read_arrays(folder / "train_images.npy", folder / "train_labels.npy")
    assert pixels.shape == (20, 224, 224, 3)
    assert labels.tolist() == [i // 2 % 9 for i in range(1, 40, 2)]
    np.testing.assert_array_equal(pixels[:, 100, 100, 0], [i * 7 % 256 for i in range(1, 40, 2)])
    test = data.load("restimagenet", "test", data_dir=tmp_path)
    assert len(test) == 10
    assert "a made-up stream" in test.source
    assert sorted(path.name for path in tmp_path.iterdir()) == ["restimagenet"]


def test_a_stream_that_breaks_leaves_nothing(tmp_path: Path, refuses: Any) -> None:
    def breaks() -> Iterator[tuple[np.ndarray, int]]:
        yield from stream(4, 0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_arrays(stream(4, 0), breaks(), tmp_path / "restimagenet", origin="")
    refuses(lambda: write_arrays(stream(4, 0), [], tmp_path / "restimagenet", origin=""), "no image belongs")
    assert list(tmp_path.iterdir()) == []


def test_files_in_the_way_are_not_overwritten(tmp_path: Path, refuses: Any) -> None:
    (tmp_path / "mine").touch()
    refuses(lambda: write_arrays(stream(4, 0), stream(4, 0), tmp_path, origin=""), tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


@pytest.mark.parametrize(
    "example",
    [
        (np.zeros((10, 10), np.uint8), 151),
        (np.zeros((10, 10, 3), np.float32), 151),
        (np.zeros((0, 0, 3), np.uint8), 151),
        (np.zeros((10, 10, 3), np.uint8), 1000),
        (np.zeros((10, 10, 3), np.uint8), -1),
    ],
)
def test_examples_that_cannot_be_used_are_refused(tmp_path: Path, refuses: Any, example: Any) -> None:
    refuses(lambda: write_split([example], tmp_path / "images.npy", tmp_path / "labels.npy"), "expected")


@pytest.mark.parametrize("shape", [(448, 448, 3), (448, 224, 3), (50, 80, 3), (224, 224, 3)])
def test_resizing_keeps_the_mean(shape: tuple[int, ...]) -> None:
    image = np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)
    small = resize(image)
    assert small.shape == (224, 224, 3)
    np.testing.assert_allclose(small.mean((0, 1)), image.mean((0, 1)), atol=3)


def test_from_a_prepared_imagenet(tmp_path: Path, prepare: Any) -> None:
    parts = {"train": [*stream(4, 0)], "validation": [*stream(12, 100)]}
    prepare(tmp_path / "tfds", "imagenet2012", "5.1.0", 1000, parts)
    test = data.load("restimagenet", "test", data_dir=tmp_path)
    found = sorted(zip(np.rint(test.images[:, 0, 0, 0] * 255), test.labels))
    assert found == [((i * 7 + 100) % 256, i // 2) for i in range(1, 12, 2)]
    assert "made from TensorFlow Datasets imagenet2012 5.1.0" in test.source
    made = (tmp_path / "restimagenet" / "eval_images.npy").stat().st_mtime_ns
    data.load("restimagenet", "test", data_dir=tmp_path)
    assert (tmp_path / "restimagenet" / "eval_images.npy").stat().st_mtime_ns == made


def test_a_damaged_prepared_imagenet_leaves_nothing(tmp_path: Path, prepare: Any, refuses: Any) -> None:
    prepare(tmp_path, "imagenet2012", "5.1.0", 1000, {"train": [*stream(4, 0)], "validation": [*stream(4, 0)]})
    folder = tmp_path / "imagenet2012" / "5.1.0"
    records = next(folder.glob("*validation*"))
    records.write_bytes(records.read_bytes()[:-10])
    before = set(tmp_path.iterdir())
    refuses(lambda: data.load("restimagenet", "test", data_dir=tmp_path), folder, "prepare it again")
    assert set(tmp_path.iterdir()) == before

"""The record: what it refuses, what it takes, and pixels that stay on disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp.data import Dataset, ScaledPixels


def record(**changes: Any) -> Dataset:
    parts: dict[str, Any] = {
        "images": np.linspace(0, 1, 5 * 2 * 3 * 1, dtype=np.float32).reshape(5, 2, 3, 1),
        "labels": np.array([0, 1, 2, 1, 0]),
        "class_names": ("a", "b", "c"),
        "source": "made up",
        "split": "test",
        "name": "toy",
    }
    return Dataset(**{**parts, **changes})


def test_it_tells_its_shape() -> None:
    toy = record()
    assert (len(toy), toy.classes, toy.image_shape) == (5, 3, (2, 3, 1))
    # And no pixels, which would fill the screen.
    assert repr(toy) == str(toy) == "<Dataset toy, test: 5 images of (2, 3, 1), 3 classes, from made up>"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"images": np.zeros((5, 2, 3), np.float32)}, "(5, 2, 3)"),
        ({"images": np.zeros((5, 2, 3, 1), np.float64)}, "float64"),
        ({"images": [[[[0.0]]]]}, "list"),
        ({"images": np.zeros((0, 2, 3, 1), np.float32), "labels": np.zeros(0, np.int64)}, "empty"),
        ({"images": np.full((5, 2, 3, 1), 1.5, np.float32)}, "1.5"),
        ({"images": np.full((5, 2, 3, 1), np.nan, np.float32)}, "nan"),
        ({"labels": np.zeros(4, np.int64)}, "(4,)"),
        ({"labels": np.zeros(5, np.int32)}, "int32"),
        ({"labels": [0, 0, 0, 0, 0]}, "list"),
        ({"labels": np.array([0, 0, 0, 0, 3])}, "[0, 3]"),
        ({"labels": np.array([-1, 0, 0, 0, 0])}, "[-1, 0]"),
        ({"split": "tset"}, "did you mean 'test'"),
    ],
)
def test_parts_that_do_not_fit_are_refused(refuses: Any, changes: dict[str, Any], word: str) -> None:
    refuses(lambda: record(**changes), word)


def test_take_gives_the_first_or_the_chosen() -> None:
    toy = record()
    np.testing.assert_array_equal(toy.take(2).images, toy.images[:2])
    chosen = toy.take([4, 1, 1])
    np.testing.assert_array_equal(chosen.labels, [0, 1, 1])
    np.testing.assert_array_equal(chosen.images, np.asarray(toy.images)[[4, 1, 1]])
    assert (chosen.source, chosen.split, chosen.name) == ("made up", "test", "toy")


@pytest.mark.parametrize("which", [0, 6, -1, True, [], [5], [-1], [0.5], [[0]], [True, False]])
def test_take_refuses_what_is_not_there(refuses: Any, which: Any) -> None:
    refuses(lambda: record().take(which))


@pytest.fixture
def stored(tmp_path: Path) -> np.ndarray:
    pixels = np.random.RandomState(0).randint(0, 256, (5, 2, 3, 1)).astype(np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    return np.load(tmp_path / "pixels.npy", mmap_mode="r")


@pytest.mark.parametrize("index", [0, -1, slice(1, 4), slice(None, None, 2), [3, 0], np.array([2, 2])])
def test_scaled_pixels_read_as_float32(stored: np.ndarray, index: Any) -> None:
    part = ScaledPixels(stored)[index]
    assert type(part) is np.ndarray
    assert part.dtype == np.float32
    np.testing.assert_array_equal(part, stored[index].astype(np.float32) / np.float32(255))


@pytest.mark.parametrize(
    "index",
    [(), (..., 0), (0, 1), (-1, ..., 0), np.s_[1:3, :, 1], np.s_[:, 0, [2, 0]], np.s_[0, :, [2, 0]], ([3, 0], 1)],
)
def test_chosen_pixels_take_indices_of_several_axes_as_arrays_do(stored: np.ndarray, index: Any) -> None:
    places = np.array([4, 1, 2, 0])
    part = ScaledPixels(stored).rows(places)[index]
    np.testing.assert_array_equal(part, stored[places][index].astype(np.float32) / np.float32(255))


def test_scaled_pixels_are_an_array_when_asked(stored: np.ndarray) -> None:
    pixels = ScaledPixels(stored)
    assert (pixels.shape, pixels.ndim, len(pixels), pixels.dtype) == ((5, 2, 3, 1), 4, 5, np.float32)
    np.testing.assert_array_equal(np.asarray(pixels), pixels[:])
    assert np.asarray(pixels, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        np.array(pixels, copy=False)


def test_a_record_of_scaled_pixels_takes_the_first_without_loading(stored: np.ndarray) -> None:
    toy = record(images=ScaledPixels(stored))
    assert isinstance(toy.take(3).images, ScaledPixels)
    np.testing.assert_array_equal(toy.take(3).images[:], toy.images[:3])
    np.testing.assert_array_equal(toy.take([4, 0]).images, toy.images[[4, 0]])


@pytest.mark.parametrize("on_disk", [False, True])
def test_few_stand_for_all(stored: np.ndarray, on_disk: bool, refuses: Any) -> None:
    toy = record(images=ScaledPixels(stored)) if on_disk else record()
    assert toy.few(5) is toy.few(7) is toy
    few = toy.few(3)
    assert isinstance(few.images, ScaledPixels) == on_disk
    rows = np.sort(np.random.RandomState(99).permutation(5)[:3])
    assert list(rows) != [0, 1, 2]
    np.testing.assert_array_equal(few.images[:], toy.images[rows])
    np.testing.assert_array_equal(few.labels, toy.labels[rows])
    refuses(lambda: toy.few(0), "expected at least 1")


@pytest.mark.parametrize("pixels", [np.zeros((2, 2, 2, 1), np.float32), np.zeros((2, 2), np.uint8), [1]])
def test_scaled_pixels_refuse_anything_but_bytes(refuses: Any, pixels: Any) -> None:
    refuses(lambda: ScaledPixels(pixels), "expected uint8")

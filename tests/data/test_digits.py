"""The bundled digits: sizes, range, and a split that the seed fixes."""

from typing import Any

import numpy as np
import pytest

from interp import data


def rows(split: str, seed: int = 99) -> list[bytes]:
    return [image.tobytes() for image in data.load("digits", split, seed=seed).images]


@pytest.mark.parametrize(("split", "count"), [("train", 1197), ("validation", 200), ("test", 400)])
def test_sizes_and_contract(split: str, count: int) -> None:
    digits = data.load("digits", split)
    assert digits.images.shape == (count, 28, 28, 1)
    assert digits.images.dtype == np.float32
    assert (digits.images.min(), digits.images.max()) == (0, 1)
    assert digits.labels.dtype == np.int64
    assert set(digits.labels) == set(range(10))
    assert (digits.split, digits.name, digits.classes) == (split, "digits", 10)
    assert "seed 99" in digits.source


def test_the_seed_fixes_the_split() -> None:
    assert rows("test") == rows("test")
    assert rows("test") != rows("test", seed=1)


def test_the_splits_are_disjoint_and_complete() -> None:
    from sklearn.datasets import load_digits

    parts = [rows(split) for split in data.SPLITS]
    together = [image for part in parts for image in part]
    # Scikit-learn's set holds no picture twice, and resizing keeps them apart.
    assert len(np.unique(load_digits().data, axis=0)) == 1797
    assert len(set(together)) == 1797


def test_pictures_keep_their_ink_and_their_label() -> None:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    digits = data.load("digits", "test")
    originals = np.random.RandomState(99).permutation(1797)[1397:]
    np.testing.assert_array_equal(digits.labels, bunch.target[originals])
    ink = np.asarray(digits.images).mean((1, 2, 3))
    np.testing.assert_allclose(ink, bunch.images[originals].mean((1, 2)) / 16, atol=0.02)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", True])
def test_a_bad_seed_is_refused(refuses: Any, seed: Any) -> None:
    refuses(lambda: data.load("digits", "test", seed=seed), "seed", repr(seed))

"""Which pixels ROAR and KAR erase, and with what."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.core.errors import InputError
from interp.data import Dataset
from interp.evaluation.erasure import check_ratio, erase, find_protocol, pixel_ranks

PAPER, WHITEBOX = find_protocol("paper"), find_protocol("whitebox")
IMAGES = np.linspace(0.1, 0.8, 16, dtype=np.float32).reshape(2, 2, 2, 2)
DATA = Dataset(images=IMAGES, labels=np.array([0, 1]), class_names=("a", "b"), source="hand", split="train", name="toy")
SCORES = np.array([[[4, 3], [2, 1]], [[-1, 5], [0, 9]]], np.float32)
MEAN = np.array([0.25, 0.5])


def changed(data):
    return (data.images != IMAGES).any(-1).reshape(2, 4).tolist()


@pytest.mark.parametrize(
    ("metric", "protocol", "ratio", "gone"),
    [
        ("roar", PAPER, 0.25, [[1, 0, 0, 0], [0, 0, 0, 1]]),
        ("roar", WHITEBOX, 0.5, [[1, 1, 0, 0], [0, 1, 0, 1]]),
        ("kar", PAPER, 0.25, [[0, 0, 0, 1], [1, 0, 0, 0]]),
        # Kept: the top quarter.
        ("kar", WHITEBOX, 0.25, [[0, 1, 1, 1], [1, 1, 1, 0]]),
    ],
)
def test_by_hand(metric, protocol, ratio, gone):
    found = erase(DATA, pixel_ranks(SCORES), metric, ratio, protocol, MEAN)
    assert changed(found) == [[bool(pixel) for pixel in row] for row in gone]
    fill = MEAN if protocol is PAPER else np.zeros(2)
    np.testing.assert_allclose(found.images[np.array(gone, bool).reshape(2, 2, 2)], np.tile(fill, (np.sum(gone), 1)))
    assert found.images.dtype == np.float32
    np.testing.assert_array_equal(found.labels, DATA.labels)


@given(ratio=st.floats(0.01, 0.99), seed=st.integers(0, 100))
def test_what_roar_erases_kar_keeps(ratio, seed):
    """With the same ranks the two share the pixels between them, and the number that goes is the ratio's."""
    scores = np.random.RandomState(seed).rand(2, 2, 2)
    ranks = pixel_ranks(scores, seed=seed)
    roar = np.array(changed(erase(DATA, ranks, "roar", ratio, PAPER, MEAN)))
    kar = np.array(changed(erase(DATA, ranks, "kar", ratio, WHITEBOX, MEAN)))
    assert (roar.sum(1) == round(4 * ratio)).all()
    assert (kar.sum(1) == round(4 * (1 - ratio))).all()
    if round(4 * ratio) + round(4 * (1 - ratio)) == 4:
        assert (roar ^ kar).all()


def test_ties_are_drawn_for_each_image():
    ranks = pixel_ranks(np.zeros((50, 5, 5)))
    assert all(sorted(row) == list(range(25)) for row in ranks.tolist())
    assert len({tuple(row) for row in ranks.tolist()}) == 50
    np.testing.assert_array_equal(ranks, pixel_ranks(np.zeros((50, 5, 5))))
    assert (ranks != pixel_ranks(np.zeros((50, 5, 5)), seed=1)).any()
    mixed = np.zeros((1, 2, 3))
    mixed[0, 1, 1], mixed[0, 0, 0] = 2, -1
    order = pixel_ranks(mixed)[0]
    assert order[4] == 0
    assert order[0] == 5


@pytest.mark.parametrize("ratio", [0, 1, -0.1, 1.5, float("nan"), "half", True])
def test_ratios_lie_between_0_and_1(ratio):
    with pytest.raises(InputError, match="ratio came as"):
        check_ratio(ratio)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="unknown metric 'road'"):
        erase(DATA, pixel_ranks(SCORES), "road", 0.5, PAPER, MEAN)
    with pytest.raises(InputError, match="ranks came with shape"):
        erase(DATA, pixel_ranks(SCORES[:1]), "roar", 0.5, PAPER, MEAN)
    with pytest.raises(InputError, match="unknown protocol of ROAR and KAR 'papier': did you mean 'paper'"):
        find_protocol("papier")
    assert "train, validation, test images erased, filled with training mean" in str(PAPER)
    assert "whitebox protocol: train images erased, filled with 0, ratio of KAR = fraction kept" in str(WHITEBOX)

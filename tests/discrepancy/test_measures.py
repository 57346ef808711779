"""Measures of agreement of maps: by hand, bounds, names, bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.core import names
from interp.core.errors import InputError
from interp.discrepancy import (
    MEASURES,
    CentreShift,
    Cosine,
    KendallTau,
    MassOnMask,
    Pearson,
    Spearman,
    StructuralSimilarity,
    TopKOverlap,
    find_measure,
)


def maps(*values):
    """Maps of one row each."""
    return np.array(values, np.float32)[:, None, :, None]


CLEAN = maps([1, 2, 3, 4])


@pytest.mark.parametrize(
    ("measure", "moved", "expected"),
    [
        # One of six pairs is reversed.
        (KendallTau(), [1, 2, 4, 3], (5 - 1) / 6),
        (KendallTau(), [4, 3, 2, 1], -1),
        (KendallTau(), [1, 1, 1, 1], np.nan),
        # 1 - 6 sum(d^2) / (n (n^2 - 1)), d = (0, 0, 1, 1).
        (Spearman(), [1, 2, 4, 3], 1 - 12 / 60),
        (Pearson(), [2, 4, 6, 8.0], 1),
        (Pearson(), [4, 3, 2, 1], -1),
        # (1 + 4 + 9 + 16) / sqrt(30 * 30) of the same, 0 of orthogonal ones.
        (Cosine(), [1, 2, 3, 4], 1),
        (Cosine(), [4, 3, -2, -1], (4 + 6 - 6 - 4) / 30),
        (Cosine(), [0, 0, 0, 0], np.nan),
        (TopKOverlap(k=2), [1, 9, 2, 8], 0.5),
        (TopKOverlap(k=0.5), [1, 9, 2, 8], 0.5),
        (TopKOverlap(k=2), [1, 1, 1, 1], np.nan),
        # 9 and 8 stand beside or on 3 and 4.
        (TopKOverlap(k=2, radius=1), [1, 9, 2, 8], 1),
        (TopKOverlap(k=2, radius=1), [9, 8, 2, 1], 0.5),
        # Centres at (0.5 + 3 + 7.5 + 14) / 10 = 2.5 and 1.5 of 4 columns.
        (CentreShift(), [4, 3, 2, 1], 1 / 4),
        (CentreShift(), [-1, -2, -3, -4], 0),
        (CentreShift(), [0, 0, 0, 0], np.nan),
        (MassOnMask(masks=np.array([[[0, 0, 1, 1]]])), [1, -2, 3, -4], 0.7),
    ],
)
def test_by_hand(measure, moved, expected):
    np.testing.assert_allclose(measure(CLEAN, maps(moved)), [expected], rtol=1e-6)


def test_structural_similarity_of_the_same_and_of_the_opposite():
    clean = np.random.RandomState(0).rand(2, 9, 9, 1).astype(np.float32)
    np.testing.assert_allclose(StructuralSimilarity(size=(18, 18))(clean, clean), 1, rtol=1e-6)
    assert (StructuralSimilarity()(clean, 1 - clean) < 0).all()
    assert np.isnan(StructuralSimilarity()(np.ones_like(clean), clean)).all()
    assert np.isnan(StructuralSimilarity()(clean[:, :2], clean[:, :2])).all()


@given(seed=st.integers(0, 1000), name=st.sampled_from(list(MEASURES)))
def test_unmoved_maps_agree_fully_and_others_stay_in_bounds(seed, name):
    generator, measure = np.random.RandomState(seed), find_measure(name)
    clean, moved = generator.randn(2, 3, 8, 8, 1).astype(np.float32)
    same, other = measure(clean, clean), measure(clean, moved)
    np.testing.assert_allclose(same, 0 if measure.rises else 1, atol=1e-6)
    assert (measure.loss(other) >= measure.loss(same) - 1e-6).all()
    assert (np.abs(other) <= np.sqrt(2)).all()


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64])
@pytest.mark.parametrize("measure", [*(make() for make in MEASURES.values()), TopKOverlap(k=3, radius=1)])
def test_whole_numbers_and_booleans_are_numbers(kind, measure):
    clean, moved = np.random.RandomState(0).randint(0, 3, (2, 2, 8, 8, 1)).astype(kind)
    expected = measure(clean.astype(np.float64), moved.astype(np.float64))
    np.testing.assert_allclose(measure(clean, moved), expected, rtol=1e-6)


@pytest.mark.parametrize("name", MEASURES)
def test_of_no_maps_there_are_no_values(name):
    assert find_measure(name)(np.zeros((0, 8, 8, 1)), np.zeros((0, 8, 8, 1))).shape == (0,)


def test_undefined_values_are_never_worse():
    assert (KendallTau().loss(np.array([np.nan])) == -np.inf).all()
    assert (CentreShift().loss(np.array([np.nan, 0.5])) == [-np.inf, 0.5]).all()


def test_names_are_those_of_command_lines():
    assert tuple(MEASURES) == names.MEASURES
    assert len({measure().title for measure in MEASURES.values()}) == len(MEASURES)


def test_masks_of_another_range_are_told_theirs():
    """Their shape is right, so it alone would say nothing."""
    with pytest.raises(InputError, match=r"values in \[0, 255\], expected .* weights in \[0, 1\]"):
        MassOnMask(masks=np.array([[[0, 255]]], np.uint8))


def test_masks_follow_the_rows():
    measure = MassOnMask(masks=np.eye(3)[:, None])
    np.testing.assert_array_equal(measure.take(np.array([2, 0]), 3).masks[:, 0], np.eye(3)[[2, 0]])


@pytest.mark.parametrize(
    "make",
    [
        lambda: find_measure("tau"),
        lambda: TopKOverlap(k=0),
        lambda: TopKOverlap(k=2.5),
        lambda: TopKOverlap(k=8)(CLEAN, CLEAN),
        lambda: TopKOverlap(radius=-1),
        lambda: StructuralSimilarity(size="ab"),
        lambda: StructuralSimilarity(size=(0, 5)),
        lambda: MassOnMask(masks=np.full((1, 2, 2), np.nan)),
        lambda: MassOnMask(masks=None),
        lambda: MassOnMask(masks=np.ones((2, 1, 4))).take(np.array([0]), 3),
        lambda: KendallTau()(CLEAN, CLEAN[:, :, :3]),
        lambda: KendallTau()(CLEAN[..., 0], CLEAN[..., 0]),
        lambda: KendallTau()(CLEAN, CLEAN * np.nan),
        lambda: MassOnMask(masks=np.ones((2, 1, 4)))(CLEAN, CLEAN),
    ],
)
def test_bad_input(make):
    with pytest.raises(InputError):
        make()

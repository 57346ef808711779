"""Agreement of maps, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from interp.core.errors import InputError
from interp.discrepancy import kendall_tau, pearson_r, spearman_r, top_k_overlap

MAPS = np.array([[1.0, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [5, 5, 5, 5]])
OTHER = np.array([[2.0, 4, 6, 8], [4, 3, 2, 1], [1, 2, 4, 3], [1, 2, 3, 4]])


def test_kendall_tau_by_hand():
    # Of the six pairs all, none and five are in the same order; a constant map has no order.
    np.testing.assert_allclose(kendall_tau(MAPS, OTHER), [1, -1, 4 / 6, np.nan])


def test_pearson_by_hand():
    np.testing.assert_allclose(pearson_r(MAPS, OTHER), [1, -1, 0.8, np.nan])


def test_a_constant_map_has_no_correlation_in_double_precision_either():
    """The mean of 49 times 0.1 is not 0.1, so the map that is left is not quite 0."""
    constant, varied = np.full((1, 49), 0.1), np.arange(49.0)[None]
    assert constant.mean() != 0.1
    assert np.isnan(pearson_r(constant, varied)).all()
    assert np.isnan(pearson_r(varied, constant)).all()


def test_top_k_by_hand():
    # Of a constant map no position is the strongest.
    np.testing.assert_allclose(top_k_overlap(MAPS, OTHER, 2), [1, 0, 1, np.nan])
    np.testing.assert_allclose(top_k_overlap(MAPS, OTHER, 1), [1, 0, 0, np.nan])
    np.testing.assert_allclose(top_k_overlap(MAPS[3:], MAPS[3:], 2), [np.nan])


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int8, np.float16])
@pytest.mark.parametrize(
    "agreement", [kendall_tau, pearson_r, spearman_r, lambda one, other: top_k_overlap(one, other, 2)]
)
def test_whole_numbers_and_booleans_are_numbers(kind, agreement):
    """A map and a mask of an object, say. Numbers without a sign cannot be turned round, nor booleans subtracted."""
    one, other = np.array([[0, 5, 0, 9.0], [1, 1, 0, 0]]).astype(kind), np.array([[0, 1, 0, 1.0], [0, 1, 1, 1]])
    expected = agreement(one.astype(np.float64), other)
    np.testing.assert_allclose(agreement(one, other), expected)
    np.testing.assert_allclose(agreement(other, one), expected)


@pytest.mark.integration
@given(arrays.arrays(np.float64, (3, 7), elements=st.floats(-5, 5, width=16), unique=True), st.integers(1, 7))
def test_a_map_agrees_with_itself_and_measures_are_bounded(maps, k):
    np.testing.assert_allclose(kendall_tau(maps, maps), 1)
    np.testing.assert_allclose(pearson_r(maps, 3 * maps + 1), 1)
    np.testing.assert_allclose(top_k_overlap(maps, maps, k), 1)
    for measure in (kendall_tau, pearson_r):
        assert np.all(np.abs(measure(maps, maps[::-1])) <= 1 + 1e-12)


def test_maps_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"shapes \(4, 4\) and \(3, 4\)"):
        kendall_tau(MAPS, OTHER[:3])
    with pytest.raises(InputError, match="4 positions"):
        top_k_overlap(MAPS, OTHER, 5)

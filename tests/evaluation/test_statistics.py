"""Means that say what they rest on, and intervals of shares."""

import numpy as np
import pytest

from interp.evaluation import mean_of
from interp.evaluation.statistics import wilson_interval


def test_by_hand():
    mean = mean_of([1.0, 3.0, float("nan"), 5.0])
    assert mean.value == pytest.approx(3)
    assert mean.standard_error == pytest.approx(2 / np.sqrt(3))
    assert mean.count == 3
    assert str(mean) == "3.000"


def test_too_few():
    assert str(mean_of([])) == "none qualified"
    assert mean_of([float("nan")]).value is None
    single = mean_of([2.0])
    assert (single.value, single.standard_error, single.count) == (2.0, None, 1)


def test_wilson_by_hand():
    """8 of 10: (0.8 + 0.192) / 1.384 = 0.717 +- 1.96 / 1.384 sqrt(0.016 + 0.0096); at 0 of 10 up to 0.384 / 1.384."""
    assert wilson_interval(0.8, 10) == pytest.approx((0.490, 0.943), abs=1e-3)
    assert wilson_interval(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-3)
    assert wilson_interval(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-3)

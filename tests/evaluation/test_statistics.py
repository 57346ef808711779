"""Means that say what they rest on."""

import numpy as np
import pytest

from interp.evaluation import mean_of


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

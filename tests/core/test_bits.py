"""Yes or no for each image as text, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.core.bits import bits_of_hex, hex_bits
from interp.core.errors import InputError


def test_by_hand():
    assert hex_bits(np.array([1, 0, 0, 0, 0, 0, 0, 1, 1])) == "8180"


@given(st.lists(st.booleans(), max_size=40))
def test_there_and_back(values):
    assert bits_of_hex(hex_bits(np.array(values, bool)), len(values)).tolist() == values


@pytest.mark.parametrize("text", ["8", "xy", "81", None])
def test_what_is_no_such_text_is_refused(text):
    with pytest.raises(InputError, match="expected"):
        bits_of_hex(text, 9)

"""JSON from elsewhere is checked, and JSON of ours is JSON."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.core.json_values import json_values, parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_written_can_be_read(value):
    clean = json_values(value)
    assert parse_json(json.dumps(clean, allow_nan=False)) == json.loads(json.dumps(clean))


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", "[-Infinity]", "[1e999]", "[" * 100_000, "[" * 40 + "]" * 40, '["\\ud800"]', '{"\\ud800": 1}'],
)
def test_what_is_no_record_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_names_of_files_that_are_no_utf_8_are_written_so_that_they_are_read_again():
    """A record of such a directory was kept, and refused when its table was written."""
    name = os.fsdecode(b"caf\xe9")
    written = json.dumps(json_values({"dataset": name, name: [name]}))
    assert parse_json(written) == {"dataset": r"caf\udce9", r"caf\udce9": [r"caf\udce9"]}

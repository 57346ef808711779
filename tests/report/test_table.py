"""Tables: what a reader and what a program sees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.report import NOTHING, Table, spread, tab_separated

TABLE = Table(
    ("network", "steps", "eps", "accuracy"),
    (("a", 1, 0.0, 1.0), ("a", 1, 0.1, 0.123456), ("bcd", 10, 0.0, None), ("bcd", 10, 0.1, 0.5)),
    "200 images",
)


def test_columns_line_up():
    lines = TABLE.text().splitlines()
    assert lines[0] == "200 images"
    assert lines[1] == "network  steps  eps        accuracy"
    assert lines[3] == "a            1    0               1"
    assert lines[4] == "a            1  0.1          0.1235"
    assert lines[5] == "bcd         10    0  none qualified"


def test_numbers_are_written_in_full_and_undefined_ones_left_out():
    lines = tab_separated(TABLE.header, TABLE.rows).splitlines()
    assert lines[2] == "a\t1\t0.1\t0.123456"
    assert lines[3] == "bcd\t10\t0.0\t"


def test_a_column_is_spread_across():
    wide = spread(TABLE, "eps", "accuracy")
    assert wide.header == ("network", "steps", "eps 0", "eps 0.1")
    assert wide.rows == (("a", 1, 1.0, 0.123456), ("bcd", 10, None, 0.5))


def test_what_is_not_there_is_said():
    fewer = Table(TABLE.header, TABLE.rows[:3])
    assert spread(fewer, "eps", "accuracy").rows[1] == ("bcd", 10, None, NOTHING)


@given(st.lists(st.text(max_size=5), min_size=2, max_size=2))
@pytest.mark.filterwarnings("ignore")
def test_cells_never_break_a_line_of_values(cells):
    lines = tab_separated(("one", "two"), [cells]).split("\n")
    assert len(lines) == 3
    assert lines[1].count("\t") == 1

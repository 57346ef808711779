"""Tables: what a reader and what a program sees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.report import NOTHING, Table, spread, tab_separated
from interp.report.markdown import markdown_table

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


def test_numbers_of_numpy_are_numbers():
    row = (np.float64(0.25), np.float32(0.5), np.int64(3), np.float64(1) / 3)
    assert tab_separated(("a", "b", "c", "d"), [row]).splitlines()[1] == "0.25\t0.5\t3\t0.3333333333333333"
    assert Table(("a", "b", "c", "d"), (row,)).texts() == [("0.25", "0.5", "3", "0.3333")]


def test_a_table_of_markdown_takes_the_cells_of_a_table():
    assert markdown_table(("a", "b"), [("x|y", 0.123456), ("z", None)])[2:] == [
        "| x\\|y | 0.1235 |",
        "| z | none qualified |",
    ]

"""Tables: what a reader and what a program sees."""

import csv
import html
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.core.errors import InputError
from interp.core.tables import FORMATS, NOTHING, Table, counted, markdown_table, pivot, render, tab_separated

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


def test_a_column_goes_across():
    wide = pivot(TABLE, "eps", "accuracy")
    assert wide.header == ("network", "steps", "eps 0", "eps 0.1")
    assert wide.rows == (("a", 1, 1.0, 0.123456), ("bcd", 10, None, 0.5))


def test_values_that_agree_to_four_digits_have_columns_of_their_own():
    rows = (("a", 0.12341, 0.5), ("a", 0.12342, 0.25), ("a", 0.5, 0.125))
    wide = pivot(Table(("name", "eps", "accuracy"), rows), "eps", "accuracy")
    assert wide.header == ("name", "eps 0.12341", "eps 0.12342", "eps 0.5")
    assert wide.rows == (("a", 0.5, 0.25, 0.125),)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((0, "image"), "0 images"),
        ((1, "image"), "1 image"),
        ((np.int64(1), "class", "classes"), "1 class"),
        ((2, "class", "classes"), "2 classes"),
    ],
)
def test_one_thing_is_counted_as_one(words, told):
    assert counted(*words) == told


def test_what_is_not_there_is_said():
    fewer = Table(TABLE.header, TABLE.rows[:3])
    assert pivot(fewer, "eps", "accuracy").rows[1] == ("bcd", 10, None, NOTHING)


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


def test_a_table_of_markdown_by_hand():
    assert markdown_table(("a", "b|c"), [("1", "2")]) == ["| a | b\\|c |", "| --- | ---: |", "| 1 | 2 |"]
    assert markdown_table(("a", "b"), [("x|y", 0.123456), ("z", None)])[2:] == [
        "| x\\|y | 0.1235 |",
        "| z | none qualified |",
    ]


SMALL = Table(("net", "acc"), (("a<b", 0.123456), ("c,d", None)), "how & where")


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("text", "how & where\nnet             acc\n---  --------------\na<b          0.1235\nc,d  none qualified"),
        ("tsv", "net\tacc\na<b\t0.123456\nc,d\t\n"),
        ("csv", 'net,acc\r\na<b,0.123456\r\n"c,d",\r\n'),
        (
            "markdown",
            "how & where\n\n| net | acc |\n| --- | ---: |\n| a<b | 0.1235 |\n| c,d | none qualified |",
        ),
        (
            "html",
            '<table><caption>how &amp; where</caption><thead><tr><th scope="col">net</th><th scope="col">acc</th></tr></thead>'
            "<tbody><tr><td>a&lt;b</td><td>0.1235</td></tr><tr><td>c,d</td><td>none qualified</td></tr></tbody></table>",
        ),
    ],
)
def test_every_format_by_hand(format, expected):
    assert render(SMALL, format) == expected


def test_the_formats_are_listed():
    assert FORMATS == ("text", "tsv", "csv", "markdown", "html", "latex")
    with pytest.raises(InputError, match="unknown format of a table 'htm': did you mean 'html'"):
        render(SMALL, "htm")
    for format in FORMATS:
        assert "how" not in render(Table(SMALL.header, SMALL.rows), format)


class Cells(HTMLParser):
    """The texts of the cells, and the tags."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts = set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.texts.append(data)


@given(st.text(min_size=1, max_size=8))
def test_any_text_survives_csv_and_html(text):
    table = Table(("one", "two"), ((text, 1),))
    buffer = io.StringIO(render(table, "csv"), newline="")
    assert list(csv.reader(buffer)) == [["one", "two"], [text, "1"]]
    written = render(table, "html")
    assert f"<td>{html.escape(text)}</td>" in written
    cells = Cells()
    cells.feed(written)
    assert cells.tags == {"table", "thead", "tr", "th", "tbody", "td"}


@given(st.text(max_size=8))
def test_no_text_breaks_a_line_of_markdown(text):
    lines = render(Table(("one", "two"), ((text, 1),), text), "markdown").splitlines()
    assert lines[-1].count("|") - lines[-1].count("\\|") == 3
    assert lines[-3:-1] == ["| one | two |", "| --- | ---: |"]


def test_what_latex_reads_as_another_character_is_spelt_out():
    """Bars came out as dashes, "<" and ">" as Spanish marks, "[" that begins a row as an error, and "*" that does not at all."""
    written = render(Table(("p < 1",), (("0.9 | 0.1",), ("[v2] > x",), ("*old",))), "latex")
    rows = r"\textless{} 1 \\", r"0.9 \textbar{} 0.1 \\", r"{[}v2] \textgreater{} x \\", r"{*}old \\"
    assert all(row in written for row in rows)


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="nothing"):
        pivot(TABLE, "nothing", "accuracy")

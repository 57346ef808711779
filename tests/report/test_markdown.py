"""Tables in pages, written between marks."""

import pytest

from interp.core.errors import InputError
from interp.report.markdown import fill_marks

PAGE = "# Title\n<!-- table pgd small 0.3 -->\nold\n<!-- end -->\ntext\n<!-- table aai -->\n<!-- end -->\n"


def test_marks_are_filled_and_stay():
    asked = []

    def fill(words):
        asked.append(words)
        return [f"lines of {words[0]}", ""]

    filled = fill_marks(PAGE, fill)
    assert asked == [["pgd", "small", "0.3"], ["aai"]]
    assert filled == PAGE.replace("old\n", "lines of pgd\n\n").replace(
        "<!-- table aai -->\n", "<!-- table aai -->\nlines of aai\n\n"
    )
    assert fill_marks(filled, fill) == filled


@pytest.mark.parametrize(
    "page",
    ["<!-- table a -->\n", "<!-- table a -->\n<!-- table b -->\n<!-- end -->\n", "<!-- table a -->x<!-- end -->"],
)
def test_marks_that_are_not_closed_are_refused(page):
    with pytest.raises(InputError, match="closed"):
        fill_marks(page, lambda words: [])

"""Names and colours of pictures."""

import numpy as np
import pytest

from interp.core.drawing import colour_limit, names_of_classes, plain_text, wrapped
from interp.core.errors import InputError
from interp.evaluation import AccuracyCurve
from interp.report import accuracy_figure, history_figure


def test_letters_that_the_font_has_stay_and_dollars_start_no_formula():
    assert plain_text("Löwe Ж α") == "Löwe Ж α"
    assert plain_text("猫 $x$\x07") == r"? \$x\$?"
    assert plain_text("two\nlines") == "two\nlines"


def test_a_name_that_begins_with_an_underscore_is_in_the_legend():
    """Matplotlib leaves such names out, and curves were two for one name."""
    curve = AccuracyCurve((0.0, 0.1), (0.5, 0.2), 10, "PGD-10")
    legend = accuracy_figure({"_old": curve, "new_": curve}).axes[0].get_legend()
    assert [text.get_text().strip() for text in legend.get_texts()] == ["_old", "new_"]


def test_lines_break_where_words_of_names_end():
    assert wrapped("smooth_grad:guided_backprop", 12, 4) == "smooth_grad:\nguided_\nbackprop"
    assert wrapped("a dog\nand a  cat", 8, 4) == "a dog\nand a\ncat"
    assert wrapped("abcdefghij", 4, 5) == "abcd\nefgh\nij"


def test_what_does_not_fit_is_dots():
    found = wrapped("one two three four five six", 8, 2)
    assert found.endswith("...")
    assert len(found.split("\n")) == 2
    assert max(map(len, found.split("\n"))) <= 8


def test_colours_end_below_a_few_extreme_pixels():
    map_ = np.full((40, 40), -2.0)
    map_[0, 0] = 1000
    assert colour_limit(map_) == 2
    # Where nearly all is 0 they end at the strongest pixel, and where all is, at 1.
    assert colour_limit(np.eye(1, 1000)) == 1
    assert colour_limit(5 * np.eye(1, 1000)) == 5
    assert colour_limit(np.zeros((3, 3))) == 1


def test_names_of_classes():
    assert names_of_classes(np.array([2, 0]), None) == ["class 2", "class 0"]
    assert names_of_classes(np.array([1, 0]), ("cat", "dog")) == ["dog", "cat"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("cat", "class_names came as str, expected a list such as"),
        (["cat", 3], "a name of class_names came as int, expected a string"),
        (["cat"], "1 class_names came, class 1 has none: give a name for each class"),
        ([], "class_names came empty"),
    ],
)
def test_names_that_do_not_fit_are_refused(names, said):
    with pytest.raises(InputError) as caught:
        names_of_classes(np.array([0, 1]), names)
    assert said in str(caught.value)


def test_figures_of_the_report_show_themselves_in_notebooks():
    """A Figure that belongs to no window has no picture of its own."""
    curve = AccuracyCurve((0.0, 0.1), (0.5, 0.25), 4, "PGD")
    history = [{"loss": 1.0, "accuracy": 0.5}, {"loss": 0.5, "accuracy": 0.75}]
    for figure in (accuracy_figure({"network": curve}), history_figure(history)):
        assert figure._repr_png_().startswith(b"\x89PNG")

"""Figures in a paper's width and letters."""

import io

import pytest
from matplotlib.text import Text

from interp import leaderboard
from interp.core.errors import InputError
from interp.evaluation import AccuracyCurve
from interp.report import accuracy_figure, leaderboard_figure, paper_style


@pytest.fixture
def figure():
    curve = AccuracyCurve((0.0, 0.1), (0.9, 0.5), 10, "by hand")
    return accuracy_figure({"Normal": curve}, training_epsilon=0.1)


@pytest.mark.parametrize(("width", "inches"), [("column", 3.25), ("page", 6.75), (5.5, 5.5)])
def test_a_figure_gets_the_width_and_keeps_its_proportions(figure, width, inches):
    before = figure.get_size_inches()
    assert paper_style(figure, width) is figure
    assert figure.get_size_inches() == pytest.approx(before * inches / before[0])
    assert paper_style(figure, width, height=2).get_size_inches()[1] == 2


def test_all_letters_are_those_of_the_paper_also_those_drawn_last(figure):
    paper_style(figure, font_size=9)
    figure.savefig(io.BytesIO(), format="pdf")
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert len(texts) > 10
    assert {text.get_fontsize() for text in texts} == {9, 8}
    assert {text.get_fontfamily()[0] for text in texts} == {"STIXGeneral"}


def test_what_was_placed_for_other_letters_is_placed_anew():
    """The leaderboard's picture keeps its places once its labels have found room; names of axes must not leave the picture."""
    figure = paper_style(leaderboard_figure(leaderboard()), "page")
    figure.draw_without_rendering()
    for axes in figure.axes:
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            box = text.get_window_extent()
            assert min(box.x0, box.y0) >= 0
            assert box.x1 <= figure.bbox.x1
            assert box.y1 <= figure.bbox.y1


def test_lines_of_a_legend_are_as_thin_as_the_curves(figure):
    axes = paper_style(figure).axes[0]
    assert {line.get_linewidth() for line in (*axes.get_lines(), *axes.get_legend().get_lines())} == {1.0}


def test_fonts_of_a_pdf_are_truetype(figure):
    buffer = io.BytesIO()
    paper_style(figure, font="sans-serif").savefig(buffer, format="pdf")
    assert b"/Type3" not in buffer.getvalue()
    assert b"DejaVuSans" in buffer.getvalue()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": "colum"}, "did you mean 'column'"),
        ({"width": -1}, "width"),
        ({"font": "No Such Font"}, "unknown font"),
        ({"font_size": 0}, "font_size"),
        ({"height": 0}, "height"),
    ],
)
def test_wrong_arguments_are_refused(figure, arguments, message):
    with pytest.raises(InputError, match=message):
        paper_style(figure, **arguments)


def test_what_is_no_figure_is_refused():
    with pytest.raises(InputError, match="the figure"):
        paper_style("accuracy.png")

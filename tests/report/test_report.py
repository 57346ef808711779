"""Pages and pictures: self-contained, escaped, and showing what they are given."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from interp.evaluation import AccuracyCurve
from interp.report import Page, accuracy_figure, history_figure, maps_figure

CURVE = AccuracyCurve((0.0, 0.1), (0.9, 0.4), 100, "PGD-10")


def test_a_page_is_one_file_with_escaped_text(tmp_path):
    page = Page("a < b")
    page.heading("<script>")
    page.text("5 > 4 & more")
    page.table(["net", "eps"], [["x<y", "0.5"]], "how <measured>")
    page.figure(Figure(), 'a "quoted" caption')
    page.details("more", "<pre>")
    page.write(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    # The page's own and no other.
    assert text.count("<script>") == 1
    assert "&lt;script&gt;" in text
    assert "x&lt;y" in text
    assert 'alt="a &quot;quoted&quot; caption"' in text
    # Nothing is loaded from elsewhere.
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "url(" not in text


def test_the_accuracy_figure_holds_the_values():
    axes = accuracy_figure({"Normal": CURVE, "Int": CURVE}, training_epsilon=0.1).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Normal", "Int"]
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[0, 0.9], [0.1, 0.4]])


@pytest.mark.parametrize("channels", [1, 3])
def test_maps_of_a_row_share_their_scale(channels):
    image = np.random.RandomState(0).rand(8, 8, channels)
    weak, strong = np.full((2, 2), 0.5), np.full((2, 2), -2.0)
    figure = maps_figure(
        [[("image", image, None), ("weak", image, weak), ("strong", image, strong)], [("zero", image, 0 * weak)]]
    )
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["image", "weak", "strong", "zero", "", ""]
    scales = [axes.images[-1].get_clim() for axes in figure.axes[1:4]]
    assert scales == [(-2, 2), (-2, 2), (-1, 1)]
    np.testing.assert_allclose(figure.axes[2].images[-1].get_array(), -2)
    assert figure.axes[2].images[-1].get_array().shape == (8, 8)


def test_the_history_figure_holds_the_measures():
    history = [
        {"loss": 2.0, "accuracy": 0.2, "validation_accuracy": 0.3},
        {"loss": 1.0, "accuracy": 0.6, "validation_accuracy": 0.5},
    ]
    loss, accuracy = history_figure(history).axes
    np.testing.assert_array_equal(loss.lines[0].get_xydata(), [[1, 2], [2, 1]])
    assert [text.get_text() for text in accuracy.get_legend().get_texts()] == ["training", "validation"]

"""Pages and pictures: self-contained, escaped, and showing what they are given."""

import re

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from interp.core.errors import InputError
from interp.evaluation import AccuracyCurve
from interp.report import Page, accuracy_figure, history_figure, map_strip, maps_figure

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


def test_a_table_of_a_page_takes_the_cells_of_a_table(tmp_path):
    page = Page("numbers")
    page.table(["net", "eps", "images", "accuracy", "tau"], [["x", 0.1, np.int64(4), np.float64(1) / 3, None]], "how")
    page.write(tmp_path / "report.html")
    cells = re.findall("<td>(.*?)</td>", (tmp_path / "report.html").read_text())
    assert cells == ["x", "0.1", "4", "0.3333", "none qualified"]


@pytest.mark.parametrize("row", [["x"], ["x", "1", "2"], "xy"])
def test_a_row_that_does_not_fit_its_header_is_refused(row):
    with pytest.raises(InputError, match="one for each of the 2 columns"):
        Page("a").table(["net", "eps"], [row], "how")


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


def test_maps_of_different_methods_may_have_a_scale_each():
    """Grad-CAM of a network is some thousand times smaller than its CAM, and was blank beside it."""
    image = np.full((8, 8, 1), 0.5)
    weak, strong = np.full((2, 2), 0.001), np.full((2, 2), -2.0)
    row = [("weak", image, weak), ("image", image, None), ("strong", image, strong)]
    figure = maps_figure([row], shared_scale=False)
    assert [figure.axes[place].images[-1].get_clim() for place in (0, 2)] == [(-0.001, 0.001), (-2, 2)]

    def drawn(**options):
        strip = map_strip([(image, weak), (image, strong)], **options)
        pixels = cv2.imdecode(np.frombuffer(strip, np.uint8), cv2.IMREAD_COLOR).astype(int)
        # How much more red than blue the first map is.
        return (pixels[..., 2] - pixels[..., 0])[:, : pixels.shape[1] // 3].mean()

    assert abs(drawn()) < 10
    assert drawn(shared_scale=False) > 50


def test_the_history_figure_holds_the_measures():
    history = [
        {"loss": 2.0, "accuracy": 0.2, "validation_accuracy": 0.3},
        {"loss": 1.0, "accuracy": 0.6, "validation_accuracy": 0.5},
    ]
    loss, accuracy = history_figure(history).axes
    np.testing.assert_array_equal(loss.lines[0].get_xydata(), [[1, 2], [2, 1]])
    assert [text.get_text() for text in accuracy.get_legend().get_texts()] == ["training", "validation"]

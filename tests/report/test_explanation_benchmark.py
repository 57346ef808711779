"""One call that compares explanations: the same figures, with masks that are known, pictures, and a page that holds them."""

from html.parser import HTMLParser
from pathlib import Path

import keras
import numpy as np
import pytest

import interp
from interp.attributions import GradCAM
from interp.core.errors import InputError
from interp.data import Dataset
from interp.evaluation import Deletion, PointingGame, faithfulness, ink
from interp.report import faithfulness_curves_figure, faithfulness_figure, write_faithfulness_page

L = keras.layers
GENERATOR = np.random.RandomState(0)
IMAGES, LABELS = GENERATOR.rand(4, 8, 8, 1).astype(np.float32), np.arange(4) % 3
MEASURES = {"deletion": Deletion(steps=4), "pointing": PointingGame()}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((8, 8, 1)), L.Conv2D(3, 3, activation="relu"), L.Flatten(), L.Dense(3)])


def dataset(name):
    names = ("a", "b", "c")
    return Dataset(images=IMAGES, labels=LABELS, class_names=names, source="made", split="test", name=name)


class Cells(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.integration
def test_a_dataset_drawn_on_black_brings_its_masks(model, tmp_path):
    page = tmp_path / "report.html"
    options = {"seed": 2, "folder": tmp_path / "kept", "page": page}
    found = interp.benchmark_explanations(model, dataset("mnist"), {"<b>": GradCAM()}, MEASURES, **options)
    expected = faithfulness(model, IMAGES, LABELS, {"<b>": GradCAM()}, MEASURES, masks=ink(IMAGES), seed=2)
    assert found.to_json() == expected.to_json()
    assert len(list((tmp_path / "kept").iterdir())) == 6
    read = Cells(page.read_text())
    # Three pictures, a curve of each of the three methods, and the table; a name is text.
    assert read.tags.count("img") == 3
    assert read.tags.count("polyline") == 3
    assert read.tags.count("tr") == 7
    assert "<b>" in read.texts
    assert "b" not in read.tags
    assert any(
        text.startswith("pointing: is the strongest pixel on the object; higher is better") for text in read.texts
    )


def test_images_and_labels_and_a_set_of_ones_own(model):
    pair = interp.benchmark_explanations(model, (IMAGES, LABELS), ["gradient"], ["gini"])
    own = interp.benchmark_explanations(model, dataset("mine"), ["gradient"], ["gini"])
    assert pair.to_json() == own.to_json()
    with pytest.raises(InputError, match="pointing_game needs to know where the object is"):
        interp.benchmark_explanations(model, dataset("mine"), ["gradient"], ["pointing_game"])
    given = interp.benchmark_explanations(
        model, dataset("mnist"), ["gradient"], ["pointing_game"], masks=np.ones((4, 8, 8), bool)
    )
    assert (given.values == 1).all()


def test_pictures(model):
    found = faithfulness(model, IMAGES, LABELS, ["gradient"], MEASURES, masks=ink(IMAGES))
    curves = faithfulness_curves_figure(found)
    assert [axes.get_title() for axes in curves.axes] == ["deletion"]
    np.testing.assert_allclose(curves.axes[0].lines[2].get_ydata(), found.curves["deletion"].means[2])
    assert curves.axes[0].lines[0].get_color() == "black"
    axes = faithfulness_figure(found).axes[0]
    assert len(axes.texts) == 6
    assert axes.texts[4].get_text().startswith(f"{found.mean('gradient', 'deletion').value:.3g}")
    ranks = np.asarray(axes.images[0].get_array())
    means = [found.mean(name, "deletion").value for name in found.methods]
    # Of deletion the lowest is the best.
    np.testing.assert_array_equal(np.argsort(-ranks[:, 0]), np.argsort(means))
    with pytest.raises(InputError, match="no measure of this comparison has a curve"):
        faithfulness_curves_figure(faithfulness(model, IMAGES, LABELS, ["gradient"], ["gini"]))


REFUSED = {
    "data": ({"data": IMAGES}, "data came as ndarray, expected a Dataset, or images and labels"),
    "three": ({"data": (IMAGES, LABELS, LABELS)}, "data came as tuple"),
    "workers": ({"workers": 0}, "workers came as 0"),
    "folder": ({"folder": 3}, "folder came as int"),
    "page": ({"page": 3}, "page came as int"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_is_refused_in_one_line(model, what):
    changed, said = REFUSED[what]
    given = {"model": model, "data": (IMAGES, LABELS), "methods": ["gradient"], "measures": ["gini"], **changed}
    with pytest.raises(InputError) as caught:
        interp.benchmark_explanations(**given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("draw", [faithfulness_figure, faithfulness_curves_figure])
def test_what_is_no_comparison_is_not_drawn(draw):
    for wrong in (None, Path("a"), {"a": 1}):
        with pytest.raises(InputError, match="the comparison came as"):
            draw(wrong)
    with pytest.raises(InputError, match="the comparison came as"):
        write_faithfulness_page(None, "report.html")


def test_a_page_that_cannot_be_written_is_told_before_the_work(model, tmp_path):
    (tmp_path / "file").write_text("no directory")
    told: list[str] = []
    with pytest.raises(InputError, match=r"cannot write to .*file"):
        interp.benchmark_explanations(
            model,
            (IMAGES, LABELS),
            ["gradient"],
            ["gini"],
            page=tmp_path / "file" / "page.html",
            report=lambda what, *_: told.append(what),
        )
    assert not told

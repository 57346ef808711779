"""interp.show: what is drawn, what each argument changes, and files that are complete or not there."""

import resource
from pathlib import Path

import cv2
import keras
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import interp
from interp.attributions import GradCAM, InputXGradient, VanillaGradient, pixel_scores
from interp.core.errors import InputError
from interp.data import Dataset
from interp.report.show_explanations import MOST

L = keras.layers
GENERATOR = np.random.RandomState(0)
COLOUR, GREY = GENERATOR.rand(3, 10, 14, 3).astype(np.float32), GENERATOR.rand(3, 12, 12, 1).astype(np.float32)


def made(shape, end, seed=1):
    """A user's model that returns probabilities."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input(shape), L.Conv2D(4, 3, activation="relu", name="conv"), L.Flatten(), L.Dense(3, activation=end)]
    )
    model.layers[-1].bias.assign([0.0, 0.3, 0.1])
    return model


@pytest.fixture(scope="module")
def model():
    return made((10, 14, 3), "softmax")


def drawn(figure):
    """The axes of pictures, those of bars left out, in rows."""
    rows = {}
    for axes in figure.axes:
        if axes.images:
            rows.setdefault(axes.get_subplotspec().rowspan.start, []).append(axes)
    return [rows[place] for place in sorted(rows)]


def titles(figure):
    return [row[0].get_ylabel() for row in drawn(figure)]


def bar_axes(figure):
    return [axes for axes in figure.axes if not axes.images]


def bar_labels(axes):
    return [*axes.get_xticklabels(), *axes.get_yticklabels()]


def bars(figure):
    """What the ends of the bars say."""
    return [[label.get_text() for label in bar_labels(axes)] for axes in bar_axes(figure)]


@pytest.mark.integration
def test_by_default_the_predicted_classes_are_explained(model):
    figure = interp.show(model, COLOUR)
    probabilities = model(COLOUR).numpy()
    predicted = probabilities.argmax(-1)
    assert titles(figure) == [
        f"class {label}\np = {row[label]:.3f}" for row, label in zip(probabilities, predicted, strict=True)
    ]
    rows = drawn(figure)
    assert [axes.get_title() for axes in rows[0]] == ["", "gradient", "integrated_gradients", "grad_cam\nat conv"]
    assert [axes.get_title() for axes in rows[1]] == [""] * 4
    np.testing.assert_array_equal(rows[1][0].images[0].get_array(), COLOUR[1])
    scores = pixel_scores(VanillaGradient(model)(COLOUR, predicted))
    for row, image, map_ in zip(rows, COLOUR, scores, strict=True):
        below, above = row[1].images
        np.testing.assert_allclose(below.get_array(), image.mean(-1))
        np.testing.assert_allclose(above.get_array(), map_, rtol=1e-4, atol=1e-7)
        limit = np.percentile(np.abs(map_), 99.5)
        np.testing.assert_allclose(above.get_clim(), (-limit, limit), rtol=1e-4)
    ends = [each.images[-1].get_clim() for row in rows for each in row[1:]]
    assert bars(figure) == [[f"{low:.2g}", f"{high:.2g}"] for low, high in ends]


def test_one_image_is_one_row(model):
    one, batch = interp.show(model, COLOUR[1], "gradient"), interp.show(model, COLOUR[1:2], "gradient")
    assert titles(one) == titles(batch)
    assert [len(row) for row in drawn(one)] == [2]
    assert len(drawn(interp.show(model, list(COLOUR), "gradient"))) == 3


def test_images_in_grey():
    model = made((12, 12, 1), "softmax")
    [row, *_] = drawn(interp.show(model, GREY, "grad_cam"))
    np.testing.assert_allclose(row[0].images[0].get_array(), GREY[0, ..., 0])
    assert row[0].images[0].get_cmap().name == "gray"
    assert row[1].images[1].get_array().shape == (12, 12)


def test_labels_and_their_probabilities(model):
    probabilities = model(COLOUR).numpy()
    figure = interp.show(model, COLOUR, "gradient", labels=[2, 0, 1])
    assert titles(figure) == [
        f"class {label}\np = {probabilities[place, label]:.3f}" for place, label in enumerate((2, 0, 1))
    ]
    scores = pixel_scores(VanillaGradient(model)(COLOUR, [2, 0, 1]))
    np.testing.assert_allclose(drawn(figure)[1][1].images[1].get_array(), scores[1], rtol=1e-4, atol=1e-7)
    assert [title.split("\n")[0] for title in titles(interp.show(model, COLOUR, "gradient", labels=2))] == [
        "class 2"
    ] * 3


def test_probabilities_of_sigmoids_do_not_sum_to_1():
    model = made((10, 14, 3), "sigmoid")
    figure = interp.show(model, COLOUR[:1], "gradient", labels=0)
    assert titles(figure) == [f"class 0\np = {model(COLOUR[:1]).numpy()[0, 0]:.3f}"]


def test_a_probability_near_0(model):
    sure = made((10, 14, 3), "softmax")
    sure.layers[-1].bias.assign([50.0, 0.0, 0.0])
    assert titles(interp.show(sure, COLOUR[:1], "gradient", labels=1)) == ["class 1\np < 0.001"]


def test_names_of_the_dataset_and_of_the_caller(model):
    labels = np.zeros(3, np.int64)
    dataset = Dataset(
        images=COLOUR, labels=labels, class_names=("ant", "bee", "cow"), source="made", split="test", name="mine"
    )
    predicted = model(COLOUR).numpy().argmax(-1)
    told = [title.split("\n")[0] for title in titles(interp.show(model, dataset, "gradient"))]
    assert told == [dataset.class_names[label] for label in predicted]
    names = ["Staffordshire bullterrier, Staffordshire bull terrier", "$x$", "猫"]
    told = titles(interp.show(model, dataset, "gradient", labels=[0, 1, 2], class_names=names))
    assert told[0].startswith("Staffordshire\nbullterrier,\nStaffordshire bull\nterrier\np = ")
    assert told[1].startswith("\\$x\\$\n")
    assert told[2].startswith("?\n")


@pytest.mark.integration
def test_methods_by_name_object_and_title(model):
    listed = interp.show(model, COLOUR[:1], ["gradient", GradCAM(layer="conv"), InputXGradient()])
    assert [each.get_title() for each in drawn(listed)[0][1:]] == ["gradient", "GradCAM\nat conv", "input_x_gradient"]
    named = interp.show(model, COLOUR[:1], {"mine": InputXGradient(), "$": "grad_cam"})
    assert [each.get_title() for each in drawn(named)[0][1:]] == ["mine", "\\$\nat conv"]
    # The same method twice, as with settings that its name does not tell.
    assert len(drawn(interp.show(model, COLOUR[:1], ["gradient", "gradient"]))[0]) == 3


def test_a_row_may_share_its_scale(model):
    own, shared = (
        interp.show(model, COLOUR, ["gradient", "input_x_gradient"], scale=scale) for scale in ("map", "row")
    )
    limits = [[axes.images[1].get_clim()[1] for axes in row[1:]] for row in drawn(own)]
    assert all(first != second for first, second in limits)
    for row, of_row in zip(drawn(shared), limits, strict=True):
        assert [axes.images[1].get_clim()[1] for axes in row[1:]] == [max(of_row)] * 2
    assert len(bars(own)) == 6
    assert bars(shared) == [[f"{-max(each):.2g}", f"{max(each):.2g}"] for each in limits]


def test_opacity(model):
    usual, clear = interp.show(model, COLOUR[:1], "gradient"), interp.show(model, COLOUR[:1], "gradient", opacity=0.2)
    assert [drawn(figure)[0][1].images[1].get_alpha() for figure in (usual, clear)] == [0.55, 0.2]


@pytest.mark.parametrize("shape", [(8, 40, 3), (40, 8, 1)])
@pytest.mark.parametrize("scale", ["map", "row"])
@pytest.mark.parametrize(("count", "methods"), [(1, 1), (2, 3), pytest.param(4, 6, marks=pytest.mark.slow)])
def test_texts_and_pictures_do_not_overlap(shape, scale, count, methods):
    model = made(shape, "softmax")
    chosen = {f"{place}: smooth_grad_squared:guided_backprop": "edges" for place in range(methods)}
    images = GENERATOR.rand(count, *shape).astype(np.float32)
    names = ["a name of a class that is very long, " * 3] * 3
    figure = interp.show(model, images, chosen, class_names=names, scale=scale)
    FigureCanvasAgg(figure).draw()
    boxes = []
    for row in drawn(figure):
        assert len({round(axes.get_position().y0, 3) for axes in row}) == 1
        for axes in row:
            boxes += [axes.get_window_extent(), axes.title.get_window_extent(), axes.yaxis.label.get_window_extent()]
    for axes in bar_axes(figure):
        boxes += [axes.get_window_extent(), *(label.get_window_extent() for label in bar_labels(axes))]
    boxes = [box for box in boxes if box.width > 1 and box.height > 1]
    for place, box in enumerate(boxes):
        assert min(box.x0, box.y0) > -1
        assert box.x1 < figure.bbox.x1 + 1
        assert box.y1 < figure.bbox.y1 + 1
        for other in boxes[:place]:
            wide = min(box.x1, other.x1) - max(box.x0, other.x0)
            high = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert min(wide, high) < 1.5, (box, other)


def test_a_notebook_shows_the_figure_once(model):
    """A figure of pyplot would be shown a second time when its cell ends; one without it needs a picture of its own."""
    from matplotlib import pyplot

    figure = interp.show(model, COLOUR[:1], "gradient")
    assert pyplot.get_fignums() == []
    assert isinstance(figure, mpl.figure.Figure)
    picture = cv2.imdecode(np.frombuffer(figure._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    width, height = figure.get_size_inches() * figure.dpi
    assert abs(picture.shape[1] - width) <= 1
    assert abs(picture.shape[0] - height) <= 1


STARTS = {"maps.png": b"\x89PNG", "maps.PDF": b"%PDF", "maps.svg": b"<?xml"}


@pytest.mark.parametrize("name", STARTS)
def test_files(model, tmp_path, name):
    interp.show(model, COLOUR[:1], "gradient", path=tmp_path / "pictures" / name)
    [file] = (tmp_path / "pictures").iterdir()
    assert file.name == name
    assert file.read_bytes().startswith(STARTS[name])


def test_a_file_that_cannot_be_finished_leaves_the_earlier_one(model, tmp_path):
    path = tmp_path / "maps.png"
    path.write_bytes(b"earlier")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        with pytest.raises(InputError, match="cannot write"):
            interp.show(model, COLOUR, "gradient", path=path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


REFUSED = {
    "suffix": ({"path": "maps.bmp"}, "path came as 'maps.bmp', expected a name that ends in .png, .svg or .pdf"),
    "no suffix": ({"path": "maps"}, "expected a name that ends in .png, .svg or .pdf"),
    "path": ({"path": 3}, "the path of the figure came as int"),
    "folder": ({"path": "/dev/null/maps.png"}, "cannot write to /dev/null"),
    "model": ({"model": None}, "the model came as NoneType"),
    "unknown method": ({"methods": ["grad_cm"]}, "did you mean 'grad_cam'"),
    "class of a method": ({"methods": GradCAM}, "methods came as the class GradCAM"),
    "class among methods": ({"methods": [GradCAM]}, "the explanation came as the class GradCAM"),
    "no methods": ({"methods": []}, "methods came as an empty list"),
    "title": ({"methods": {3: "gradient"}}, "a title of methods came as int"),
    "layer": ({"methods": [GradCAM(layer="cnv")]}, "cnv"),
    "bytes": ({"images": (255 * COLOUR).astype(np.uint8)}, "images came as uint8"),
    "range": ({"images": 255 * COLOUR}, "rescale them"),
    "rank": ({"images": COLOUR[0, 0]}, "images came with shape (14, 3)"),
    "shape": ({"images": COLOUR[:, :5]}, "the model does not run on images of shape (5, 14, 3)"),
    "too many": ({"images": np.zeros((MOST + 1, 10, 14, 3), np.float32)}, "more than 50 images came"),
    "labels": ({"labels": [0, 1]}, "2 labels came with 3 images"),
    "label": ({"labels": 3}, "labels came in [3, 3], the network has classes 0 to 2"),
    "kind of label": ({"labels": 0.5}, "labels came"),
    "names": ({"class_names": ["a", "b"]}, "2 class_names came, the model has 3 classes"),
    "kind of names": ({"class_names": 3}, "class_names came as int"),
    "name": ({"class_names": ["a", "b", 3]}, "a name of class_names came as int"),
    "scale": ({"scale": "column"}, "unknown scale 'column'"),
    "opacity": ({"opacity": 1.5}, "opacity came as 1.5, expected at most 1"),
    "kind of opacity": ({"opacity": "1"}, "opacity came as 1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_is_refused_in_one_line(model, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changed, said = REFUSED[what]
    with pytest.raises(InputError) as caught:
        interp.show(**{"model": model, "images": COLOUR, "methods": ["gradient"], **changed})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(Path().iterdir()) == []

"""Figures refuse what does not fit together, in one line."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from interp.core.errors import InputError
from interp.data import Dataset
from interp.report import class_maps_figure, map_gallery, moved_maps, note_source, panels_figure, targeted_maps_figure

IMAGES = np.random.RandomState(0).rand(3, 8, 8, 1).astype("float32")
MAPS = np.random.RandomState(1).rand(3, 2, 4, 4)
CLASSES = np.array([[0, 1], [1, 0], [2, 0]])
SAMPLE = Dataset(
    images=IMAGES, labels=np.arange(3), class_names=("a", "b", "c"), source="arrays", split="test", name="mine"
)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"Adv": ([0.0, 0.1], [0.9])}, "2 radii and 1 accuracies"),
        ({"adv": ([0.0], [0.9])}, "did you mean 'Adv'"),
        ({"Adv": ([0.0], [np.nan])}, "NaN"),
    ],
)
def test_panels(lines, message):
    with pytest.raises(InputError, match=message):
        panels_figure({"one": lines}, ["Adv", "Int"])


def test_panels_need_one():
    with pytest.raises(InputError, match="an empty dictionary"):
        panels_figure({}, ["Adv"])


def test_a_source_is_text_of_a_figure():
    with pytest.raises(InputError, match="the picture came as"):
        note_source("picture.png", "100 images")
    with pytest.raises(InputError, match="the text came as"):
        note_source(Figure(), None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps": {"start": MAPS}}, "the same names"),
        ({"maps": {"image": MAPS[:2]}}, "pairs of classes"),
        ({"stages": {"image": IMAGES[:2]}}, "pairs of classes"),
        ({"stages": {"image": 255 * IMAGES}}, r"\[0, 1\]"),
        ({"classes": CLASSES[:, 0]}, r"integers \(n, 2\)"),
        ({"classes": CLASSES / 1.0}, r"integers \(n, 2\)"),
        ({"names": ["a", "b"]}, "names of all classes"),
    ],
)
def test_targeted_maps(change, message):
    arguments = {"stages": {"image": IMAGES}, "maps": {"image": MAPS}, "classes": CLASSES, "names": ["a", "b", "c"]}
    assert len(targeted_maps_figure(**arguments).axes) == 9
    with pytest.raises(InputError, match=message):
        targeted_maps_figure(**{**arguments, **change})


@pytest.mark.parametrize("figure", [class_maps_figure, lambda model, *given: map_gallery("mine", model, *given)])
def test_attacked_images_are_those_of_the_sample(figure, models):
    with pytest.raises(InputError, match="give the same images, attacked"):
        figure(models("sequential"), SAMPLE, IMAGES[:2])


@pytest.mark.parametrize(
    ("points", "values", "message"),
    [
        ({"attacked": IMAGES[:, :4]}, np.zeros(3), "attacked came with shape"),
        ({"attacked": IMAGES}, np.zeros(2), "one for each of 3 images"),
        ({}, np.zeros(3), "an empty dictionary"),
    ],
)
def test_moved_maps(models, points, values, message):
    with pytest.raises(InputError, match=message):
        moved_maps("mine", models("sequential"), SAMPLE, points, "cam", 0.1, values, "tau")

"""Figures refuse what does not fit together, in one line, and take any names."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from interp.core.errors import InputError
from interp.data import Dataset
from interp.evaluation import UnforeseenAccuracy
from interp.report import (
    attacks_gallery,
    class_maps_figure,
    map_gallery,
    maps_figure,
    moved_maps,
    note_source,
    panels_figure,
    targeted_maps_figure,
    tradeoff_figure,
    unforeseen_figure,
)

IMAGES = np.random.RandomState(0).rand(3, 8, 8, 1).astype("float32")
MAPS = np.random.RandomState(1).rand(3, 2, 4, 4)
CLASSES = np.array([[0, 1], [1, 0], [2, 0]])
SAMPLE = Dataset(
    images=IMAGES, labels=np.arange(3), class_names=("a", "b", "c"), source="arrays", split="test", name="mine"
)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"Adv": ([0.0, 0.1], [0.9])}, "2 radii and 1 accuracy"),
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


def test_accuracies_over_budgets_are_a_line_in_whatever_order_they_came():
    rows = [UnforeseenAccuracy("fog", budget, "untargeted", 1 - budget / 512, 10) for budget in (256.0, 64.0, 128.0)]
    (line,) = unforeseen_figure(rows).axes[0].lines
    np.testing.assert_allclose(line.get_xydata(), [(64, 0.875), (128, 0.75), (256, 0.5)])


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


def test_dollars_in_names_of_classes_start_no_formula():
    assert maps_figure([[("$_$", IMAGES[0], None)]]).axes[0].get_title() == r"\$_\$"
    priced = Dataset(
        images=IMAGES, labels=np.arange(3), class_names=("$_", "b", "c"), source="arrays", split="test", name="mine"
    )
    searched = SimpleNamespace(qualified=np.array([0]), epsilons=np.ones((2, 1)), discrepancies=np.ones((2, 1)))
    figure = tradeoff_figure(priced, np.array([1, 0, 0]), {"all": searched})
    assert figure.axes[0].get_title() == r"\$_, target b"


def test_a_legend_names_curves_that_the_first_image_lacks():
    curves = {
        name: SimpleNamespace(qualified=np.array(images), epsilons=np.ones((2, 1)), discrepancies=np.ones((2, 1)))
        for name, images in (("two_class", [1]), ("one_class", [0]))
    }
    figure = tradeoff_figure(SAMPLE, np.array([1, 0, 0]), curves)
    told = figure.axes[1].get_legend()
    names = [text.get_text() for text in told.get_texts()]
    assert sorted(names) == ["one class", "two class"]
    drawn = {"one class": figure.axes[1].lines[0], "two class": figure.axes[3].lines[0]}
    assert [line.get_color() for line in told.get_lines()] == [drawn[name].get_color() for name in names]


def test_an_unknown_attack_is_told_before_others_run():
    with pytest.raises(InputError, match="unknown unforeseen attack 'frog': did you mean 'fog'"):
        attacks_gallery(None, SAMPLE, ["snow", "frog"])


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


def test_moved_maps_that_draw_are_those_of_the_places_that_were_attacked(models):
    images = np.random.RandomState(2).rand(3, 16, 16, 3).astype("float32")
    sample = replace(SAMPLE, images=images)

    def pictures(rows, places):
        given = {"attacked": images[rows]}, "smooth_grad", 0.1, np.zeros(len(rows)), "tau"
        _, entries = moved_maps("mine", models("sequential"), sample.take(np.array(rows)), *given, places=places)
        return [entry.picture for entry in entries]

    *_, last = pictures([0, 1, 2], None)
    assert pictures([2], [2]) == [last]
    assert pictures([2], None) != [last]

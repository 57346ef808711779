"""Pictures of the saliency suite: what is drawn, not how it looks."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from interp.data import Dataset
from interp.evaluation import SanityCheck, Selectivity, mean_of
from interp.evaluation.erasure import find_protocol
from interp.evaluation.roar_kar import Retrained, RoarKar
from interp.report import (
    agreement_figure,
    attributions_figure,
    correlations_figure,
    erased_images_figure,
    gallery_figure,
    retraining_figure,
    selectivity_figure,
    tradeoff_figure,
)

IMAGES = np.random.RandomState(0).rand(2, 6, 6, 3).astype(np.float32)


def test_a_map_is_drawn_with_its_sign_on_its_own_scale():
    maps = {"one$": IMAGES - 0.5, "nothing": np.zeros((2, 6, 6, 1), np.float32)}
    figure = attributions_figure(IMAGES, maps, ["a", "b"])
    axes = figure.axes
    assert len(axes) == 6
    drawn = axes[1].images[0]
    np.testing.assert_allclose(drawn.get_array(), (IMAGES[0] - 0.5).sum(-1), rtol=1e-5)
    assert drawn.norm.vmin == -drawn.norm.vmax
    assert axes[2].images[0].norm.vmax == 1
    assert axes[0].get_ylabel() == "a"


def test_erased_pixels_are_red():
    gone = np.zeros((2, 6, 6), bool)
    gone[0, 2, 3] = True
    figure = erased_images_figure(IMAGES[..., :1], {"one": gone}, ["a", "b"])
    picture = figure.axes[1].images[0].get_array()
    np.testing.assert_allclose(picture[2, 3], (1, 0.1, 0.1), atol=1e-6)
    np.testing.assert_allclose(picture[0, 0], IMAGES[0, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_images_without_three_channels_are_drawn_in_grey(channels):
    images = np.random.RandomState(1).rand(1, 6, 6, channels).astype(np.float32)
    sample = Dataset(
        images=images, labels=np.zeros(1, int), class_names=("a", "b"), source="", split="test", name="mine"
    )
    found = SimpleNamespace(qualified=np.array([0]), epsilons=np.ones((2, 1)), discrepancies=np.ones((2, 1)))
    for figure in (
        attributions_figure(images, {"one": images}, ["a"]),
        erased_images_figure(images, {"one": np.zeros((1, 6, 6), bool)}, ["a"]),
        gallery_figure(images, {"one": images}, ["a"]),
        tradeoff_figure(sample, np.ones(1, int), {"one": found}),
    ):
        np.testing.assert_allclose(figure.axes[0].images[0].get_array(), images[0].mean(-1), rtol=1e-6)
    marked = erased_images_figure(images, {"one": np.zeros((1, 6, 6), bool)}, ["a"]).axes[1].images[0].get_array()
    np.testing.assert_allclose(marked, np.repeat(images[0].mean(-1, keepdims=True), 3, -1), rtol=1e-6)


def test_curves():
    curve = np.linspace(1, 0, 4)[:, None] * np.ones((1, 2))
    found = Selectivity(curve, curve > 0.5, np.zeros((2, 6, 6), bool), None)
    figure = selectivity_figure({"one": found, "random": found})
    assert figure.axes[0].get_xlabel() == "erased pixels"
    patches = selectivity_figure({"one": dataclasses.replace(found, patch=3)})
    assert patches.axes[0].get_xlabel() == "erased patches of 3 x 3 pixels"
    left, right = figure.axes
    np.testing.assert_allclose(left.lines[0].get_ydata(), [1, 2 / 3, 1 / 3, 0])
    np.testing.assert_allclose(right.lines[1].get_ydata(), [1, 1, 0, 0])
    assert right.lines[1].get_color() == "black"
    means = (mean_of([0.5, 0.7]), mean_of([np.nan]))
    check = SanityCheck(("top", "bottom"), (1, 2), {"one": means}, {"one": means}, 2)
    line = correlations_figure(check).axes[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), [1, 0.6, np.nan])


def test_agreement_is_written_into_its_picture():
    figure = agreement_figure(("one", "two"), np.array([[1, -0.5], [-0.5, 1]]))
    assert [text.get_text() for text in figure.axes[0].texts] == ["1.00", "-0.50", "-0.50", "1.00"]


def test_retrainings():
    accuracies = {Retrained("", "", 0.0, seed): 0.9 for seed in (0, 1)}
    for place, method in enumerate(("random", "one")):
        for ratio in (0.2, 0.4):
            accuracies |= {Retrained("roar", method, ratio, seed): 0.8 - ratio * place + 0.02 * seed for seed in (0, 1)}
    options = {"protocol": find_protocol("paper"), "ranking": "signed", "layers": {}}
    found = RoarKar(accuracies, ("roar",), ("random", "one"), (0.2, 0.4), (0, 1), **options)
    axes = retraining_figure(found, "roar").axes[0]
    np.testing.assert_allclose(axes.lines[1].get_ydata(), [0.61, 0.41])
    assert axes.get_xlabel() == "fraction of the strongest pixels erased"
    falling = RoarKar(accuracies, ("roar",), ("random", "one"), (0.4, 0.2), (0, 1), **options)
    line = retraining_figure(falling, "roar").axes[0].lines[1]
    np.testing.assert_allclose(line.get_xydata(), [(0.2, 0.61), (0.4, 0.41)])
    single = RoarKar(accuracies, ("roar",), ("random", "one"), (0.2,), (0, 1), **options)
    axes = retraining_figure(single, "roar").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["random", "one"]

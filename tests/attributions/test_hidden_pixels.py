"""Occlusion and RISE by hand: what a linear model loses behind windows, and sums over masks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from skimage.transform import resize

from interp.attributions import RISE, Occlusion
from interp.attributions.baselines import blurred
from interp.core.errors import InputError

L = keras.layers
SHAPE = (6, 5, 2)
IMAGES, LABELS = np.random.RandomState(0).rand(3, *SHAPE).astype(np.float32), np.array([0, 1, 1])
ONE = np.random.RandomState(1).rand(*SHAPE).astype(np.float32)
FILLS = {
    "number": (0.25, np.full((1, *SHAPE), 0.25)),
    "image": (ONE, ONE[None]),
    "mean": ("mean", IMAGES.mean((1, 2), keepdims=True)),
    "blur": ("blur", np.asarray(blurred(IMAGES))),
}


def linear(shape=SHAPE):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input(shape), L.Flatten(), L.Dense(2)])


@pytest.fixture(scope="module")
def model():
    return linear()


def scores(model, images, labels, score):
    logits = model(tf.constant(images, tf.float32))
    return np.asarray(tf.nn.softmax(logits) if score == "probability" else logits)[range(len(images)), labels]


def windows(sides, window, stride):
    """Which pixels each window hides: steps until the lower right corner is reached, the last windows cut."""
    for top in range(0, sides[0] - window[0] + stride[0], stride[0]):
        for left in range(0, sides[1] - window[1] + stride[1], stride[1]):
            hidden = np.zeros((*sides, 1))
            hidden[top : top + window[0], left : left + window[1]] = 1
            yield hidden


def occlusion(model, images, labels, fill, window, stride, score="logit"):
    total, covered = np.zeros((*images.shape[:3], 1)), 0
    for hidden in windows(images.shape[1:3], window, stride):
        shown = images * (1 - hidden) + fill * hidden
        fall = scores(model, images, labels, score) - scores(model, shown, labels, score)
        total, covered = total + fall[:, None, None, None] * hidden, covered + hidden
    return total / covered


@pytest.mark.parametrize("case", FILLS)
def test_occlusion_of_a_linear_model(model, case):
    """A window takes away the weights times the image minus the fill of its pixels."""
    fill, filled = FILLS[case]
    window, stride = (3, 2), (2, 2)
    weights = model.layers[-1].kernel.numpy().T[LABELS].reshape(IMAGES.shape)
    lost = (weights * (IMAGES - filled)).sum(-1, keepdims=True)
    hidden = list(windows(SHAPE[:2], window, stride))
    total = sum((lost * each).sum((1, 2, 3))[:, None, None, None] * each for each in hidden)
    found = Occlusion(model, window=window, stride=stride, fill=fill)(IMAGES, LABELS)
    np.testing.assert_allclose(found, total / sum(hidden), rtol=1e-4, atol=1e-5)
    expected = occlusion(model, IMAGES, LABELS, filled, window, stride, "probability")
    found = Occlusion(model, window=window, stride=stride, fill=fill, score="probability")(IMAGES, LABELS)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_the_usual_window_is_a_fifteenth_of_the_sides():
    shape = (90, 30, 1)
    large, image = linear(shape), np.random.RandomState(0).rand(1, *shape).astype(np.float32)
    expected = Occlusion(large, window=(6, 4), stride=(3, 2))(image, [0])
    np.testing.assert_allclose(Occlusion(large)(image, [0]), expected, rtol=1e-5, atol=1e-6)


METHODS = {
    "occlusion": lambda model, **options: Occlusion(model, **{"window": 3, "stride": 2, **options}),
    "rise": lambda model, **options: RISE(model, **{"mask_count": 30, "grid": 3, **options}),
}


@pytest.mark.parametrize(
    ("name", "options"),
    [("occlusion", each) for each in ({"window": 2}, {"stride": 1}, {"fill": 0.5}, {"score": "probability"})]
    + [
        ("rise", each)
        for each in (
            {"mask_count": 31},
            {"grid": 2},
            {"probability": 0.4},
            {"seed": 1},
            {"score": "logit"},
            {"fill": 0.5},
        )
    ],
)
def test_every_argument_counts(model, name, options):
    maps = METHODS[name](model)(IMAGES, LABELS)
    assert not np.allclose(METHODS[name](model, **options)(IMAGES, LABELS), maps, rtol=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_maps_depend_neither_on_batches_nor_on_places(model, name):
    whole = METHODS[name](model)(IMAGES, LABELS)
    for found in (
        METHODS[name](model, chunk_size=7)(IMAGES, LABELS),
        METHODS[name](model).explain(IMAGES, LABELS, first=5).maps,
    ):
        np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(METHODS[name](model)(IMAGES[1:2], LABELS[1:2]), whole[1:2], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("score", ["probability", "logit"])
def test_rise_by_given_masks(model, score):
    masks = np.random.RandomState(2).rand(7, *SHAPE[:2]).astype(np.float32)
    behind = [scores(model, IMAGES * mask[..., None], LABELS, score) for mask in masks]
    expected = np.einsum("kn,kyx->nyx", behind, masks) / (len(masks) * masks.mean())
    for given in (masks, masks[..., None]):
        found = RISE(model, masks=given, score=score, chunk_size=3)(IMAGES, LABELS)
        np.testing.assert_allclose(found[..., 0], expected, rtol=1e-4)


def masks_of_the_paper(count, cells, probability, sides, seed):
    """generate_masks of the published code, with this project's draws."""
    generator = np.random.RandomState(seed)
    size = np.ceil(np.array(sides) / cells).astype(int)
    grids = (generator.uniform(size=(count, cells, cells)) < probability).astype("float32")
    moves = (generator.uniform(size=(count, 2)) * size).astype(int)
    masks = []
    for grid, (top, left) in zip(grids, moves, strict=True):
        large = resize(grid, (cells + 1) * size, order=1, mode="reflect", anti_aliasing=False)
        masks.append(large[top : top + sides[0], left : left + sides[1]])
    return np.array(masks, np.float32)


def test_masks_are_those_of_the_paper(model):
    masks = masks_of_the_paper(25, 3, 0.4, SHAPE[:2], seed=4)
    drawn = RISE(model, mask_count=25, grid=3, probability=0.4, seed=4)(IMAGES, LABELS)
    given = RISE(model, masks=masks)(IMAGES, LABELS)
    np.testing.assert_allclose(drawn * 0.4, given * masks.mean(), rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda m: Occlusion(m, window=0), "window came as 0"),
        (lambda m: Occlusion(m, window=(1, 2, 3)), "window came as tuple of 3, expected (height, width)"),
        (lambda m: Occlusion(m, window=(7, 2))(IMAGES, LABELS), "window came as (7, 2), the images have 6x5 pixels"),
        (
            lambda m: Occlusion(m, window=2, stride=3)(IMAGES, LABELS),
            "stride came as (3, 3), more than the window (2, 2)",
        ),
        (lambda m: Occlusion(m, score="loss"), "unknown score 'loss'"),
        (lambda m: Occlusion(m, fill="grey"), "unknown fill 'grey'"),
        (lambda m: Occlusion(m, fill=IMAGES), "fill came as 3 images, expected one"),
        (lambda m: Occlusion(m, fill=ONE[:3])(IMAGES, LABELS), "the fill came with shape (3, 5, 2)"),
        (lambda m: RISE(m, mask_count=0), "mask_count came as 0"),
        (lambda m: RISE(m, grid=1), "grid came as 1"),
        (lambda m: RISE(m, probability=1.5), "probability came as 1.5"),
        (lambda m: RISE(m, masks=np.zeros((2, 6, 5))), "not all 0"),
        (lambda m: RISE(m, masks=np.ones((6, 5))), "masks came with shape (6, 5), expected (k, height, width)"),
        (
            lambda m: RISE(m, masks=np.ones((2, 5, 5)))(IMAGES, LABELS),
            "masks came with shape (2, 5, 5), the images have 6x5",
        ),
    ],
)
def test_settings_are_refused_in_one_line(model, make, said):
    with pytest.raises(InputError) as caught:
        make(model)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)

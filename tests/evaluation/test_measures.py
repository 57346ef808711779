"""Each measure of explanations by hand on toy models, and what maps drawn at random come to."""

import itertools

import numpy as np
import pytest

from interp.attributions import InputXGradient, RandomBaseline, VanillaGradient
from interp.evaluation import (
    Deletion,
    Entropy,
    Gini,
    Infidelity,
    Insertion,
    MaxSensitivity,
    MuFidelity,
    PointingGame,
    RoadLeast,
    RoadMost,
)
from interp.evaluation.faithfulness.road import WEIGHTS, imputed
from tests.evaluation.linear_toy import IMAGE, MAP, TOY, WEIGHTS_2X2, linear

GENERATOR = np.random.RandomState(0)
IMAGES, LABELS = GENERATOR.rand(5, 6, 6, 3).astype(np.float32), np.zeros(5, int)
LINEAR = GENERATOR.normal(size=(6, 6, 3))
COLOUR = linear(LINEAR, (6, 6, 3))
MASKS = GENERATOR.rand(5, 6, 6) > 0.5


def probability(*pixels):
    return 1 / (1 + np.exp(-np.dot(WEIGHTS_2X2, pixels)))


def trapezoid(heights):
    return np.trapezoid(heights, np.linspace(0, 1, len(heights)))


def test_deletion_by_hand():
    curve = [
        probability(0.9, 0.6, 0.3, 0.2),
        probability(0, 0.6, 0.3, 0.2),
        probability(0, 0.6, 0, 0.2),
        probability(0, 0, 0, 0.2),
        probability(0, 0, 0, 0),
    ]
    assert Deletion(steps=4)(TOY, IMAGE, [0], MAP) == pytest.approx([trapezoid(curve)], rel=1e-6)
    # Half of four pixels at a time.
    assert Deletion(steps=2)(TOY, IMAGE, [0], MAP) == pytest.approx([trapezoid(curve[::2])], rel=1e-6)
    against = [1 - height for height in curve]
    assert Deletion(steps=4)(TOY, IMAGE, [1], MAP) == pytest.approx([trapezoid(against)], rel=1e-6)
    mean = np.mean([0.9, 0.6, 0.3, 0.2])
    filled = [curve[0], probability(mean, 0.6, mean, 0.2), probability(*[mean] * 4)]
    assert Deletion(steps=2, fill="mean")(TOY, IMAGE, [0], MAP) == pytest.approx([trapezoid(filled)], rel=1e-6)


def test_insertion_by_hand():
    curve = [
        probability(0, 0, 0, 0),
        probability(0.9, 0, 0, 0),
        probability(0.9, 0, 0.3, 0),
        probability(0.9, 0.6, 0.3, 0),
        probability(0.9, 0.6, 0.3, 0.2),
    ]
    assert Insertion(steps=4, fill="black")(TOY, IMAGE, [0], MAP) == pytest.approx([trapezoid(curve)], rel=1e-6)
    negated = [curve[0], probability(0, 0.6, 0, 0.2), curve[4]]
    signed = Insertion(steps=2, fill="black")(TOY, IMAGE, [0], -MAP)
    assert signed == pytest.approx([trapezoid(negated)], rel=1e-6)
    magnitude = Insertion(steps=2, fill="black", ranking="magnitude")(TOY, IMAGE, [0], -MAP)
    assert magnitude == pytest.approx([trapezoid(curve[::2])], rel=1e-6)


def test_a_blur_keeps_a_flat_image_and_patches_go_whole():
    flat = np.full((1, 4, 4, 1), 0.5, np.float32)
    weights = np.arange(16.0).reshape(4, 4, 1) / 50
    model, maps = linear(weights, (4, 4, 1)), np.zeros((1, 4, 4, 1), np.float32)
    maps[0, 3, 3], maps[0, 0, 0], maps[0, 0, 3] = 5, 4, 3
    whole = 1 / (1 + np.exp(-0.5 * weights.sum()))
    assert Deletion(fill="blur")(model, flat, [0], maps) == pytest.approx([whole], rel=1e-5)
    # Squares of two pixels: the lower right one first, then the upper left, the upper right, the lower left.
    quarters = [weights[:2, :2], weights[:2, 2:], weights[2:, :2], weights[2:, 2:]]
    totals = [0.5 * sum(quarters[each].sum() for each in left) for left in ([0, 1, 2, 3], [0, 1, 2], [1, 2], [2], [])]
    curve = [1 / (1 + np.exp(-total)) for total in totals]
    assert Deletion(patch=2, steps=4)(model, flat, [0], maps) == pytest.approx([trapezoid(curve)], rel=1e-6)


@pytest.mark.parametrize("fill", ["black", "mean", "blur"])
def test_mu_fidelity_of_what_each_pixel_adds_is_1(fill):
    from interp.evaluation.faithfulness.replacement import filling

    exact = (IMAGES - filling(IMAGES, fill)) * LINEAR.astype(np.float32)
    for grid in (3, 4, 9):
        found = MuFidelity(samples=20, grid=grid, fill=fill)(COLOUR, IMAGES, LABELS, exact)
        np.testing.assert_allclose(found, 1, atol=1e-4)
    np.testing.assert_allclose(MuFidelity(samples=20, fill=fill)(COLOUR, IMAGES, LABELS, -exact), -1, atol=1e-4)


def test_mu_fidelity_by_hand():
    """All subsets of one pixel of four are about equally often drawn; with four samples they are counted."""
    measure = MuFidelity(samples=4, share=0.25)
    generator = np.random.default_rng((0, 0))
    pixels = generator.random((4, 4)).argsort(-1)[:, 0]
    attributed, drops = MAP.ravel()[pixels], (WEIGHTS_2X2 * IMAGE.ravel())[pixels]
    assert len(set(pixels)) > 1
    assert measure(TOY, IMAGE, [0], MAP) == pytest.approx([np.corrcoef(attributed, drops)[0, 1]], abs=1e-5)
    # A map of one value has no correlation.
    assert np.isnan(measure(TOY, IMAGE, [0], 0 * MAP)).all()


@pytest.mark.parametrize("perturbation", ["noise", "square"])
def test_infidelity_of_the_gradient_of_a_linear_model_is_0(perturbation):
    exact = Infidelity(perturbation=perturbation, samples=9, scaled=False)
    np.testing.assert_allclose(exact(COLOUR, IMAGES, LABELS, VanillaGradient()), 0, atol=1e-9)
    gradient = np.broadcast_to(LINEAR, IMAGES.shape).astype(np.float32)
    # Twice the gradient misses each drop by the drop itself, as a map of zeros does.
    twice, nothing = (exact(COLOUR, IMAGES, LABELS, factor * gradient) for factor in (2, 0))
    assert (nothing > 0.01).all()
    np.testing.assert_allclose(twice, nothing, rtol=1e-4)
    scaled = Infidelity(perturbation=perturbation, samples=9)
    np.testing.assert_allclose(scaled(COLOUR, IMAGES, LABELS, 2 * gradient), 0, atol=1e-9)
    np.testing.assert_allclose(scaled(COLOUR, IMAGES, LABELS, 0 * gradient), nothing, rtol=1e-6)


def test_infidelity_by_hand():
    """The square is the whole image, so each change takes all of it: the drop is the logit."""
    logit, told = np.dot(WEIGHTS_2X2, IMAGE.ravel()), np.dot(MAP.ravel(), IMAGE.ravel())
    found = Infidelity(perturbation="square", side=1.0, samples=3, scaled=False)(TOY, IMAGE, [0], MAP)
    assert found == pytest.approx([(told - logit) ** 2], rel=1e-5)


def test_max_sensitivity_by_hand():
    measure = MaxSensitivity(radius=0.05, samples=3)
    assert measure(TOY, IMAGE, [0], VanillaGradient()) == pytest.approx([0])
    generator = np.random.default_rng((0, 0))
    moves = [generator.uniform(-0.05, 0.05, (2, 2, 1)).ravel() for _ in range(3)]
    expected = max(np.linalg.norm(WEIGHTS_2X2 * move) for move in moves) / np.linalg.norm(WEIGHTS_2X2 * IMAGE.ravel())
    assert measure(TOY, IMAGE, [0], InputXGradient()) == pytest.approx([expected], rel=1e-4)
    assert np.isnan(measure(linear(0 * WEIGHTS_2X2, (2, 2, 1)), IMAGE, [0], VanillaGradient())).all()


def test_the_middle_of_nine_pixels_is_imputed_by_hand():
    image = np.array([[0.1, 0.2, 0.3], [0.4, 9.0, 0.5], [0.6, 0.7, 0.8]])[..., None]
    gone = np.zeros((3, 3), bool)
    gone[1, 1] = True
    found = imputed(image, gone)
    assert found[1, 1, 0] == pytest.approx((0.2 + 0.4 + 0.5 + 0.7) / 6 + (0.1 + 0.3 + 0.6 + 0.8) / 12)
    np.testing.assert_array_equal(found[~gone], image[~gone])


@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
def test_imputation_is_the_solution_of_a_dense_system(share):
    generator = np.random.RandomState(1)
    image, gone = generator.rand(5, 7, 2), generator.rand(5, 7) < share
    places = list(itertools.product(range(5), range(7)))
    matrix, known = np.eye(35), np.zeros((35, 2))
    for row, place in enumerate(places):
        if not gone[place]:
            known[row] = image[place]
            continue
        near = {
            (place[0] + down, place[1] + across): weight
            for (down, across), weight in WEIGHTS.items()
            if (place[0] + down, place[1] + across) in places
        }
        for neighbour, weight in near.items():
            matrix[row, places.index(neighbour)] -= weight / sum(near.values())
    expected = np.linalg.solve(matrix, known).reshape(5, 7, 2)
    np.testing.assert_allclose(imputed(image, gone), expected, atol=1e-10)
    assert sum(WEIGHTS.values()) == pytest.approx(1)


def test_road_by_hand():
    """One pixel of four is imputed by the three others; no noise."""
    least = probability(0.9, 0.6, 0.3, (0.9 / 12 + 0.6 / 6 + 0.3 / 6) / (5 / 12))
    most = probability((0.6 / 6 + 0.3 / 6 + 0.2 / 12) / (5 / 12), 0.6, 0.3, 0.2)
    whole = probability(0.9, 0.6, 0.3, 0.2)
    settings = {"removed": (0, 0.25), "noise": 0}
    assert RoadMost(**settings)(TOY, IMAGE, [0], MAP) == pytest.approx([(whole + most) / 2], rel=1e-6)
    assert RoadLeast(**settings)(TOY, IMAGE, [0], MAP) == pytest.approx([(whole + least) / 2], rel=1e-6)
    falling = {**settings, "removed": tuple(reversed(settings["removed"]))}
    assert RoadMost(**falling).shares == RoadMost(**settings).shares
    assert RoadMost(**settings)(TOY, IMAGE, [0], -MAP) == pytest.approx([(whole + least) / 2], rel=1e-6)


def test_pointing_game_by_hand():
    maps = np.zeros((4, 3, 3, 1), np.float32)
    maps[0, 0, 0], maps[1, 2, 2], maps[2, 0, 2] = 1, 1, -1
    masks = np.zeros((4, 3, 3), bool)
    masks[:3, 0, :2] = True
    images = np.full((4, 3, 3, 1), 0.5, np.float32)
    model = linear(np.ones((3, 3, 1)), (3, 3, 1))

    def play(**settings):
        return PointingGame(**settings)(model, images, [0] * 4, maps, masks=masks)

    # A hit, a miss, a tie of the eight pixels of 0, and no object.
    np.testing.assert_allclose(play(), [1, 0, 2 / 8, np.nan])
    np.testing.assert_allclose(play(ranking="magnitude"), [1, 0, 0, np.nan])
    # The corner is two pixels below the mask, and one to the right of it.
    np.testing.assert_allclose(play(tolerance=2.3), [1, 1, 1, np.nan])
    assert PointingGame().by_chance((3, 3), masks) == pytest.approx(2 / 9)
    assert PointingGame(tolerance=1).by_chance((3, 3), masks) == pytest.approx(5 / 9)


def test_complexity_of_known_maps():
    maps = np.zeros((4, 2, 2, 1), np.float32)
    maps[0], maps[1, 0, 0], maps[2, :, :, 0] = -1, 7, [[1, 2], [3, -4]]
    images = np.repeat(IMAGE, 4, 0)
    np.testing.assert_allclose(Gini()(TOY, images, [0] * 4, maps), [0, 0.75, 0.25, np.nan], atol=1e-7)
    shares = np.array([1, 2, 3, 4]) / 10
    expected = [np.log(4), 0, -(shares * np.log(shares)).sum(), np.nan]
    np.testing.assert_allclose(Entropy()(TOY, images, [0] * 4, maps), expected, atol=1e-6)


def many(count, side):
    images = np.random.RandomState(3).rand(count, side, side, 1).astype(np.float32)
    return linear(np.random.RandomState(4).normal(size=(side, side, 1)), (side, side, 1)), images, np.zeros(count, int)


def within(values, expected, errors=4):
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean() - expected) < errors * error


@pytest.mark.integration
def test_what_random_maps_come_to():
    model, images, labels = many(100, 6)
    deletion, insertion = (
        each(fill="black", steps=12)(model, images, labels, RandomBaseline()) for each in (Deletion, Insertion)
    )
    # What is left of a random order backwards is a random order.
    within(deletion - insertion, 0)
    most, least = (each()(model, images, labels, RandomBaseline()) for each in (RoadMost, RoadLeast))
    within(most - least, 0)
    masks = np.random.RandomState(5).rand(*images.shape[:3]) < np.linspace(0.1, 0.9, 100)[:, None, None]
    hits = PointingGame()(model, images, labels, RandomBaseline(), masks=masks)
    within(hits, PointingGame().by_chance((6, 6), masks))
    within(MuFidelity(samples=30)(model, images, labels, RandomBaseline()), 0)
    assert MuFidelity().by_chance((6, 6), None) == 0
    assert MuFidelity(grid=4).by_chance((6, 8), None) is None
    assert MaxSensitivity(samples=2)(model, images, labels, RandomBaseline()).max() == 0
    model, images, labels = many(5, 60)
    for measure in (Gini(), Entropy()):
        found = measure(model, images, labels, RandomBaseline())
        assert found.mean() == pytest.approx(measure.by_chance((60, 60), None), rel=0.02)

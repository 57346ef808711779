"""The strong attack on explanations: by hand, planted networks, its contract, never weaker than what it is compared with."""

import dataclasses

import keras
import numpy as np
import pytest

from interp.attacks import ExplanationAttack, TopKInterpretation
from interp.attacks.explanation_searches import candidates
from interp.attributions import CAM, InterpretationMaps
from interp.core.balls import find_ball
from interp.core.errors import InputError
from interp.data import load
from interp.discrepancy import KendallTau, MassOnMask, TopKOverlap, find_measure
from interp.evaluation import sample_images
from interp.evaluation.predictions import predict
from interp.models import load_model

FEW = ExplanationAttack(epsilon=0.1, steps=20, restarts=2, queries=40)
# Without squares, which take a graph of their own.
TAU = dataclasses.replace(FEW, measures=("kendall_tau",), queries=0)
SHAPE = (6, 6, 1)


@pytest.fixture(scope="module")
def shared():
    """A model whose CAM of a class is a weighted sum of x and 1 - x. Tests set its last weights, so that they share its graphs."""
    features = keras.layers.Conv2D(2, 1, activation="relu")
    model = keras.Sequential(
        [keras.Input(SHAPE), features, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    )
    features.set_weights([np.array([1, -1], np.float32).reshape(1, 1, 1, 2), np.array([0, 1], np.float32)])
    return model


def with_head(model, weights, bias):
    model.layers[-1].set_weights([np.array(weights, np.float32), np.array(bias, np.float32)])
    return model


@pytest.fixture(scope="module")
def images():
    """Contrasts of at most 0.1, so that a radius of 0.1 may reverse all of them."""
    return (0.45 + 0.1 * np.random.RandomState(0).rand(4, *SHAPE)).astype(np.float32)


# CAM of class 0 is the image itself, and its bias decides the prediction.
FREE = [[1, 0], [0, 0]], [9, 0]
LABELS = np.zeros(4, int)


@pytest.fixture
def free(shared):
    return with_head(shared, *FREE)


@pytest.fixture(scope="module")
def moved(shared, images):
    return FEW.run(with_head(shared, *FREE), images, LABELS, seed=3)


@pytest.mark.integration
def test_maps_that_move_freely_are_moved_freely(moved, free, images):
    """The map is the image, whose order a radius of 0.1 can reverse: tau falls to -1."""
    assert (moved.values["Kendall tau"] < -0.9).all()
    assert (moved.values["top-8 overlap"] < 0.2).all()
    for title, points in moved.adversarial.items():
        assert np.abs(points - images).max() <= 0.1 + 1e-6, title
        assert (np.argmax(predict(free, points), -1) == LABELS).all()
        clean, there = (
            InterpretationMaps(name="cam")(free, batch, LABELS[:, None])[:, 0] for batch in (images, points)
        )
        measure = next(each for each in FEW.chosen if each.title == title)
        np.testing.assert_allclose(measure(clean[..., None], there[..., None]), moved.values[title], atol=1e-5)


@pytest.mark.integration
def test_no_search_found_more_than_the_worst_case(moved):
    for measure in FEW.chosen:
        worst = measure.loss(moved.values[measure.title])
        assert all((measure.loss(each[measure.title]) <= worst).all() for each in moved.by_search.values())


@pytest.mark.integration
def test_what_is_found_depends_on_the_seed_alone(moved, free, images):
    again = FEW.run(free, images, LABELS, seed=3, batch_size=3)
    for title, points in moved.adversarial.items():
        np.testing.assert_allclose(again.adversarial[title], points, atol=1e-5)


@pytest.mark.integration
def test_the_prediction_stays_where_it_decides(shared, images):
    """Class 0 leads by twice the mean, less 1.199: by 0.001 where the mean is 0.6, which a search that may does not keep."""
    model = with_head(shared, [[1, 0], [0, 1]], [0, 0.199])
    bright = images - images.mean((1, 2, 3), keepdims=True) + 0.6
    kept, free = (dataclasses.replace(TAU, prediction=each).run(model, bright, LABELS) for each in ("kept", "free"))
    assert (np.argmax(predict(model, kept.adversarial["Kendall tau"]), -1) == 0).all()
    assert (kept.values["Kendall tau"] < 0.5).all()
    assert (np.argmax(predict(model, free.adversarial["Kendall tau"]), -1) == 1).any()


def test_a_given_class_is_held_and_nan_where_it_is_reached_nowhere(free, images):
    found = TAU.run(free, images, LABELS, classes=np.ones(4, int))
    assert np.isnan(found.values["Kendall tau"]).all()
    np.testing.assert_array_equal(found.adversarial["Kendall tau"], images)
    shown = dataclasses.replace(TAU, restarts=1).manipulate(free, images, np.ones(4, int), images[::-1, :, :, 0])
    assert np.isnan(shown.distances).all()


def test_a_class_that_ties_is_predicted_nowhere(shared, images):
    """As everywhere: an image whose label ties is no right one, so a point at which it ties has not kept it."""
    tied = with_head(shared, [[1, 1], [0, 0]], [0, 0])
    found = TAU.run(tied, images, LABELS, seed=1)
    assert np.isnan(found.values["Kendall tau"]).all()
    assert set(found.found_by["Kendall tau"]) == {"clean"}


def test_a_class_that_is_reached_is_held(shared):
    """Images on the side of class 1: points of class 0 are found, and only they count."""
    model = with_head(shared, [[1, 0], [0, 0]], [0, 0.5])
    images = (0.4 + 0.1 * np.random.RandomState(0).rand(4, *SHAPE)).astype(np.float32)
    assert (np.argmax(predict(model, images), -1) == 1).all()
    found = TAU.run(model, images, LABELS, classes=np.zeros(4, int))
    reached = np.isfinite(found.values["Kendall tau"])
    assert reached.all()
    assert (np.argmax(predict(model, found.adversarial["Kendall tau"]), -1) == 0).all()


@pytest.mark.integration
def test_a_map_that_vanishes_is_no_success(images):
    """CAM x relu(mean(x) - 0.45) is 0 where the image is dark, where no rank is defined: the search stays where it is."""
    inputs = keras.Input(SHAPE)
    bright = keras.layers.Lambda(lambda x: x * keras.ops.relu(keras.ops.mean(x, (1, 2, 3), keepdims=True) - 0.45))(
        inputs
    )
    features = keras.layers.Conv2D(1, 1, use_bias=False)
    outputs = keras.layers.Dense(2)
    model = keras.Model(inputs, outputs(keras.layers.GlobalAveragePooling2D()(features(bright))))
    features.set_weights([np.ones((1, 1, 1, 1), np.float32)])
    outputs.set_weights([np.array([[1, 0]], np.float32), np.array([9, 0], np.float32)])
    # Graphs are kept for the last model: an attack of its own leaves those of the others.
    found = ExplanationAttack(epsilon=0.1, steps=20, restarts=2, queries=0).run(model, images, LABELS)
    for name in ("rank 1", "rank 2", "correlation 1", "top_k 1", "centre 1"):
        assert np.isfinite(found.by_search[name]["Kendall tau"]).all(), name
    assert (found.by_search["rank 1"]["Kendall tau"] < 0).all()


def test_no_two_draws_are_the_same(free, images):
    """The control is independent of the attack: noise is not where searches start."""
    state = FEW._state(free, images, LABELS, None, 0, 50)
    weak = dataclasses.replace(FEW, steps=1, queries=0)
    points = list(candidates(weak, state, 0))
    for place, (name, one) in enumerate(points):
        # A search gives its best iterate and its last.
        others = [(known, other) for known, other in points[place + 1 :] if known != name or "noise" in name]
        assert all(np.abs(one - other).max() > 1e-6 for _, other in others), name


def test_candidates_come_in_one_order(free, images):
    """Of points that are as far by a measure the first counts, so how many searches run side by side must not decide which that is."""
    weak = dataclasses.replace(FEW, steps=1, queries=0)
    many, one = (list(candidates(weak, FEW._state(free, images, LABELS, None, 0, size), 0)) for size in (50, 4))
    assert [name for name, _ in many] == [name for name, _ in one]
    np.testing.assert_allclose([points for _, points in many], [points for _, points in one], atol=1e-6)


def test_nothing_moves_without_a_radius(free, images):
    found = dataclasses.replace(TAU, epsilon=0.0).run(free, images, LABELS)
    assert (found.values["Kendall tau"] == 1).all()
    assert (found.found_by["Kendall tau"] == "clean").all()


def test_what_a_smaller_radius_found_counts(free, images):
    small = dataclasses.replace(TAU, epsilon=0.05).run(free, images, LABELS)
    weak = dataclasses.replace(TAU, steps=1, restarts=1, queries=0)
    alone, carried = (weak.run(free, images, LABELS, carried=each) for each in (None, small))
    assert (carried.values["Kendall tau"] <= small.values["Kendall tau"]).all()
    assert (carried.values["Kendall tau"] <= alone.values["Kendall tau"]).all()
    for attack, points in ((dataclasses.replace(TAU, epsilon=0.01), images), (TAU, images[:2]), (TAU, 1 - images)):
        with pytest.raises(InputError, match="carried"):
            attack.run(free, points, LABELS[: len(points)], carried=small)
    mixed = dataclasses.replace(small, adversarial={**small.adversarial, "another measure": images[:2]})
    with pytest.raises(InputError, match=r"what is carried came of shape \(2, "):
        TAU.run(free, images, LABELS, carried=mixed)


def test_reports_each_part(free, images):
    calls = []
    TAU.run(free, images, LABELS, report=lambda: calls.append(1))
    assert len(calls) == TAU.parts


@pytest.mark.integration
def test_in_l2(free, images):
    attack = dataclasses.replace(TAU, norm="l2", epsilon=0.3)
    found = attack.run(free, images, LABELS)
    sizes = find_ball("l2").size(found.adversarial["Kendall tau"] - images).numpy()
    assert (sizes <= 0.3 + 1e-5).all()
    assert (found.values["Kendall tau"] < 0).all()


def test_a_map_that_is_to_be_shown(free, images):
    """The map is the image: within 0.1 it may become any other of as little contrast."""
    target = images[::-1, :, :, 0]
    found = dataclasses.replace(FEW, restarts=1, steps=60).manipulate(free, images, LABELS, target)
    assert (found.distances < 0.02).all()
    assert (found.clean_distances > 1).all()
    np.testing.assert_allclose(found.maps[..., 0], found.adversarial[..., 0], atol=1e-6)


def test_mass_leaves_a_mask(free, images):
    masks = np.zeros((4, 6, 6))
    masks[:, :3] = 1
    found = dataclasses.replace(FEW, measures=[MassOnMask(masks=masks)]).run(free, images, LABELS)
    assert (found.values["mass on the object"] < 0.45).all()


def test_an_attack_is_called_like_any_other(free, images):
    points = TAU(free, images, LABELS)
    assert isinstance(points, np.ndarray)
    assert points.shape == images.shape


@pytest.mark.slow
@pytest.mark.parametrize("name", ["normal", "adv", "int", "ig"])
@pytest.mark.parametrize("explanation", ["cam", "gradient", "ig"])
def test_never_weaker_than_the_papers_attack(data_dir, reference_dir, name, explanation):
    """On published networks, by every measure, on the same images; noise is among the searches."""
    model = load_model(reference_dir / "networks" / f"mnist_smallgap_{name}_100.pkl")
    sample, _ = sample_images(load("mnist", "test"), 20)
    images, labels = np.asarray(sample.images), sample.labels
    rows = np.argmax(predict(model, images), -1) == labels
    images, labels = images[rows][:16], labels[rows][:16]
    attack = ExplanationAttack(epsilon=0.2, explanation=explanation)
    found = attack.run(model, images, labels)
    paper = TopKInterpretation(epsilon=0.2, interpretation=explanation, keep_prediction=True)(model, images, labels)
    maps = InterpretationMaps(name=explanation)
    clean, there = (
        maps(model, batch, labels[:, None])[:, 0].reshape(len(batch), 1, -1, 1) for batch in (images, paper)
    )
    for title in ("Kendall tau", "Spearman", "Pearson", "cosine", "top-8 overlap"):
        measure = next(each for each in attack.chosen if each.title == title)
        assert np.nanmean(found.values[title]) <= np.nanmean(measure(clean, there)) + 1e-6, title


@pytest.mark.parametrize(
    "settings",
    [
        {"epsilon": -1},
        {"epsilon": 2},
        {"norm": "l1"},
        {"explanation": "random"},
        {"explanation": "nothing"},
        {"measures": ()},
        {"measures": "pearson"},
        {"measures": 5},
        {"measures": ("tau",)},
        {"measures": (TopKOverlap(k=2), TopKOverlap(k=3))},
        {"ranking": "absolute"},
        {"prediction": "changed"},
        {"steps": 0},
        {"restarts": 0},
        {"queries": -1},
    ],
)
def test_bad_settings(settings):
    with pytest.raises(InputError):
        ExplanationAttack(**{"epsilon": 0.1, **settings})


def test_bad_calls(free, images):
    for call in (
        lambda: TAU.run(free, images, LABELS[:2]),
        lambda: TAU.run(free, images, LABELS, classes=LABELS + 9),
        lambda: TAU.run(free, images * 300, LABELS),
        lambda: TAU.run(free, images, LABELS, carried="x"),
        lambda: dataclasses.replace(TAU, prediction="free").run(free, images, LABELS, classes=LABELS),
        lambda: TAU.manipulate(free, images, LABELS, np.zeros((4, 5, 5))),
        lambda: TAU.manipulate(free, images, LABELS, np.zeros((4, 6, 6))),
        lambda: dataclasses.replace(TAU, measures=[MassOnMask(masks=np.ones((3, 6, 6)))]).manipulate(
            free, images, LABELS, images[::-1]
        ),
        lambda: dataclasses.replace(TAU, measures=(TopKOverlap(k=37),)).run(free, images, LABELS),
        lambda: dataclasses.replace(TAU, explanation=CAM()).run(
            keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(2)]), images, LABELS
        ),
    ):
        with pytest.raises(InputError):
            call()


def test_measures_by_name_and_as_objects():
    assert TAU.chosen == [KendallTau()] == [find_measure("kendall_tau")]

"""What all measures of explanations promise: settings and seeds count, batches do not, and bad input is refused in one line."""

import dataclasses

import keras
import numpy as np
import pytest

from interp.attributions import Attribution, GradCAM, InputXGradient, VanillaGradient
from interp.core.errors import InputError
from interp.core.names import FAITHFULNESS as NAMES
from interp.evaluation import (
    FAITHFULNESS,
    Deletion,
    Gini,
    Infidelity,
    Insertion,
    MaxSensitivity,
    MuFidelity,
    PointingGame,
    RoadMost,
)
from interp.evaluation.faithfulness import find_measure
from tests.evaluation.linear_toy import IMAGE, MAP, TOY, WEIGHTS_2X2, L, linear
from tests.model_kinds import MODELS, images_for


def test_a_second_call_compiles_nothing_and_sees_new_weights():
    traced = []

    class Counted(L.Layer):
        def call(self, inputs):
            traced.append(inputs.shape)
            return inputs

    model = keras.Sequential([keras.Input((2, 2, 1)), Counted(), L.Flatten(), L.Dense(2)])
    measure = Deletion(steps=4)
    first = measure(model, IMAGE, [0], MAP)
    count = len(traced)
    np.testing.assert_array_equal(measure(model, IMAGE, [0], MAP), first)
    assert len(traced) == count
    model.set_weights(TOY.get_weights())
    assert measure(model, IMAGE, [0], MAP) == pytest.approx(Deletion(steps=4)(TOY, IMAGE, [0], MAP), rel=1e-6)
    # Another model of the same measure is another one.
    other = linear(2 * WEIGHTS_2X2, (2, 2, 1))
    np.testing.assert_array_equal(measure(other, IMAGE, [0], MAP), Deletion(steps=4)(other, IMAGE, [0], MAP))


# Other settings of each measure, of which each gives other values.
OTHERS = {
    "deletion": {"ranking": "magnitude", "steps": 7, "patch": 2, "fill": "mean"},
    "insertion": {"ranking": "magnitude", "steps": 7, "patch": 2, "fill": "black", "sigma": 3.0},
    "mu_fidelity": {"samples": 50, "share": 0.5, "grid": 3, "fill": "mean"},
    "infidelity": {"perturbation": "square", "samples": 50, "noise": 0.1, "scaled": False},
    "max_sensitivity": {"radius": 0.1, "samples": 3},
    "road_most": {"ranking": "magnitude", "removed": (0.5,), "noise": 0.1},
    "road_least": {"ranking": "magnitude", "removed": (0.5,), "noise": 0.1},
    "pointing_game": {"ranking": "magnitude", "tolerance": 1.0},
    "gini": {},
    "entropy": {},
}
# Those that draw.
DRAWING = ("mu_fidelity", "infidelity", "max_sensitivity", "road_most", "road_least")


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((10, 10, 1)), L.Conv2D(3, 3, activation="relu"), L.Flatten(), L.Dense(5)])
    generator = np.random.RandomState(6)
    images = generator.rand(6, 10, 10, 1).astype(np.float32)
    return model, images, np.arange(6) % 5, generator.rand(6, 10, 10) > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_settings_and_seeds_count_and_batches_do_not(network, name):
    model, images, labels, masks = network
    measure = FAITHFULNESS[name]

    def values(measure, **settings):
        return measure(model, images, labels, InputXGradient(), masks=masks, **settings)

    usual = values(measure)
    assert usual.shape == (6,)
    assert usual.dtype == np.float64
    np.testing.assert_array_equal(values(measure), usual)
    for setting, value in OTHERS[name].items():
        assert not np.allclose(values(type(measure)(**{setting: value})), usual, rtol=1e-9, atol=0), setting
    np.testing.assert_allclose(values(measure, batch_size=2), usual, rtol=2e-3, atol=1e-6)
    assert np.allclose(values(measure, seed=1), usual, rtol=1e-7, atol=0) == (name not in DRAWING)


def test_every_setting_is_tried():
    for name, measure in FAITHFULNESS.items():
        left = {"infidelity": {"side"}, "deletion": {"sigma"}}.get(name, set())
        assert {field.name for field in dataclasses.fields(measure) if field.init} == set(OTHERS[name]) | left


def test_a_side_and_a_blur_count(network):
    model, images, labels, _ = network
    for kind, fixed, name, values in (
        (Infidelity, {"perturbation": "square"}, "side", (0.25, 0.5)),
        (Deletion, {"fill": "blur"}, "sigma", (1.0, 3.0)),
    ):
        one, other = (kind(**fixed, **{name: value})(model, images, labels, VanillaGradient()) for value in values)
        assert not np.allclose(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_its_value_whatever_stands_behind_it(network, name):
    model, images, labels, masks = network
    measure = FAITHFULNESS[name]
    few = measure(model, images[:3], labels[:3], VanillaGradient(), masks=masks[:3])
    whole = measure(model, images, labels, VanillaGradient(), masks=masks)
    np.testing.assert_allclose(few, whole[:3], rtol=2e-3, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_of_model(models, kind):
    model = models(kind)
    images, labels = images_for(model)
    masks = np.ones(images.shape[:3], bool)
    for name, measure in FAITHFULNESS.items():
        found = measure(model, images, labels, GradCAM(), masks=masks)
        assert found.shape == (3,), name
        assert not np.isinf(found).any(), name


REFUSED = {
    "ranking": (lambda: Deletion(ranking="size"), "unknown ranking 'size'"),
    "fill": (lambda: Insertion(fill="white"), "unknown fill 'white'"),
    "steps": (lambda: Deletion(steps=0), "steps came as 0"),
    "patch": (lambda: Deletion(patch=3)(TOY, IMAGE, [0], MAP), "patch came as 3, expected at most 2"),
    "sigma": (lambda: Deletion(sigma=0), "sigma came as 0"),
    "share": (lambda: MuFidelity(share=1), "share came as 1, expected a share of the image below 1"),
    "grid": (lambda: MuFidelity(grid=1), "grid came as 1"),
    "samples": (lambda: MuFidelity(samples=1), "samples came as 1"),
    "perturbation": (lambda: Infidelity(perturbation="blur"), "unknown perturbation 'blur'"),
    "side": (lambda: Infidelity(side=2), "side came as 2"),
    "radius": (lambda: MaxSensitivity(radius=2), "radius came as 2"),
    "removed": (lambda: RoadMost(removed=(0.5, 1.0)), "a share of removed came as 1.0, expected less than 1"),
    "nothing removed": (lambda: RoadMost(removed=()), "removed came empty"),
    "all removed": (lambda: RoadMost(removed=(0.9,))(TOY, IMAGE, [0], MAP), "leaves nothing of 4 pixels"),
    "tolerance": (lambda: PointingGame(tolerance=-1), "tolerance came as -1"),
    "no masks": (lambda: PointingGame()(TOY, IMAGE, [0], MAP), "PointingGame needs to know where the object is"),
    "masks": (lambda: PointingGame()(TOY, IMAGE, [0], MAP, masks=np.ones((2, 2))), "masks came with shape (2, 2)"),
    "no method": (
        lambda: MaxSensitivity()(TOY, IMAGE, [0], MAP),
        "MaxSensitivity explains changed images: give the method",
    ),
    "maps": (
        lambda: Deletion()(TOY, IMAGE, [0], MAP[:, :1]),
        "maps came with shape (1, 1, 2, 1), expected (1, 2, 2, 1)",
    ),
    "channels": (lambda: Deletion()(TOY, IMAGE, [0], np.repeat(MAP, 3, -1)), "maps came with shape (1, 2, 2, 3)"),
    "NaN": (lambda: Deletion()(TOY, IMAGE, [0], MAP * np.nan), "maps hold NaN"),
    "labels": (lambda: Deletion()(TOY, IMAGE, [2], MAP), "labels came in [2, 2]"),
    "images": (lambda: Deletion()(TOY, IMAGE[0], [0], MAP), "expected (n, height, width, channels)"),
    "model": (lambda: Deletion()(None, IMAGE, [0], MAP), "expected a keras.Model"),
    "seed": (lambda: Deletion()(TOY, IMAGE, [0], MAP, seed=-1), "seed came as -1"),
    "batch size": (lambda: Deletion()(TOY, IMAGE, [0], MAP, batch_size=0), "batch_size came as 0"),
    "name": (lambda: find_measure("deleton"), "unknown measure 'deleton': did you mean 'deletion'?"),
    "class": (lambda: find_measure(Deletion), "a measure came as the class Deletion"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_is_refused_in_one_line(what):
    use, said = REFUSED[what]
    with pytest.raises(InputError) as caught:
        use()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_descriptions():
    assert isinstance(find_measure("gini"), Gini)
    own = Deletion(patch=8)
    assert find_measure(own) is own
    assert Deletion() == FAITHFULNESS["deletion"]
    assert repr(MaxSensitivity()) == "MaxSensitivity(radius=0.02, samples=10)"
    assert issubclass(GradCAM, Attribution)

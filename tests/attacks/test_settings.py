"""Settings of all attacks: each says whether it shapes the graph, and no two that do not agree share one."""

import copy
import dataclasses
import inspect
import math
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import interp
from interp.attacks import (
    JPEG,
    Attack,
    AutoPGD,
    Elastic,
    FastAdaptiveBoundary,
    Fog,
    Gabor,
    InterpretabilitySneaking,
    MinimumEpsilon,
    ProjectedGradientDescent,
    RandomTarget,
    Snow,
    Square,
    TopKInterpretation,
)
from interp.attacks.attack import numbers, static, structure
from interp.attributions import Attribution, Maps, VanillaGradient

UNFORESEEN = {"epsilon": 0.75, "steps": 3, "goal": "untargeted", "restarts": 2, "step_size": 0.05}
TARGETED = {"rounds": 3, "steps": 3, "direction": "reference"}
# An attack, and for each of its settings another value.
CASES = {
    ProjectedGradientDescent: (
        {"epsilon": 0.1, "step_size": 0.03, "steps": 2},
        {
            "epsilon": 0.2,
            "step_size": 0.05,
            "steps": 3,
            "random_start": True,
            "restarts": 2,
            "norm": "l2",
            "iterate": "first",
            "precision": "bfloat16",
            "goal": RandomTarget(),
        },
    ),
    AutoPGD: (
        {"epsilon": 0.1, "steps": 5},
        {
            "epsilon": 0.2,
            "restarts": 2,
            "steps": 6,
            "loss": "dlr",
            "goal": RandomTarget(),
            "norm": "l2",
            "expectation": 2,
        },
    ),
    Square: (
        {"epsilon": 0.1, "steps": 5},
        {"epsilon": 0.2, "steps": 6, "share": 0.5, "goal": RandomTarget(), "norm": "l2"},
    ),
    FastAdaptiveBoundary: (
        {"epsilon": 0.1, "steps": 3},
        {"epsilon": 0.2, "steps": 4, "targets": 2, "restarts": 2, "norm": "l2"},
    ),
    TopKInterpretation: (
        {"epsilon": 0.1, "steps": 2, "interpretation": "ig", "k": 3},
        {
            "epsilon": 0.2,
            "step_size": 0.05,
            "steps": 3,
            "interpretation": VanillaGradient(),
            "k": 4,
            "keep_prediction": True,
            "norm": "l2",
            "ranking": "magnitude",
        },
    ),
    MinimumEpsilon: ({"rounds": 2, "steps": 2, "restarts": 1}, {**TARGETED, "restarts": 2, "norm": "l2"}),
    InterpretabilitySneaking: (
        {"rounds": 2, "steps": 2, "interpretation": "ig", "protocol": "strong", "search_steps": 2, "restarts": 0},
        {
            **TARGETED,
            "interpretation": "gradient",
            "classes": "one_class",
            "discrepancy_norm": "l2",
            "layer": 0,
            "protocol": "reference",
            "search_steps": 3,
            "restarts": 1,
        },
    ),
    **{kind: ({"epsilon": 0.5, "steps": 2}, UNFORESEEN) for kind in (Fog, Gabor, Snow, Elastic)},
    JPEG: ({"epsilon": 0.5, "steps": 2}, {**UNFORESEEN, "norm": "l2"}),
}
SETTINGS = [(kind, name) for kind, (_, others) in CASES.items() for name in others]


def subclasses(kind):
    return {kind, *(found for each in kind.__subclasses__() for found in subclasses(each))}


def settings_of(kind):
    return {each.name: each for each in dataclasses.fields(kind) if not each.name.startswith("_")}


def is_static(kind, name):
    return "key" in settings_of(kind)[name].metadata


def test_the_table_has_all_attacks_and_all_their_settings():
    attacks = {each for each in subclasses(Attack) if each.__module__.startswith("interp.")}
    concrete = {each for each in attacks if not inspect.isabstract(each)}
    assert set(CASES) == concrete | {MinimumEpsilon, InterpretabilitySneaking}
    for kind, (_, others) in CASES.items():
        assert set(others) == set(settings_of(kind)), kind


@pytest.mark.parametrize(("kind", "name"), SETTINGS)
def test_another_setting_is_another_key_or_another_number(kind, name):
    first, others = CASES[kind]
    attack = kind(**first)
    # Several restarts need a random start.
    base = dataclasses.replace(attack, random_start=True) if name == "restarts" and "random_start" in others else attack
    other = dataclasses.replace(base, **{name: others[name]})
    before, after = numbers(base), numbers(other)
    # Of the same names and types, so that they fit the graph.
    assert {key: type(value) for key, value in before.items()} == {key: type(value) for key, value in after.items()}
    if is_static(kind, name):
        assert structure(other) != structure(base)
        assert after == before
    else:
        assert structure(other) == structure(base)
        assert after[name] != before[name]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3, activation="softplus"), keras.layers.Flatten(), keras.layers.Dense(4)]
    return keras.Sequential([keras.Input((16, 16, 1)), *layers])


def defined(sign):
    """A method whose map is the image or its negative, as no setting of it tells."""

    class Mine(Attribution):
        def maps(self, model, points, classes, rows):
            return Maps(sign * model.leave(points)[:, None, ..., 0], model.logits(points))

    return Mine()


def test_a_method_that_is_defined_anew_has_a_graph_of_its_own():
    """As by a cell of a notebook that is changed and run again: of (.6, .5, .2) first the largest is lowered, then the least raised."""
    pixels = np.array([0.6, 0.5, 0.2], np.float32).reshape(1, 1, 3, 1)
    linear = keras.Sequential([keras.Input((1, 3, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    attack = TopKInterpretation(epsilon=0.1, step_size=0.05, steps=5, k=1)
    moved = [
        np.ravel(dataclasses.replace(attack, interpretation=defined(sign))(linear, pixels, [0])) for sign in (1, -1)
    ]
    np.testing.assert_allclose([moved[0][0], moved[1][2]], [0.5, 0.3], rtol=1e-6)
    isa = [InterpretabilitySneaking(interpretation=defined(sign)) for sign in (1, -1)]
    assert structure(isa[0]) != structure(isa[1])


IMAGES = np.random.RandomState(0).rand(4, 16, 16, 1).astype(np.float32)


def run(attack, model):
    labels = np.argmax(model(IMAGES), -1)
    if isinstance(attack, MinimumEpsilon):
        return attack(model, IMAGES, (labels + 1) % 4).adversarial
    if isinstance(attack, InterpretabilitySneaking):
        return attack(model, IMAGES, labels, (labels + 1) % 4, np.full(4, 0.5)).adversarial
    return attack(model, IMAGES, labels)


def copied(model):
    """The same model, for which nothing is compiled yet."""
    again = keras.models.clone_model(model)
    again.set_weights(model.get_weights())
    return again


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES)
def test_a_graph_made_for_other_numbers_gives_what_a_new_one_gives(kind, model):
    """A setting that shapes the graph and is not marked would keep its first value."""
    first, others = CASES[kind]
    attack = kind(**first)
    before = run(attack, model)
    changed = {name: value for name, value in others.items() if not is_static(kind, name)}
    shared = dataclasses.replace(attack, **changed)
    found = run(shared, model)
    np.testing.assert_array_equal(found, run(shared, copied(model)))
    assert not np.array_equal(found, before)


class Unreadable:
    """Stands for a setting that may not be looked at."""

    def _fail(self, *_):
        raise AssertionError("a setting that is a number was read while a graph was made")

    __bool__ = __float__ = __int__ = __index__ = __array__ = __eq__ = __lt__ = __gt__ = __le__ = __ge__ = _fail
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = _fail
    __hash__ = None


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES)
def test_graphs_are_made_without_looking_at_numbers(kind, model, monkeypatch):
    name = "_run" if issubclass(kind, Attack) else "_search"
    plain, made, model = getattr(kind, name), [], copied(model)

    def without_numbers(attack, *arguments):
        blind = copy.copy(attack)
        for setting in numbers(attack):
            object.__setattr__(blind, setting, Unreadable())
        made.append(kind)
        return plain(blind, *arguments)

    monkeypatch.setattr(kind, name, without_numbers)
    first, others = CASES[kind]
    # The static settings change what is asked; only the package's networks compute in bfloat16.
    changed = {
        name: value for name, value in others.items() if is_static(kind, name) and name not in ("precision", "layer")
    }
    for attack in (kind(**first), kind(**{**first, **changed})):
        run(attack, model)
    assert len(made) == 2


def test_steps_of_unforeseen_attacks_by_hand():
    assert numbers(Fog(epsilon=8.0, steps=16)) == {"epsilon": 8.0, "steps": 16, "restarts": 1, "step_size": 2.0}
    assert numbers(Fog(epsilon=8.0, steps=16, step_size=0.5))["step_size"] == 0.5
    assert math.isclose(numbers(Fog(epsilon=8.0, steps=200))["step_size"], 8 / 200**0.5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shift(Attack):
    """Moves every pixel up or down; the way is not marked."""

    size: "float" = 0.1
    way: str = "up"

    def _starts(self, images, seed):
        yield (images,)

    def _run(self, batch):
        sign = 1.0 if self.way == "up" else -1.0
        return tf.clip_by_value(batch.images + sign * batch.numbers["size"], 0.0, 1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Marked(Shift):
    way: str = static("up")


def test_a_setting_that_is_neither_marked_nor_a_number_is_told(model):
    with pytest.raises(
        TypeError, match=r"the setting way of Shift is no number: mark it as static, way: \.\.\. = static"
    ):
        run(Shift(), model)
    up = Marked(size=0.2)
    np.testing.assert_allclose(run(up, model), np.clip(IMAGES + 0.2, 0, 1), atol=1e-6)
    down = dataclasses.replace(up, way="down")
    np.testing.assert_allclose(run(down, model), np.clip(IMAGES - 0.2, 0, 1), atol=1e-6)


def test_the_error_of_the_package_is_had_without_tensorflow():
    code = "import sys, interp; interp.InputError; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    root = Path(interp.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "False False", done.stderr
    assert "InputError" in interp.__all__

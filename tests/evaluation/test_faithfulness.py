"""Comparisons of methods by measures: what they hold, how far measures agree, and that a stopped one goes on."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy import stats

from interp.attributions import EdgeMap, InputXGradient, RandomBaseline, VanillaGradient
from interp.core.errors import InputError
from interp.core.parallel import open_workers
from interp.evaluation import Deletion, Faithfulness, MaxSensitivity, MeanCurves, MeasureFacts, MuFidelity, faithfulness
from interp.evaluation.faithfulness import Measure, Measured
from interp.evaluation.faithfulness.agreement import agreement_of_means, agreement_over_images
from tests.model_kinds import Scaled

L = keras.layers
GENERATOR = np.random.RandomState(0)
IMAGES, LABELS = GENERATOR.rand(5, 8, 8, 1).astype(np.float32), np.arange(5) % 3
MASKS = GENERATOR.rand(5, 8, 8) > 0.5
MEASURES = {
    "deletion": Deletion(steps=4),
    "mu_fidelity": MuFidelity(samples=10, grid=4),
    "max_sensitivity": MaxSensitivity(samples=1),
}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((8, 8, 1)), L.Conv2D(3, 3, activation="relu"), L.Flatten(), L.Dense(3)])


@pytest.fixture(scope="module")
def found(model):
    methods = {"gradient": "gradient", "mine": InputXGradient()}
    return faithfulness(model, IMAGES, LABELS, methods, MEASURES, seed=3)


def test_values_are_those_of_each_measure_and_the_controls_are_there(model, found):
    assert found.methods == ("random", "edges", "gradient", "mine")
    methods = {
        "random": RandomBaseline(seed=3),
        "edges": EdgeMap(),
        "gradient": VanillaGradient(),
        "mine": InputXGradient(),
    }
    for name, method in methods.items():
        for each, measure in MEASURES.items():
            expected = measure(model, IMAGES, LABELS, method, seed=3)
            np.testing.assert_allclose(found.of(name, each), expected, rtol=1e-6)
    mean = found.mean("mine", "deletion")
    values = found.of("mine", "deletion")
    assert (mean.value, mean.standard_error) == pytest.approx((values.mean(), values.std(ddof=1) / np.sqrt(5)))
    assert found.curves.keys() == {"deletion"}
    curve = found.curves["deletion"]
    assert curve.shares == (0, 0.25, 0.5, 0.75, 1)
    # All curves begin at the image and end at black.
    assert np.ptp(curve.means[:, 0]) < 1e-6
    assert np.ptp(curve.means[:, -1]) < 1e-6
    np.testing.assert_allclose(curve.means @ [1 / 8, 1 / 4, 1 / 4, 1 / 4, 1 / 8], found.values[:, 0].mean(-1))
    assert found.measures["mu_fidelity"].by_chance == 0
    assert found.measures["deletion"].by_chance is None


def test_all_measures_are_the_default_and_pointing_needs_masks(model):
    methods = ["input_x_gradient"]
    without = faithfulness(model, IMAGES[:2], LABELS[:2], methods)
    masked = faithfulness(model, IMAGES[:2], LABELS[:2], methods, masks=MASKS[:2])
    assert list(masked.measures)[-3:] == ["pointing_game", "gini", "entropy"]
    assert [*without.measures] == [name for name in masked.measures if name != "pointing_game"]
    assert masked.measures["pointing_game"].by_chance == pytest.approx(MASKS[:2].mean())
    assert masked.values.shape == (3, 10, 2)
    assert np.isfinite(masked.values).all()


def test_agreement_is_kendall_tau_over_methods():
    values = GENERATOR.normal(size=(6, 3, 7)).round(1)
    values[:, 2] = -values[:, 0]
    means = agreement_of_means(values)
    taus = agreement_over_images(values)
    for row in range(3):
        for column in range(3):
            expected = stats.kendalltau(values[:, row].mean(-1), values[:, column].mean(-1)).statistic
            assert means[row, column] == pytest.approx(expected)
            each = [stats.kendalltau(*values[:, [row, column], image].T).statistic for image in range(7)]
            assert taus[row][column].value == pytest.approx(np.mean(each))
            if row != column:
                assert taus[row][column].standard_error == pytest.approx(np.std(each, ddof=1) / np.sqrt(7), abs=1e-9)
    assert means[0, 2] == pytest.approx(-1)
    # Values that are not defined do not count, and without a ranking there is no agreement.
    values[0, 0] = np.nan
    left = stats.kendalltau(values[1:, 0].mean(-1), values[1:, 1].mean(-1)).statistic
    assert agreement_of_means(values)[0, 1] == pytest.approx(left)
    assert np.isnan(agreement_of_means(np.ones((4, 2, 3)))).all()
    assert agreement_over_images(np.ones((4, 2, 3)))[0][1].value is None


FACTS = {"up": MeasureFacts("Up()", "asks", True, 0.5), "down": MeasureFacts("Down()", "asks", False, None)}


def result(values):
    return Faithfulness(("random", "edges", "mine"), FACTS, np.asarray(values, float), {}, np.shape(values)[-1])


def test_methods_beat_controls_on_the_same_images():
    """Images differ far more than methods do; in pairs the method is better on every one."""
    levels = np.array([0.0, 10.0, 20.0, 30.0])
    gains = np.array([0.1, 0.2, 0.15, 0.12])
    both = [[levels, levels], [levels + 1, levels - 1], [levels + gains, levels + gains]]
    found = result(both)
    assert found.beats("mine", "random", "up") is True
    assert found.beats("mine", "random", "down") is False
    assert found.beats("mine", "edges", "up") is False
    assert found.beats("random", "random", "up") is None
    # The same gain everywhere needs no test.
    assert found.beats("edges", "random", "up") is True
    columns = found.columns()
    assert columns["beats"] == ["none", "random", "random", "none", "random", "none"]
    assert columns["measure"] == ["up"] * 3 + ["down"] * 3
    assert result([[[0.0], [0.0]]] * 3).columns()["beats"] == ["-"] * 6
    assert "up: asks; higher is better; the random baseline comes to 0.5 in theory; Up()" in found.notes
    assert "down: asks; lower is better; Down()" in found.notes
    # Up ranks random < mine < edges by the means, down ranks mine < random < edges.
    assert found.agreement[0, 1] == pytest.approx(1 / 3)
    assert "Kendall tau of 0.33" in found.notes[-1]


def test_records(found):
    values = json.loads(json.dumps(found.to_json()))
    read = Faithfulness.from_json(values)
    assert read.to_json() == found.to_json()
    np.testing.assert_array_equal(read.values, found.values)
    np.testing.assert_array_equal(read.curves["deletion"].means, found.curves["deletion"].means)
    assert values["means"]["mine"]["deletion"]["count"] == 5
    assert len(values["agreement"]) == len(values["agreement_over_images"]) == 3
    for damage, said in (
        ({"values": [[[0.5]]]}, "do not fit each other"),
        ({"values": "many"}, "Faithfulness.values came as 'many'"),
        ({"methods": ["a", "b", "c", "d"]}, "the controls too"),
        ({"curves": {"other": values["curves"]["deletion"]}}, "do not fit each other"),
        ({"curves": {"deletion": {**values["curves"]["deletion"], "means": [[1.0]]}}}, "do not fit each other"),
        ({"images": 0}, "Faithfulness.images came as 0"),
        ({"measures": {}}, "do not fit each other"),
    ):
        with pytest.raises(InputError, match="Faithfulness") as caught:
            Faithfulness.from_json({**values, **damage})
        assert said in str(caught.value)
    without = {name: value for name, value in values.items() if name != "measures"}
    with pytest.raises(InputError, match="Faithfulness has no 'measures'"):
        Faithfulness.from_json(without)


class Stop(Exception):
    pass


@pytest.mark.integration
def test_a_stopped_comparison_goes_on(model, found, tmp_path):
    def stop(what, done, total):
        assert (what, total) == ("measuring", 12)
        if done == 5:
            raise Stop

    methods = {"gradient": "gradient", "mine": InputXGradient()}
    options = {"seed": 3, "folder": tmp_path}
    with pytest.raises(Stop):
        faithfulness(model, IMAGES, LABELS, methods, MEASURES, **options, report=stop)
    assert len(list(tmp_path.iterdir())) == 5
    told = []
    again = faithfulness(model, IMAGES, LABELS, methods, MEASURES, **options, report=lambda *done: told.append(done[1]))
    assert told == [5, 6, 7, 8, 9, 10, 11, 12]
    assert again.to_json() == found.to_json()
    # A damaged file is told and measured again; another setting, seed, weight or image is another pair.
    damaged = next(tmp_path.glob("Deletion*"))
    damaged.write_bytes(damaged.read_bytes()[:200])
    told.clear()
    with pytest.warns(UserWarning, match="is damaged, it is measured again"):
        again = faithfulness(
            model, IMAGES, LABELS, methods, MEASURES, **options, report=lambda *done: told.append(done[1])
        )
    assert told == [11, 12]
    assert again.to_json() == found.to_json()
    other = keras.models.clone_model(model)
    only = {"deletion": Deletion(steps=4)}
    for given, measures, changed in (
        ((model, IMAGES, LABELS), only, {"seed": 4}),
        ((model, IMAGES, (LABELS + 1) % 3), only, {}),
        ((model, IMAGES[::-1].copy(), LABELS), only, {}),
        ((other, IMAGES, LABELS), only, {}),
        ((model, IMAGES, LABELS), {"deletion": Deletion(steps=5)}, {}),
        ((model, IMAGES, LABELS), only, {"masks": MASKS}),
    ):
        told.clear()
        faithfulness(
            *given, ["gradient"], measures, **{**options, **changed}, report=lambda *done: told.append(done[1])
        )
        assert told == [0, 1, 2, 3]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Largest(Measure):
    """A measure of a user's own, in single precision."""

    higher_is_better = True
    asks = "how large the largest magnitude is"

    def measure(self, explained):
        return Measured(explained.scores("magnitude").max((1, 2)))


def test_what_a_measure_of_ones_own_found_is_kept(model, tmp_path, recwarn):
    """It was taken for a damaged file each time, and measured again."""
    told = []
    for _ in range(2):
        options = {"folder": tmp_path, "report": lambda *done: told.append(done[1])}
        faithfulness(model, IMAGES, LABELS, ["gradient"], {"largest": Largest()}, **options)
    assert told == [0, 1, 2, 3, 3]
    assert not [each for each in recwarn if "damaged" in str(each.message)]


def test_a_measure_that_is_defined_anew_is_measured_anew(model, tmp_path):
    """As in a notebook, whose cell is run again with another body."""

    def measured(power):
        @dataclass(frozen=True)
        class Largest(Measure):
            higher_is_better = True
            asks = "how large the largest magnitude is"

            if power == 1:

                def measure(self, explained):
                    return Measured(explained.scores("magnitude").max((1, 2)))

            else:

                def measure(self, explained):
                    return Measured(explained.scores("magnitude").max((1, 2)) ** 2)

        return faithfulness(model, IMAGES, LABELS, ["gradient"], {"largest": Largest()}, folder=tmp_path).values[0, 0]

    first, second = measured(1), measured(2)
    np.testing.assert_allclose(second, first**2, rtol=1e-6)
    np.testing.assert_array_equal(measured(1), first)


def test_values_of_a_model_of_other_logits_are_not_taken(model, tmp_path):
    told = []
    whole, halved = (keras.Sequential([keras.Input((8, 8, 1)), Scaled(by), *model.layers]) for by in (1.0, 0.5))

    def measured(each, folder):
        told.clear()
        options = {"folder": folder, "report": lambda *done: told.append(done[1])}
        return faithfulness(each, IMAGES, LABELS, ["gradient"], {"deletion": Deletion(steps=4)}, **options)

    before = measured(whole, tmp_path)
    assert measured(whole, tmp_path).to_json() == before.to_json()
    assert told == [3]
    after = measured(halved, tmp_path)
    assert told == [0, 1, 2, 3]
    assert after.to_json() == measured(halved, None).to_json() != before.to_json()


def test_blocks_do_not_show(model, found, monkeypatch):
    from interp.core import batches

    monkeypatch.setattr(batches, "_MOST_BLOCK", 2)
    methods = {"gradient": "gradient", "mine": InputXGradient()}
    again = faithfulness(model, IMAGES, LABELS, methods, MEASURES, seed=3)
    np.testing.assert_allclose(again.values, found.values, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(again.curves["deletion"].means, found.curves["deletion"].means, rtol=1e-5)


@pytest.mark.slow
def test_workers_find_the_same(model, found, tmp_path):
    with open_workers(2) as workers:
        again = faithfulness(
            model,
            IMAGES,
            LABELS,
            {"gradient": "gradient", "mine": InputXGradient()},
            MEASURES,
            seed=3,
            workers=workers,
            folder=tmp_path,
        )
    np.testing.assert_allclose(again.values, found.values, rtol=1e-4, atol=1e-7)
    assert len(list(tmp_path.iterdir())) == 12


REFUSED = {
    "no methods": ({"methods": []}, "methods came as an empty list"),
    "a name": ({"methods": "gradient"}, "methods came as str, expected a list of names"),
    "a class": ({"methods": VanillaGradient}, "methods came as the class VanillaGradient"),
    "an array": ({"methods": np.array(["gradient", "edges"])}, "methods came as ndarray, expected a list of names"),
    "an unknown method": ({"methods": ["gradeint"]}, "unknown explanation 'gradeint': did you mean 'gradient'"),
    "a control's name": ({"methods": {"random": "gradient"}}, "random is the name of a control"),
    "an edge map that is none": ({"methods": {"edges": VanillaGradient()}}, "edges is the name of a control"),
    "a measure": ({"measures": ["deleton"]}, "unknown measure 'deleton': did you mean 'deletion'"),
    "an object": ({"measures": [Deletion()]}, "measures came as list, expected a list of names"),
    "no masks": ({"measures": ["pointing_game"]}, "the measure pointing_game needs to know where the object is"),
    "masks": ({"masks": MASKS[:2]}, "masks came with shape (2, 8, 8), expected (5, 8, 8)"),
    "a folder": ({"folder": "kept"}, "folder came as str"),
    "a folder that cannot be written": ({"folder": Path(__file__) / "kept"}, "cannot write to "),
    "workers": ({"workers": 2}, "workers came as int"),
    "a seed": ({"seed": 0.5}, "seed came as 0.5"),
    "a batch": ({"batch_size": 0}, "batch_size came as 0"),
    "labels": ({"labels": LABELS + 1}, "labels came in [1, 3]"),
    "a model": ({"model": Path("a.keras")}, "expected a keras.Model"),
    "a method that the model has not": ({"methods": ["cam"]}, "CAM needs a model that ends in"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_is_refused_in_one_line(model, what):
    changed, said = REFUSED[what]
    given = {
        "model": model,
        "images": IMAGES,
        "labels": LABELS,
        "methods": ["gradient"],
        "measures": ["gini"],
        **changed,
    }
    with pytest.raises(InputError) as caught:
        faithfulness(**given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_fields_that_do_not_fit_are_refused(found):
    short = MeanCurves((0.5,), np.zeros((4, 1)), np.zeros((3, 1)))
    for changed in ({"count": 4}, {"methods": ("a",)}, {"measures": {}}, {"curves": {"deletion": short}}):
        with pytest.raises(InputError, match="do not fit each other"):
            dataclasses.replace(found, **changed)

"""ROAR and KAR on data where one half of the image holds all there is to learn."""

import json
from dataclasses import dataclass, replace

import keras
import numpy as np
import pytest

from interp.attributions import Maps, SmoothGrad, VanillaGradient
from interp.attributions.gradients import OfOneClass
from interp.core.errors import InputError
from interp.core.files import locked
from interp.core.parallel import ThisProcess
from interp.data import Dataset
from interp.evaluation import RoarKar, roar_kar
from interp.evaluation.diff_roar import diff_roar
from interp.evaluation.erasure import find_protocol
from interp.evaluation.retraining_record import identify_method
from interp.evaluation.roar_kar import Retrained, training_mean
from interp.models import build_network
from tests.model_kinds import Scaled as ScaledImages


def made(split, count, seed):
    """Class 1 is brighter in the left half; the right half is noise."""
    generator = np.random.RandomState(seed)
    images = generator.uniform(0, 1, (count, 8, 8, 1)).astype(np.float32)
    labels = generator.randint(0, 2, count)
    images[:, :, :4] = np.clip(0.4 * images[:, :, :4] + 0.3 * labels[:, None, None, None] + 0.1, 0, 1)
    return Dataset(images=images, labels=labels, class_names=("a", "b"), source="made", split=split, name="halves")


SPLITS = {
    split: made(split, count, seed)
    for seed, (split, count) in enumerate((("train", 120), ("validation", 20), ("test", 200)))
}


class Nearest(keras.Model):
    """Classifies by the nearer of the two class means, which is all the training there is."""

    def __init__(self, means):
        super().__init__()
        self.means = means

    def call(self, images):
        return -keras.ops.mean((images[:, None] - self.means[None]) ** 2, (2, 3, 4))


def train(data, validation, seed):
    rows = np.random.RandomState(seed).permutation(len(data))[:100]
    images, labels = data.images[rows], data.labels[rows]
    return Nearest(np.stack([images[labels == label].mean(0) for label in (0, 1)]))


@dataclass(frozen=True, eq=False)
class Half(OfOneClass):
    """An oracle: the left half, or the right one."""

    side: str = "left"

    def maps_of_labels(self, model, points, labels, rows):
        import tensorflow as tf

        ramp = np.tile(
            np.arange(8, 0, -1, np.float32) if self.side == "left" else np.arange(1, 9, dtype=np.float32), (8, 1)
        )
        return Maps(tf.tile(ramp[None, :, :, None], [tf.shape(points)[0], 1, 1, 1]), model.logits(points))


@pytest.fixture(scope="module")
def model():
    return build_network("small", (8, 8, 1), 2, seed=0)


@pytest.mark.parametrize("protocol", ["paper", "whitebox"])
def test_an_oracle_beats_the_random_baseline_and_its_opposite_does_not(model, protocol):
    methods = {"left": Half(model, side="left"), "right": Half(model, side="right")}
    found = roar_kar(SPLITS, methods, train, ratios=(0.5,), protocol=protocol, workers=ThisProcess())
    assert found.methods == ("random", "left", "right")
    assert found.unerased().value > 0.95
    assert found.mean("kar", "left", 0.5).value > 0.95
    assert found.beats_random("roar", "right", 0.5) is False
    assert found.beats_random("kar", "right", 0.5) is False
    assert found.beats_random("roar", "random", 0.5) is None
    assert len(found.accuracies) == 3 + 2 * 3 * 3
    if protocol == "whitebox":
        # Whole test images look like no erased training image, whatever was erased: the baseline falls as deep as the oracle.
        assert abs(found.mean("roar", "random", 0.5).value - 0.5) < 0.1
        assert found.beats_random("roar", "left", 0.5) is False
        assert found.beats_random("kar", "left", 0.5) is True
    else:
        # Nothing is left to learn.
        assert found.beats_random("roar", "left", 0.5) is True
        assert abs(found.mean("roar", "left", 0.5).value - 0.5) < 0.1
        assert found.layers == {"random": None, "left": None, "right": None}
    # What is kept of one half is what is removed of the other, so both protocols tell the top from the bottom.
    assert found.diff_roar.keys() == {"random", "left", "right"}
    for name in found.diff_roar:
        gains = np.subtract(found.of("kar", name, 0.5), found.of("roar", name, 0.5))
        mean = found.diff_roar[name][0]
        assert mean.value == pytest.approx(gains.mean())
        assert mean.standard_error == pytest.approx(gains.std(ddof=1) / np.sqrt(3))
    if protocol == "paper":
        assert found.diff_roar["left"][0].value > 0.3
        assert found.diff_roar["right"][0].value < -0.3


def test_diff_roar_by_hand():
    kept = {"roar a 0.3 0": 0.5, "roar a 0.3 1": 0.6, "kar a 0.3 0": 0.9, "kar a 0.3 1": 0.8, "roar b 0.3 0": 0.5}
    paper = find_protocol("paper")
    found = diff_roar(kept, ("a", "b"), (0.3,), (0, 1), paper)
    assert found.keys() == {"a"}
    assert found["a"][0].value == pytest.approx(0.3)
    assert found["a"][0].standard_error == pytest.approx(0.1)
    # Of what is kept the ratio says the opposite: without the bottom 0.3 means 0.7 kept.
    assert diff_roar(kept, ("a",), (0.3,), (0, 1), find_protocol("whitebox")) == {}
    shares = {"roar a 0.3 0": 0.5, "roar a 0.7 0": 0.2, "kar a 0.7 0": 0.9, "kar a 0.3 0": 0.6}
    low, high = diff_roar(shares, ("a",), (0.3, 0.7), (0,), find_protocol("whitebox"))["a"]
    assert (low.value, high.value) == pytest.approx((0.4, 0.4))
    assert low.standard_error is None


@pytest.mark.parametrize(("protocol", "of_kar"), [("paper", [0.5, 0.1]), ("whitebox", [0.1, 0.5])])
def test_diff_roar_stands_beside_what_it_is_the_difference_of(protocol, of_kar):
    jobs = {Retrained("roar", "random", 0.3, 0): 0.4, Retrained("roar", "random", 0.7, 0): 0.2}
    without = {0.3: 0.9, 0.7: 0.3}
    for gone, accuracy in without.items():
        ratio = gone if protocol == "paper" else round(1 - gone, 1)
        jobs[Retrained("kar", "random", ratio, 0)] = accuracy
    chosen, kept = find_protocol(protocol), {job.key(): value for job, value in jobs.items()}
    differences = diff_roar(kept, ("random",), (0.3, 0.7), (0,), chosen)
    listed = ("roar", "kar"), ("random",), (0.3, 0.7), (0,)
    columns = RoarKar(jobs, *listed, chosen, "signed", {}, diff_roar=differences).columns()
    assert columns["ratio"] == [0.3, 0.7, 0.3, 0.7]
    assert columns["DiffROAR"] == pytest.approx([0.5, 0.1, *of_kar])


def test_diff_roar_is_there_once_both_are_in_the_folder(model, tmp_path):
    options = {"ratios": (0.5,), "seeds": (0, 1), "folder": tmp_path, "workers": ThisProcess()}
    methods = {"left": Half(model, side="left")}
    first = roar_kar(SPLITS, methods, train, metrics=("roar",), **options)
    assert first.diff_roar == {}
    assert "DiffROAR" not in first.columns()
    second = roar_kar(SPLITS, methods, train, metrics=("kar",), **options)
    assert second.diff_roar.keys() == {"random", "left"}
    columns = second.columns()
    assert columns["method"] == ["random", "left"]
    assert columns["DiffROAR"] == [second.diff_roar[name][0].value for name in ("random", "left")]
    assert columns["its standard error"] == [second.diff_roar[name][0].standard_error for name in ("random", "left")]
    assert second.notes[-1].startswith("DiffROAR (Shah et al. 2021)")
    assert RoarKar.from_json(json.loads(json.dumps(second.to_json()))).diff_roar == second.diff_roar
    wrong = {"diff_roar": {"left": ()}}
    with pytest.raises(InputError, match="do not fit each other"):
        RoarKar.from_json({**second.to_json(), **wrong})


@pytest.mark.integration
def test_a_stopped_run_goes_on(model, tmp_path):
    methods = {"gradient": VanillaGradient(model)}
    calls = []

    def counting(data, validation, seed):
        calls.append(seed)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return train(data, validation, seed)

    options = {"ratios": (0.3, 0.6), "folder": tmp_path, "workers": ThisProcess(), "settings": {"epochs": 1}}
    with pytest.raises(KeyboardInterrupt):
        roar_kar(SPLITS, methods, counting, **options)
    record = json.loads((tmp_path / "retrainings.json").read_text())
    assert len(record["accuracies"]) == 5
    kept = (tmp_path / "maps" / "random_train.npz").stat().st_mtime_ns
    told = []
    found = roar_kar(SPLITS, methods, counting, **options, report=lambda *what: told.append(what))
    assert told[0] == ("retraining", 5, 27)
    assert len(calls) == 6 + 22
    assert (tmp_path / "maps" / "random_train.npz").stat().st_mtime_ns == kept
    whole = roar_kar(SPLITS, methods, train, ratios=(0.3, 0.6), workers=ThisProcess())
    assert found.accuracies == whole.accuracies
    # More ratios add to what is there.
    roar_kar(SPLITS, methods, counting, **{**options, "ratios": (0.3, 0.6, 0.9)})
    assert len(calls) == 28 + 12
    for other, said in (
        ({"protocol": "whitebox"}, "other data, protocol"),
        ({"settings": {"epochs": 2}}, "other data, protocol"),
        ({"ranking": "magnitude"}, "other data, protocol"),
    ):
        with pytest.raises(InputError, match=said):
            roar_kar(SPLITS, methods, counting, **{**options, **other})
    with pytest.raises(InputError, match="another gradient"):
        roar_kar(SPLITS, {"gradient": VanillaGradient(build_network("small", (8, 8, 1), 2, seed=5))}, train, **options)
    for text in ("{", "[]", '{"accuracies": {"a": 2.0}, "methods": {}, "made_of": {}}'):
        (tmp_path / "retrainings.json").write_text(text)
        with pytest.raises(InputError, match="remove it"):
            roar_kar(SPLITS, methods, train, **options)


def test_damaged_maps_are_computed_again(model, tmp_path):
    options = {"ratios": (0.5,), "metrics": ("roar",), "seeds": (0, 1), "workers": ThisProcess()}
    methods = {"gradient": VanillaGradient(model)}
    found = roar_kar(SPLITS, methods, train, folder=tmp_path, **options)
    path = tmp_path / "maps" / "gradient_test.npz"
    path.write_bytes(path.read_bytes()[:-100])
    (tmp_path / "retrainings.json").unlink()
    assert roar_kar(SPLITS, methods, train, folder=tmp_path, **options).accuracies == found.accuracies


def test_a_model_of_the_same_layers_and_weights_but_other_logits_is_another_one(tmp_path):
    layers = [keras.layers.Flatten(), keras.layers.Dense(2)]
    whole, halved = (keras.Sequential([keras.Input((8, 8, 1)), ScaledImages(by), *layers]) for by in (1.0, 0.5))
    options = {"ratios": (0.5,), "metrics": ("roar",), "seeds": (0,), "folder": tmp_path, "workers": ThisProcess()}
    record, maps = tmp_path / "retrainings.json", tmp_path / "maps" / "gradient_train.npz"

    def run(model):
        roar_kar(SPLITS, {"gradient": VanillaGradient(model)}, train, **options)
        with np.load(maps) as kept:
            return kept["maps"]

    of_whole = run(whole)
    with pytest.raises(InputError, match="another gradient"):
        run(halved)
    record.unlink()
    # Nor are maps that are kept those of this model.
    np.testing.assert_allclose(run(halved), of_whole / 2, rtol=1e-4)
    values = json.loads(record.read_text())
    assert np.shape(values["methods"]["gradient"].pop("logits")) == (8, 2)
    # Records of earlier versions, without logits, are taken as they are.
    record.write_text(json.dumps(values))
    run(halved)
    values["methods"]["gradient"]["logits"] = "none"
    record.write_text(json.dumps(values))
    with pytest.raises(InputError, match="another gradient"):
        run(halved)


def test_one_seed_tells_nothing_apart(model):
    found = roar_kar(
        SPLITS, {"left": Half(model, side="left")}, train, ratios=(0.5,), seeds=(4,), workers=ThisProcess()
    )
    assert found.beats_random("roar", "left", 0.5) is None
    assert found.mean("roar", "left", 0.5).standard_error is None
    assert "seed 4;" in found.caption
    others = {replace(job, seed=7): value for job, value in found.accuracies.items()}
    assert "seeds 4, 7;" in replace(found, seeds=(4, 7), accuracies={**found.accuracies, **others}).caption
    assert Retrained("roar", "left", 0.5, 4) in found.accuracies


def test_numbers_of_numpy_are_recorded_as_plain_ones(model):
    ratios, seeds = np.array([0.25, 0.5]), np.arange(4, 5)
    found = roar_kar(
        SPLITS, {"left": Half(model, side="left")}, train, ratios=ratios, seeds=seeds, workers=ThisProcess()
    )
    assert (found.ratios, found.seeds) == ((0.25, 0.5), (4,))
    assert {job.key() for job in found.accuracies} >= {"unerased 4", "roar left 0.25 4"}
    assert "kar random 0.5" in found.to_json()["accuracies"]


def test_accuracies_that_do_not_vary_decide_nothing():
    """Of three seeds each: a gap is no evidence where neither varies, and none is no gain; with some variance there is a test."""
    jobs = {("random", 0.25): (0.5, 0.5, 0.5), ("cam", 0.25): (0.2, 0.2, 0.2)}
    jobs |= {("random", 0.75): (0.5, 0.5, 0.5), ("cam", 0.75): (0.5, 0.5, 0.5)}
    jobs |= {("random", 0.5): (0.5, 0.51, 0.5), ("cam", 0.5): (0.2, 0.2, 0.2)}
    accuracies = {
        Retrained("roar", method, ratio, seed): share
        for (method, ratio), shares in jobs.items()
        for seed, share in enumerate(shares)
    }
    listed = ("roar",), ("random", "cam"), (0.25, 0.5, 0.75), (0, 1, 2)
    found = RoarKar(accuracies, *listed, find_protocol("paper"), "signed", {"random": None, "cam": None})
    assert [found.beats_random("roar", "cam", ratio) for ratio in found.ratios] == [None, True, False]
    assert found.columns()["beats random"] == ["-", "-", "-", "-", "yes", "no"]
    first, second, _ = found.verdicts("roar")
    assert first.endswith(
        "beat the random baseline: none; do not: none; undecided, as no accuracy varies between seeds: cam"
    )
    assert second.endswith("beat the random baseline: cam; do not: none")


def test_methods_are_described_with_their_settings(model):
    from interp.attributions import IntegratedGradients, SmoothGrad

    described = SmoothGrad(IntegratedGradients(model, steps=5), samples=3).describe()
    assert described.startswith("SmoothGrad(IntegratedGradients(")
    assert "steps=5" in described
    assert "samples=3" in described
    assert described != SmoothGrad(IntegratedGradients(model, steps=5), samples=4).describe()
    image = np.zeros((8, 8, 1), np.float32)
    assert IntegratedGradients(model, baseline=image) != IntegratedGradients(model, baseline=image + 0.5)
    assert IntegratedGradients(model, baseline=image) == IntegratedGradients(baseline=image.copy())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ratios": (0.5, 1.0)}, "ratio came as 1.0"),
        ({"ratios": ()}, "ratios came empty"),
        ({"ratios": (0.5, np.float64(0.5))}, "ratios came with 0.5 more than once"),
        ({"seeds": (1, 1)}, "seeds came with 1 more than once"),
        ({"metrics": ("roar", "roar")}, "metrics came with roar more than once"),
        ({"metrics": ("road",)}, "unknown metric 'road'"),
        ({"seeds": (-1,)}, "seed came as -1"),
        ({"protocol": "own"}, "unknown protocol"),
        ({"ranking": "abs"}, "unknown ranking"),
        ({"methods": {}}, "methods came as an empty dictionary"),
        ({"splits": {"train": SPLITS["train"]}}, "the splits validation, test are missing"),
    ],
)
def test_settings_are_checked(model, options, said):
    arguments = {"splits": SPLITS, "methods": {"gradient": VanillaGradient(model)}, "ratios": (0.5,), **options}
    splits, methods = arguments.pop("splits"), arguments.pop("methods")
    with pytest.raises(InputError) as caught:
        roar_kar(splits, methods, train, workers=ThisProcess(), **arguments)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["../out", "a/b", ".hidden", "", "two\nlines"])
def test_names_of_methods_become_names_of_files(model, name):
    with pytest.raises(InputError, match="names of methods become names of files"):
        roar_kar(SPLITS, {name: VanillaGradient(model)}, train, workers=ThisProcess())


def test_nobody_else_is_the_random_baseline(model):
    with pytest.raises(
        InputError, match="random is the name of the random baseline: choose another one for VanillaGradient"
    ):
        roar_kar(SPLITS, {"random": VanillaGradient(model)}, train, workers=ThisProcess())


def test_one_run_at_a_time_works_in_a_folder(model, tmp_path):
    with locked(tmp_path / ".lock"), pytest.raises(InputError, match="another process works in"):
        roar_kar(SPLITS, {"gradient": VanillaGradient(model)}, train, folder=tmp_path, workers=ThisProcess())


def test_private_settings_and_activations_tell_methods_apart(model):
    @dataclass(frozen=True, eq=False)
    class Scaled(VanillaGradient):
        _factor: int = 1

    assert identify_method(Scaled(model, _factor=1)) != identify_method(Scaled(model, _factor=2))

    def again(signed):
        class Own(VanillaGradient):
            if signed:

                def maps_of_labels(self, model, points, labels, rows):
                    return -super().maps_of_labels(model, points, labels, rows)

        return Own(model)

    assert identify_method(again(True)) == identify_method(again(True)) != identify_method(again(False))
    # Inside another method, too.
    assert identify_method(SmoothGrad(again(True))) != identify_method(SmoothGrad(again(False)))
    assert "code" not in identify_method(SmoothGrad(VanillaGradient(model)))
    models = []
    for activation in ("relu", "tanh"):
        layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(name="f"), keras.layers.Dense(2, activation, name="d")]
        models.append(keras.Sequential(layers))
    models[1].set_weights(models[0].get_weights())
    assert identify_method(VanillaGradient(models[0])) != identify_method(VanillaGradient(models[1]))


@pytest.mark.parametrize("setting", [{"strides": 2}, {"padding": "same"}, {"dilation_rate": 2}])
def test_the_same_weights_under_other_settings_are_another_model(setting):
    models = []
    for changed in ({}, setting):
        convolution = keras.layers.Conv2D(2, 3, name="convolution", **changed)
        pooled = keras.layers.GlobalAveragePooling2D(name="pooled")
        models.append(keras.Sequential([keras.Input((8, 8, 1)), convolution, pooled]))
    models[1].set_weights(models[0].get_weights())
    first, second = (identify_method(VanillaGradient(model)) for model in models)
    assert first != second
    assert first == identify_method(VanillaGradient(models[0]))
    assert Retrained("roar", "a", 0.1234567, 0).key() != Retrained("roar", "a", 0.1234568, 0).key()


def test_the_mean_that_fills_is_exact():
    """Summed in single precision a bright channel of many images would be off by percents."""
    bright = np.full((4000, 16, 16, 3), 0.9, np.float32)
    assert abs(training_mean(bright) - 0.9).max() < 1e-6


def test_probabilities_are_as_good_as_logits(model):
    def probable(data, validation, seed):
        network = train(data, validation, seed)
        outputs = keras.layers.Softmax()
        return Chain(network, outputs)

    class Chain(keras.Model):
        def __init__(self, *parts):
            super().__init__()
            self.parts = parts

        def call(self, images):
            for part in self.parts:
                images = part(images)
            return images

    options = {"ratios": (0.5,), "metrics": ("roar",), "seeds": (0,), "workers": ThisProcess()}
    plain, soft = (roar_kar(SPLITS, {"left": Half(model, side="left")}, each, **options) for each in (train, probable))
    assert plain.accuracies == soft.accuracies

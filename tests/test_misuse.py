"""What comes in place of an object: a class instead of an instance, None, a list, a path, a name. One line says what was expected."""

from pathlib import Path

import keras
import numpy as np
import pytest

from interp import attacks, attributions, data, evaluation, report, training
from interp.attributions import VanillaGradient
from interp.core.errors import InputError
from interp.evaluation.sanity_check import MAKERS
from interp.models import build_network
from interp.training.step import make_step

NET = build_network("small", (28, 28, 1), 10, seed=1)
IMAGES, LABELS = np.random.RandomState(0).rand(2, 28, 28, 1).astype(np.float32), np.array([0, 1])
TARGETS, RADII = LABELS + 1, [0.1, 0.1]
PGD = attacks.ProjectedGradientDescent(epsilon=0.1, step_size=0.1, steps=1)
TOP_K = attacks.TopKInterpretation(epsilon=0.1, steps=1)
ISA, MINIMUM = attacks.InterpretabilitySneaking(rounds=1, steps=1), attacks.MinimumEpsilon(rounds=1, steps=1)
DATA = data.load("digits", "train").take(40)
SPLITS = dict.fromkeys(data.SPLITS, DATA)
SCHEDULE = training.plain_schedule(epochs=1, batch_size=20, learning_rate=1e-3)
RETRAINING = training.Retraining("small", SCHEDULE)

# Objects where only an instance will do; a class of the right kind is the usual slip.
OBJECTS = {
    "attack of a curve": (
        attacks.ProjectedGradientDescent,
        lambda it: evaluation.accuracy_curve(NET, IMAGES, LABELS, it, [0.1]),
    ),
    "attack described": (attacks.ProjectedGradientDescent, lambda it: evaluation.describe_protocol(it, carry=True)),
    "attack timed": (attacks.ProjectedGradientDescent, lambda it: attacks.faster_precision(it, NET, IMAGES, LABELS)),
    "attack on maps": (
        attacks.TopKInterpretation,
        lambda it: evaluation.agreement_under_attack(NET, IMAGES, LABELS, it),
    ),
    "search of a bound": (attacks.MinimumEpsilon, lambda it: evaluation.bound_check(NET, IMAGES, LABELS, TARGETS, it)),
    "sneaking attack": (
        attacks.InterpretabilitySneaking,
        lambda it: evaluation.sneaking(NET, IMAGES, LABELS, TARGETS, it, MINIMUM, [2]),
    ),
    "search of sneaking": (
        attacks.MinimumEpsilon,
        lambda it: evaluation.sneaking(NET, IMAGES, LABELS, TARGETS, ISA, it, [2]),
    ),
    "protocol": (evaluation.StrongProtocol, lambda it: evaluation.validity(NET, IMAGES, LABELS, [0.1], it)),
    "attribution erased": (VanillaGradient, lambda it: evaluation.selectivity(it, IMAGES, LABELS)),
    "attribution averaged": (VanillaGradient, attributions.SmoothGrad),
    "attribution squared": (VanillaGradient, attributions.SmoothGradSquared),
    "attribution retrained": (
        VanillaGradient,
        lambda it: evaluation.roar_kar(SPLITS, {"it": it}, RETRAINING, workers=None),
    ),
    "training retrained": (
        training.Retraining,
        lambda it: evaluation.roar_kar(SPLITS, {"g": VanillaGradient(NET)}, it, workers=None),
    ),
    "workers": (
        evaluation.RoarKar,
        lambda it: evaluation.roar_kar(SPLITS, {"g": VanillaGradient(NET)}, RETRAINING, workers=it),
    ),
    "sampled data": (data.Dataset, lambda it: evaluation.sample_images(it, 2)),
    "training data": (data.Dataset, lambda it: training.train(NET, "normal", it, SCHEDULE)),
    "retraining data": (data.Dataset, lambda it: RETRAINING(it, DATA, 0)),
    "objective": (training.Objective, lambda it: training.train(NET, it, DATA, SCHEDULE)),
    "objective of a step": (
        training.Objective,
        lambda it: make_step(NET, it, keras.optimizers.Adam(), SCHEDULE, penalty_weight=0.0),
    ),
    "objective described": (training.Objective, lambda it: training.describe(it, SCHEDULE, 0)),
    "objective found": (training.Objective, training.find_objective),
    "schedule": (training.Schedule, lambda it: training.train(NET, "normal", DATA, it)),
    "schedule described": (training.Schedule, lambda it: training.describe("int", it, 0)),
    "schedule of a retraining": (training.Schedule, lambda it: training.Retraining("small", it)),
    "network": (keras.Model, lambda it: training.train(it, "normal", DATA, SCHEDULE)),
    "checkpoints": (training.CheckpointFolder, lambda it: training.Checkpointing(folder=it)),
    "model attacked": (keras.Model, lambda it: PGD(it, IMAGES, LABELS)),
    "model explained": (keras.Model, lambda it: VanillaGradient(it)(IMAGES, LABELS)),
    "model shown": (keras.Model, lambda it: report.show(it, IMAGES)),
    "model measured": (keras.Model, lambda it: evaluation.validity(it, IMAGES, LABELS, [0.1])),
    "curve drawn": (evaluation.AccuracyCurve, lambda it: report.accuracy_figure({"it": it})),
    "sanity check drawn": (evaluation.SanityCheck, report.correlations_figure),
    "selectivity drawn": (evaluation.Selectivity, lambda it: report.selectivity_figure({"it": it})),
    "validity drawn": (evaluation.Validity, lambda it: report.validity_figure({"it": it})),
    "bound drawn": (evaluation.BoundCheck, lambda it: report.bound_figure({"it": it})),
    "sneaking drawn": (evaluation.Sneaking, lambda it: report.sneaking_figure({"it": it})),
    "retraining drawn": (evaluation.RoarKar, lambda it: report.retraining_figure(it, "roar")),
    "sample drawn": (data.Dataset, lambda it: report.class_maps_figure(NET, it, IMAGES)),
    "figure of a page": (evaluation.Selectivity, lambda it: report.Page("title").figure(it, "caption")),
}
NO_INSTANCES = {"none": None, "list": [1], "path": Path("maps.png"), "name": "abc", "dictionary": {"a": 1}}


@pytest.mark.parametrize("kind", [*NO_INSTANCES, "class"])
@pytest.mark.parametrize("name", OBJECTS)
def test_objects(name, kind):
    class_, use = OBJECTS[name]
    given = class_ if kind == "class" else NO_INSTANCES[kind]
    if given is None and name in ("protocol", "schedule"):
        return  # the usual one
    with pytest.raises(InputError) as caught:
        use(given)
    said = str(caught.value)
    assert "\n" not in said
    if kind == "class":
        assert f"the class {class_.__name__}" in said
        assert any(words in said for words in ("instance", "expected a keras.Model", "make one with"))


# Lists and dictionaries of such things, and what is read as numbers.
CONTAINERS = {
    "radii of a curve": lambda it: evaluation.accuracy_curve(NET, IMAGES, LABELS, PGD, it),
    "radii of the protocol": lambda it: evaluation.validity(NET, IMAGES, LABELS, it),
    "radii of sneaking": lambda it: ISA(NET, IMAGES, LABELS, TARGETS, it),
    "penalties": evaluation.check_penalties,
    "labels of a bound": lambda it: evaluation.bound_check(NET, IMAGES, it, TARGETS, MINIMUM),
    "labels of sneaking": lambda it: evaluation.sneaking(NET, IMAGES, it, TARGETS, ISA, MINIMUM, [2]),
    "labels of gaps": lambda it: evaluation.completeness_notes(NET, IMAGES, it),
    "labels of maps": lambda it: evaluation.overlap_of_networks(NET, NET, IMAGES, it),
    "labels of an attack on maps": lambda it: evaluation.agreement_under_attack(NET, IMAGES, it, TOP_K),
    "maps": evaluation.coherence,
    "images": evaluation.ink,
    "splits": lambda it: evaluation.roar_kar(it, {"g": VanillaGradient(NET)}, RETRAINING, workers=None),
    "methods retrained": lambda it: evaluation.roar_kar(SPLITS, it, RETRAINING, workers=None),
    "methods compared": lambda it: evaluation.faithfulness(NET, IMAGES, LABELS, it),
    "measures": lambda it: evaluation.faithfulness(NET, IMAGES, LABELS, ["gradient"], it or 0),
    "methods checked": lambda it: evaluation.sanity_check(NET, it, IMAGES, LABELS),
    "method checked": lambda it: evaluation.sanity_check(NET, {"it": it}, IMAGES, LABELS),
    "budgets": lambda it: evaluation.unforeseen_accuracy(NET, IMAGES, LABELS, it),
    "budgets of an attack": lambda it: evaluation.unforeseen_accuracy(NET, IMAGES, LABELS, {"fog": it}, steps=1),
    "accuracies": lambda it: evaluation.uar_scores(it, {}),
    "history": report.history_figure,
    "methods shown": lambda it: report.show(NET, IMAGES, it),
    "images shown": lambda it: report.show(NET, it, "gradient"),
    "names of classes shown": lambda it: report.show(NET, IMAGES, "gradient", class_names=it or 0),
    "maps drawn": lambda it: report.attributions_figure(IMAGES, it, ["a", "b"]),
    "pictures drawn": lambda it: report.gallery_figure(IMAGES, it, ["a", "b"]),
    "rows drawn": report.maps_figure,
    "agreement drawn": lambda it: report.agreement_figure(["a"], it),
    "accuracies drawn": report.unforeseen_figure,
    "rows of a table": lambda it: report.Page("title").table(["a"], it, "caption"),
    "curves of a page": lambda it: report.Page("title").curves(it, "x", "y", "caption"),
    "learning rates": lambda it: training.Schedule(**{**vars(SCHEDULE), "learning_rates": it}),
    "ramp": lambda it: training.Schedule(**{**vars(SCHEDULE), "ramp": it}),
}


@pytest.mark.parametrize("given", [None, VanillaGradient, Path("maps.png"), "abc", 5, object()])
@pytest.mark.parametrize("name", CONTAINERS)
def test_lists_and_dictionaries(name, given):
    if name == "method checked" and given is VanillaGradient:
        return  # makes an attribution of a model
    with pytest.raises(InputError) as caught:
        CONTAINERS[name](given)
    assert "\n" not in str(caught.value)


# Numbers, of which one line says that they are none.
NUMBERS = {
    "batch of explanations": lambda it: evaluation.explanation_validity(NET, IMAGES, LABELS, "cam", [0], batch_size=it),
    "batch of a bound": lambda it: evaluation.bound_check(NET, IMAGES, LABELS, TARGETS, MINIMUM, batch_size=it),
    "batch of sneaking": lambda it: evaluation.sneaking(NET, IMAGES, LABELS, TARGETS, ISA, MINIMUM, [2], batch_size=it),
    "batch of robust attribution": lambda it: evaluation.robust_attribution_protocol(
        NET, IMAGES, LABELS, [0.1], batch_size=it
    ),
    "threshold of ink": lambda it: evaluation.ink(IMAGES, it),
}


@pytest.mark.parametrize("given", [None, "abc", -1, [1], np.zeros((2, 2)), object()])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name, given):
    with pytest.raises(InputError, match=r"(batch_size|threshold) came as") as caught:
        NUMBERS[name](given)
    assert "\n" not in str(caught.value)


def test_a_sanity_check_makes_its_methods():
    with pytest.raises(InputError) as caught:
        evaluation.sanity_check(NET, {"gradient": VanillaGradient(NET)}, IMAGES, LABELS)
    assert (
        str(caught.value)
        == f"the method 'gradient' came as VanillaGradient, expected what makes an attribution of a model: {MAKERS}"
    )


@pytest.mark.integration
def test_a_name_stands_for_an_objective():
    optimizer = keras.optimizers.Adam()
    for objective in ("int", training.OBJECTIVES["int"]):
        assert training.describe(objective, SCHEDULE, 0)["method"] == "int"
        make_step(NET, objective, optimizer, SCHEDULE, penalty_weight=0.01)
    for use in (
        lambda name: training.train(NET, name, DATA, SCHEDULE),
        lambda name: make_step(NET, name, optimizer, SCHEDULE, penalty_weight=0.0),
        training.find_objective,
    ):
        with pytest.raises(InputError, match="unknown training method 'imt': did you mean 'int'"):
            use("imt")


@pytest.mark.integration
def test_columns_of_labels_and_one_hot_rows():
    """What is told of one-hot rows is right at once: as integers of astype they would still be rows."""
    rows = np.eye(10, dtype=np.float32)[LABELS]
    for use in (
        lambda labels: PGD(NET, IMAGES, labels),
        lambda labels: evaluation.accuracy_curve(NET, IMAGES, labels, PGD, [0]),
        lambda labels: evaluation.bound_check(NET, IMAGES, labels, TARGETS, MINIMUM),
        lambda labels: VanillaGradient(NET)(IMAGES, labels),
    ):
        for wrong in (rows, rows.astype(int)):
            with pytest.raises(InputError, match=r"for one-hot rows take argmax\(-1\)") as caught:
                use(wrong)
            assert "astype" not in str(caught.value)
        use(rows.argmax(-1))


def test_tables_of_a_page_take_numbers(tmp_path):
    page = report.Page("title")
    page.table(["network", "accuracy", "images"], [["Int", 0.123456, 200], ["Adv", None, 100]], "caption")
    page.write(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "<td>0.1235</td><td>200</td>" in text
    assert "<td>none qualified</td>" in text
    with pytest.raises(InputError, match="a row of a table came as"):
        page.table(["network"], [[Path("a")]], "caption")

"""A row of the leaderboard: made of results of both strong protocols, by hand and of a network, and what a network's file says of it."""

import dataclasses
import json
from math import sqrt
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import interp
from interp.attacks import ExplanationAttack
from interp.core.errors import InputError
from interp.core.model_options import ModelOptions
from interp.core.network_files import NetworkFile
from interp.data import Dataset
from interp.evaluation import (
    ExplanationValidity,
    Flag,
    LeaderboardRow,
    Mean,
    NetworkFacts,
    StrongAccuracy,
    StrongProtocol,
    Validity,
    explanation_validity,
    mean_of,
    validity,
)
from interp.evaluation.explanation_validity import describe
from interp.evaluation.explanation_validity_result import ExplanationsAtRadius, MovedMaps
from interp.evaluation.leaderboard_explanations import leaderboard_explanations
from interp.evaluation.leaderboard_row import other_settings
from interp.evaluation.network_facts import network_facts
from interp.evaluation.opened_network import OpenedNetwork, open_network
from interp.models import build_network

FACTS = NetworkFacts("mine", "Adv", "small", "digits", "here", "mine.safetensors", 2.5)
CHANCE = Flag("chance accuracy", "at chance")
# Of four images one is wrong without an attack, and one is broken.
PREDICTIONS = Validity(
    "all attacks",
    (StrongAccuracy(0.1, 4, {"PGD": 0.5}, 0.5, (Flag("black box", "it finds"),), ("", "PGD", "", "clean")),),
    (CHANCE,),
    4,
)
MOVED = MovedMaps(
    "Kendall tau",
    mean_of([0.2, 0.4]),
    mean_of([0.8, 0.9]),
    mean_of([0.7, 0.9]),
    {},
    (0.2, 0.4),
    ("rank", "rank"),
    (Flag("noise", "noise explains it"),),
)
EXPLANATIONS = ExplanationValidity(
    "all searches", "cam", (ExplanationsAtRadius(0.1, (MOVED,)),), (CHANCE, Flag("constant map", "it is")), 2, 3
)


def test_a_row_by_hand():
    """3 of 4 right: sqrt(.75 .25 / 4) = .2165; what is said of the network is said once, of maps with the name of the explanation."""
    row = LeaderboardRow.of(
        FACTS, PREDICTIONS, [EXPLANATIONS], source="files", flags=[Flag("other dataset", "of another")]
    )
    assert (row.epsilon, row.norm, row.source) == (0.1, "linf", "files")
    assert row.clean == Mean(0.75, pytest.approx(sqrt(0.75 * 0.25 / 4)), 4)
    assert row.strong == Mean(0.5, 0.25, 4)
    [moved] = row.explanations
    assert (moved.worst_case, moved.noise) == (mean_of([0.2, 0.4]), mean_of([0.8, 0.9]))
    assert (moved.explanation, moved.sampled) == ("cam", 3)
    kinds = ["other dataset", "chance accuracy", "black box", "cam: constant map", "cam: noise"]
    assert [flag.kind for flag in row.flags] == kinds
    assert row.flags[-1].text == "cam: noise explains it"
    assert row.columns()["figure"] == ["clean accuracy", "strong accuracy", "cam tau"]
    assert row.columns()["images"] == [4, 4, 2]
    assert row.columns()["corner noise"] == ["-", "-", pytest.approx(0.8)]
    assert row.cells["minutes"] == 2.5
    assert LeaderboardRow.from_json(json.loads(json.dumps(row.to_json()))) == row


def test_results_of_several_radii_are_no_row():
    other = ExplanationValidity("all", "cam", (ExplanationsAtRadius(0.2, (MOVED,)),), (), 2, 3)
    with pytest.raises(InputError, match="is of one radius, the results are of 2: measure one"):
        LeaderboardRow.of(FACTS, PREDICTIONS, [other])


def test_two_explanations_of_one_name_would_be_one_figure():
    with pytest.raises(InputError, match="cam more than once, and figures stand under their names: give each its own"):
        LeaderboardRow.of(FACTS, PREDICTIONS, [EXPLANATIONS, EXPLANATIONS])
    other = dataclasses.replace(EXPLANATIONS, explanation="mine")
    assert {"cam", "mine"} <= LeaderboardRow.of(FACTS, PREDICTIONS, [EXPLANATIONS, other]).cells.keys()


@pytest.mark.parametrize("explanations", [[], [EXPLANATIONS]])
def test_why_predictions_were_not_attacked_is_said(explanations):
    """To measure again would give the same."""
    told = Flag("probabilities", "the network returns probabilities: remove its softmax")
    with pytest.raises(
        InputError, match=r"is of one radius, and there is none: .* not attacked; .*: remove its softmax$"
    ):
        LeaderboardRow.of(FACTS, Validity("all", (), (told,), 4), explanations)


def test_results_by_another_measure_or_in_another_norm_are_no_row():
    """They would stand under the heading of Kendall tau, and in the ball of the predictions."""
    pearson = dataclasses.replace(MOVED, measure="Pearson")
    other = dataclasses.replace(EXPLANATIONS, rows=(ExplanationsAtRadius(0.1, (pearson, MOVED)),))
    with pytest.raises(InputError, match="those of cam came by Pearson first: measure them with measures="):
        LeaderboardRow.of(FACTS, PREDICTIONS, [other])
    linf, l2 = (dataclasses.replace(EXPLANATIONS, norm=norm) for norm in ("linf", "l2"))
    assert LeaderboardRow.of(FACTS, PREDICTIONS, [linf]).norm == "linf"
    assert LeaderboardRow.of(FACTS, dataclasses.replace(PREDICTIONS, norm="l2"), [l2]).norm == "l2"
    with pytest.raises(InputError, match="predictions were attacked in l2 and cam in linf: measure both in one"):
        LeaderboardRow.of(FACTS, dataclasses.replace(PREDICTIONS, norm="l2"), [linf])


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_record_without_its_norm_has_it_in_its_protocol(norm):
    written = dataclasses.replace(EXPLANATIONS, norm=norm, protocol=describe(ExplanationAttack(epsilon=0.1, norm=norm)))
    older = {name: value for name, value in written.to_json().items() if name != "norm"}
    assert ExplanationValidity.from_json(json.loads(json.dumps(older))) == written


def test_results_that_do_not_say_the_clean_accuracy_are_no_row():
    [at_radius] = PREDICTIONS.rows
    unsaid = dataclasses.replace(PREDICTIONS, rows=(dataclasses.replace(at_radius, broken_by=()),))
    with pytest.raises(InputError, match="do not say which images are right without an attack"):
        LeaderboardRow.of(FACTS, unsaid, [])


def test_other_settings_than_the_defaults_are_flagged():
    usual, attack = StrongProtocol(step_size=0.3), ExplanationAttack(epsilon=0.1, measures=["kendall_tau"])
    assert other_settings(usual, attack) == ()
    for protocol, searches in (
        (StrongProtocol(queries=10), attack),
        (usual, ExplanationAttack(epsilon=0.1, measures=["kendall_tau"], steps=3)),
    ):
        [flag] = other_settings(protocol, searches)
        assert flag.kind == "other settings"


@pytest.fixture(scope="module")
def pooled():
    """A model with class activation maps on images of 8x8, and images that it classifies as the labels say."""
    keras.utils.set_random_seed(3)
    layers = [
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3),
    ]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    images = np.random.RandomState(0).rand(6, 8, 8, 1).astype(np.float32)
    labels = np.argmax(model.predict(images, verbose=0), -1)
    return SimpleNamespace(model=model, images=images, labels=labels)


@pytest.mark.slow
def test_a_row_holds_what_both_protocols_find_apart(pooled):
    given = pooled.model, pooled.images, pooled.labels
    protocol = StrongProtocol(steps=3, restarts=1, queries=5, strength="quick")
    attack = ExplanationAttack(epsilon=0.0, measures=["kendall_tau"], steps=3, restarts=1, queries=0)
    predictions = validity(*given, [0.05], protocol, seed=4)
    explanations = [explanation_validity(*given, name, [0.05], attack, seed=4) for name in ("cam", "gradient")]
    row = LeaderboardRow.of(FACTS, predictions, explanations)
    assert row.clean.value == 1
    assert row.strong.value == predictions.rows[0].worst_case
    for moved, found in zip(row.explanations, explanations, strict=True):
        [measured] = found.rows[0].measures
        assert moved.worst_case == measured.worst_case
        assert moved.worst_case.value == pytest.approx(np.mean(found.values(0.05, "Kendall tau")))
        assert (moved.noise, moved.corner_noise) == (measured.noise, measured.corner_noise)


@pytest.mark.slow
def test_a_network_without_class_activation_maps_has_grad_cam_in_their_place(pooled):
    assert leaderboard_explanations(pooled.model, pooled.images) == (["cam", "ig", "gradient"], [])
    flat = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    names, [note] = leaderboard_explanations(flat, pooled.images)
    assert names == ["grad_cam", "ig", "gradient"]
    assert note.startswith("cam left out: CAM needs a model that ends in global average pooling")
    assert "--explanations grad_cam" in note
    dense = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(5, "relu"), keras.layers.Dense(3)]
    )
    names, notes = leaderboard_explanations(dense, pooled.images)
    assert names == ["ig", "gradient"]
    assert [note.partition(" ")[0] for note in notes] == ["cam", "grad_cam"]
    # What was asked for is not replaced.
    with pytest.raises(InputError, match="CAM needs a model that ends in"):
        leaderboard_explanations(flat, pooled.images, ["gradient", "cam"])
    assert leaderboard_explanations(flat, pooled.images, ["gradient"]) == (["gradient"], [])


def opened(model, kind="Functional"):
    return OpenedNetwork(model, record={"network": {"class": kind}})


def test_what_files_say_of_networks(tmp_path):
    """Networks of train.py, of the paper and of others; their method, architecture and minutes."""
    net = build_network("small", (28, 28, 1), 10)
    net.metadata = {"method": "int", "seconds": 90.0, "run": {"arguments": {"number": 1, "only": None}}}
    trained = NetworkFile(tmp_path / "digits_smallgap_int_3.safetensors", "digits_smallgap_int_3")
    assert network_facts(trained, opened(net), "digits") == NetworkFacts(
        "digits_smallgap_int_3", "Int", "small", "digits", "here", "digits_smallgap_int_3.safetensors", 1.5
    )
    net.metadata = {"method": "intadv_100"}
    paper = NetworkFile(tmp_path / "mnist_smallgap_intadv_100.pkl", "mnist_smallgap_intadv_100")
    facts = network_facts(paper, opened(net), "mnist")
    assert (facts.method, facts.trained_by, facts.minutes) == ("Int-Adv", "published", None)
    own, model = (
        NetworkFile(tmp_path / "mine.keras", "mine"),
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]),
    )
    facts = network_facts(own, opened(model, "Sequential"), "digits")
    assert (facts.method, facts.architecture, facts.trained_by) == ("-", "Sequential, 9 weights", "given")
    assert network_facts(own, opened(model), "digits", "us").trained_by == "us"
    # Any file may have the name of what train.py writes beside a model.
    (tmp_path / "mine.json").write_text('{"method": 7}')
    assert network_facts(own, opened(model), "digits").method == "-"
    (tmp_path / "mine.json").write_text(json.dumps({"method": "trades", "schedule": {}, "run": {}, "seconds": 30}))
    facts = network_facts(own, opened(model), "digits")
    assert (facts.method, facts.trained_by, facts.minutes) == ("TRADES", "here", 0.5)
    (tmp_path / "mine.json").write_text(json.dumps({"method": "trades", "schedule": {}, "run": {}, "seconds": "long"}))
    with pytest.raises(InputError, match=r"metadata of mine\.seconds came as 'long'"):
        network_facts(own, opened(model), "digits")


def test_an_opened_network_says_its_class(tmp_path, pooled):
    pooled.model.save(tmp_path / "own.keras")
    file = NetworkFile(tmp_path / "own.keras", "own")
    sample = Dataset(
        images=pooled.images,
        labels=pooled.labels.astype(np.int64),
        class_names=("a", "b", "c"),
        source="x",
        split="test",
        name="digits",
    )
    facts = network_facts(file, open_network(file, sample, ModelOptions(input_scale="0..1")), "digits")
    assert facts.architecture == "Sequential, 55 weights"
    assert interp.evaluation.NetworkFacts is NetworkFacts

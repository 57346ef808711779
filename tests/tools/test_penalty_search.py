"""The search of penalty weights: what it chooses, and that the methods have what it chose."""

import json
from pathlib import Path

import pytest

from interp.training import OBJECTIVES
from tools import penalty_search
from tools.penalty_search import TOLERATED, WEIGHTS, best_weight, main

RECORD = json.loads((Path(__file__).parents[2] / "tools" / "penalties.json").read_text())
SEARCHED = [tag for tag in RECORD if tag != "made" and OBJECTIVES[tag].penalty_weight is not None]


def test_the_weight_that_moves_maps_least_among_those_that_keep_the_accuracy():
    measured = {
        "0.1": {"validation_accuracy": 0.96, "gradient_tau": 0.1},
        "1": {"validation_accuracy": 0.96 - TOLERATED, "gradient_tau": 0.3},
        "10": {"validation_accuracy": 0.95 - TOLERATED, "gradient_tau": 0.9},
    }
    # Those of 1 and 10 are no weights of this method.
    assert best_weight("lga", measured) == 0.1
    # Of a method with an inner attack the accuracy on attacked images counts, of igr the integrated gradients.
    attacked = {
        text: {"validation_robust_accuracy": found["validation_accuracy"], "ig_tau": found["gradient_tau"]}
        for text, found in measured.items()
    }
    assert best_weight("igr", attacked) == 1
    del attacked["1"]["ig_tau"]
    assert best_weight("igr", attacked) == 0.1


@pytest.mark.parametrize("tag", SEARCHED)
def test_methods_have_the_weights_that_were_found(tag):
    found = RECORD[tag]
    assert found["chosen"] == best_weight(tag, found["measured"]) == OBJECTIVES[tag].penalty_weight
    assert set(found["measured"]) & {f"{weight:g}" for weight in WEIGHTS[tag]}


def test_what_is_there_is_not_measured_again(call, tmp_path, monkeypatch):
    measured = []

    def measure(tag, weight):
        measured.append((tag, weight))
        return {"validation_accuracy": 0.9, "gradient_tau": weight}

    monkeypatch.setattr(penalty_search, "measure", measure)
    record = tmp_path / "record.json"
    for tags in (["lga"], ["lga", "r2et"]):
        assert call(main, [record, "--methods", *tags]).returncode == 0
        assert measured == [(tag, weight) for tag in tags for weight in WEIGHTS[tag]]
    text = record.read_text()
    # A run that measures nothing does not say that the figures are its own.
    assert call(main, [record, "--methods", "lga"]).returncode == 0
    assert record.read_text() == text
    assert json.loads(text)["lga"]["chosen"] == max(WEIGHTS["lga"])
    # What is there would count as measured with the present settings.
    monkeypatch.setattr(penalty_search, "EPOCHS", 3)
    result = call(main, [record, "--methods", "igr"])
    assert (result.returncode, record.read_text()) == (2, text)
    assert "holds what was measured with other epochs: name another file" in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "5",
        '{"lga": 1}',
        '{"made": [1]}',
        '{"lga": {"measured": {"0.1": 1}}}',
        '{"lga": {"measured": {"0.1": {}}}}',
        '{"lga": {"measured": {"0.1": {"validation_accuracy": "high"}}}}',
        '{"unknown": {"measured": {"0.1": {"validation_accuracy": 0.5}}}}',
    ],
)
def test_a_damaged_record_is_one_line_and_stays(call, tmp_path, monkeypatch, text):
    monkeypatch.setattr(penalty_search, "measure", lambda tag, weight: pytest.fail("it was trained"))
    record = tmp_path / "record.json"
    record.write_text(text)
    result = call(main, [record, "--methods", "lga"])
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert f"{record} " in result.stderr
    assert record.read_text() == text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "required: record"),
        (["r.json", "--methods", "all"], "invalid choice: 'all'"),
        (["r.json", "--fast"], "--fast"),
    ],
)
def test_what_is_no_argument_is_one_line(call, words, message):
    result = call(main, words)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert message in result.stderr

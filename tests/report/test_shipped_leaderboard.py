"""The rows that come with the package: each is of a record and of weights that are here, and evaluating again gives its figures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import interp
from interp.commands.evaluate_network import main
from interp.core.used_files import fingerprint
from interp.evaluation import LeaderboardRow
from interp.report.leaderboard import read_row, shipped_rows

ROOT = Path(__file__).parents[2]
ROWS = shipped_rows()


def test_there_are_rows_of_here():
    assert {row.facts.trained_by for row in ROWS} >= {"here"}


@pytest.mark.parametrize("row", ROWS, ids=[row.facts.name for row in ROWS])
def test_a_row_is_what_its_record_says_of_these_weights(row):
    assert replace(read_row(ROOT / row.record), record=row.record) == row
    weights = ROOT / "networks" / row.facts.file
    if weights.is_file():
        assert fingerprint(weights) == row.weights
    else:
        assert row.facts.trained_by == "published"


SEEDS = sorted((ROOT / "docs/results/leaderboard/seeds").glob("*/leaderboard/*.json"))


@pytest.mark.parametrize("path", SEEDS, ids=[f"{path.parts[-3]} {path.stem}" for path in SEEDS])
def test_records_of_other_seeds_are_of_these_weights(path):
    seed = path.parts[-3]
    weights = ROOT / "networks" / "seeds" / seed / f"{path.stem}.safetensors"
    assert fingerprint(weights) == read_row(path).weights
    assert interp.load_model(weights).metadata["seed"] == json.loads(path.read_text())["network"]["seed"] == int(seed)


def test_three_networks_were_trained_with_three_seeds():
    assert len(SEEDS) == 6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist_smallgap_adv_20", "mnist_smallgap_igr_10"])
def test_evaluated_again(call, data_dir, name, tmp_path):
    """The whole row, by the settings that the record names: accuracies equal, maps up to the rounding of another processor."""
    [row] = [row for row in ROWS if row.facts.name == name]
    told = json.loads((ROOT / row.record).read_text())["arguments"]
    line = ["--task=leaderboard", f"--network={ROOT / 'networks' / row.facts.file}", "--dataset=mnist"]
    line += [f"--seed={told['seed']}", f"--data-dir={data_dir}"]
    line += [f"--output-dir={tmp_path}", f"--picture-dir={tmp_path}"]
    assert call(main, line).returncode == 0
    [path] = tmp_path.glob("leaderboard*/*.json")
    found = LeaderboardRow.from_json(json.loads(path.read_text()))
    assert (found.clean, found.strong) == (row.clean, row.strong)
    for again, before in zip(found.explanations, row.explanations, strict=True):
        assert again.explanation == before.explanation
        np.testing.assert_allclose(again.noise.value, before.noise.value, atol=0.01)
        np.testing.assert_allclose(again.worst_case.value, before.worst_case.value, atol=before.worst_case.cells[1])
    assert interp.leaderboard(tmp_path).rows[0].facts.dataset

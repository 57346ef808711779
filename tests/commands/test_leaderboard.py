"""The task leaderboard as a user runs it, on a model and pictures of one's own, and as a section of eval.py."""

import json

import pytest

import interp
from interp.commands.evaluate import main as evaluate
from interp.commands.evaluate_network import main
from interp.core.used_files import fingerprint
from interp.evaluation import LeaderboardRow
from interp.models import build_network
from tests.commands.own_pictures import trained, write_pictures

pytestmark = pytest.mark.slow
FEW = {"steps": 2, "restarts": 1, "queries": 5}


def words(task, **options):
    return [f"--task={task}", *(f"--{name.replace('_', '-')}={value}" for name, value in options.items())]


def record_of(folder, table):
    [path] = folder.glob(f"{table}*/*.json")
    return path, json.loads(path.read_text())


def test_a_row_of_a_model_and_pictures_of_ones_own(call, tmp_path):
    """It is what both tasks find apart; the row joins those of the package by one line."""
    pictures = write_pictures(tmp_path / "pics")
    model = trained("softmax", pictures)
    model.save(tmp_path / "mine.keras")
    common = {
        "dataset": pictures,
        "image_size": 16,
        "unreadable": "skip",
        "network": tmp_path / "mine.keras",
        "num_image": 12,
    }
    common |= {"epsilons": "4/255", "output_dir": tmp_path / "out", "picture_dir": tmp_path / "drawn"}
    own = {"explanation_images": 9, "explanation_steps": 2, "trained_by": "plain Keras"}
    result = call(main, words("leaderboard", **common, **FEW, **own))
    assert result.returncode == 0, result.stderr
    assert "grad_cam tau" in result.stdout
    assert "cam left out: CAM needs a model" in result.stdout
    path, record = record_of(tmp_path / "out", "leaderboard")
    row = LeaderboardRow.from_json(record)
    assert [moved.explanation for moved in row.explanations] == ["grad_cam", "ig", "gradient"]
    assert (row.facts.trained_by, row.facts.method, row.facts.file) == ("plain Keras", "-", "mine.keras")
    assert row.facts.architecture == f"Sequential, {model.count_params()} weights"
    assert row.facts.minutes is None
    assert record["arguments"]["explanation_images"] == 9
    assert {moved.sampled for moved in row.explanations} == {9}
    assert row.flags[0].kind == "other settings"
    assert f"flagged: {row.flags[0].text}" in result.stdout
    # Apart.
    assert call(main, words("pgd_attack", protocol="strong", **common, **FEW)).returncode == 0
    [apart] = record_of(tmp_path / "out", "pgd_attack")[1]["by_radius"]
    assert row.strong.value == apart["worst_case"]
    assert row.clean.value == 1 - apart["broken_by"].count("clean") / 12
    assert record["by_image"]["predictions"]["by_radius"][0]["broken_by"] == apart["broken_by"]
    searched = {"inp_method": "gradient", "measures": "kendall_tau", "steps": 2}
    assert call(main, words("explanation_attack", **{**common, "num_image": 9}, **searched)).returncode == 0
    [moved] = record_of(tmp_path / "out", "explanation_attack")[1]["by_radius"][0]["measures"]
    assert row.explanations[2].worst_case.value == moved["worst_case"]["value"]
    assert row.explanations[2].noise.value == moved["noise"]["value"]
    # Beside the rows of the package.
    board = interp.leaderboard(tmp_path / "out")
    [mine] = [each for each in board.rows if each.facts.name == "mine"]
    assert (mine.record, mine.weights) == (path.as_posix(), fingerprint(tmp_path / "mine.keras"))
    assert len(board.rows) == len(interp.leaderboard().rows) + 1


def test_a_section_of_eval_writes_rows_once(call, tmp_path):
    """In l2, with the radius that the dataset is trained at; a second run measures nothing anew."""
    for seed, name in enumerate(("digits_smallgap_normal_1", "digits_smallgap_adv_1")):
        net = build_network("small", (28, 28, 1), 10, seed=seed)
        interp.save_model(net, tmp_path / f"{name}.safetensors", {"seconds": 30.0, "run": {}, "method": "normal"})
    settings = "--norm l2 --steps 2 --restarts 1 --queries 5 --explanations gradient --explanation-steps 2"
    line = ["1", "--only=leaderboard", "--dataset=digits", "--num-image=40", f"--out={tmp_path / 'out'}"]
    line += [f"--task-options={settings}", "--networks", *map(str, sorted(tmp_path.glob("*.safetensors")))]
    result = call(evaluate, line)
    assert result.returncode == 0, result.stderr
    board = interp.leaderboard(tmp_path / "out")
    rows = [row for row in board.rows if row.facts.dataset == "digits"]
    assert sorted((row.facts.method, row.norm, row.epsilon, row.facts.minutes) for row in rows) == [
        ("Adv", "l2", 1.5, 0.5),
        ("Normal", "l2", 1.5, 0.5),
    ]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "leaderboard").glob("*.json")}
    assert len(before) == 2
    assert call(evaluate, line).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before

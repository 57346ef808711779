"""Accuracy under unforeseen attacks and the score made of it."""

import json

import pytest

from interp.core.errors import InputError
from interp.evaluation import UnforeseenAccuracy, calibrated_budgets, read_calibration, uar_scores, unforeseen_accuracy
from interp.models import build_network
from tests.attacks.unforeseen.test_unforeseen import COLOUR, LABELS

ROWS = [{"attack": "fog", "eps": 128, "ata": 0.8}, {"attack": "fog", "eps": 256.0, "ata": 0.4}]


def written(folder, rows):
    path = folder / "calibration.json"
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return path


def test_the_score_is_a_ratio_of_sums(tmp_path):
    calibration = read_calibration(written(tmp_path, ROWS))
    assert calibration == {("fog", 128.0): 0.8, ("fog", 256.0): 0.4}
    assert calibrated_budgets(calibration, ["fog"]) == {"fog": (128.0, 256.0)}
    found = [
        UnforeseenAccuracy("fog", 128.0, "untargeted", 0.5, 10),
        UnforeseenAccuracy("fog", 256.0, "untargeted", 0.1, 10),
    ]
    assert uar_scores(found, calibration) == {("fog", "untargeted"): pytest.approx(50)}
    assert found[0].standard_error == pytest.approx((0.25 / 10) ** 0.5)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("{", "cannot be read"),
        ([], "holds no rows"),
        ({"fog": 1}, "holds no rows"),
        ([{"attack": "fog", "eps": 1}], "row 1 of the calibration"),
        ([*ROWS, {"attack": "frog", "eps": 1, "ata": 0.5}], "did you mean 'fog'"),
        ([{"attack": "fog", "eps": "much", "ata": 0.5}], "has eps 'much'"),
        ([{"attack": "fog", "eps": 0, "ata": 0.5}], "has eps 0"),
        ([{"attack": "fog", "eps": 1, "ata": 50}], "ata 50"),
        ([*ROWS, {"attack": "fog", "eps": 128.0, "ata": 0.5}], "is of fog at eps 128, as one before it"),
    ],
)
def test_calibrations_that_cannot_be_used_are_refused(tmp_path, rows, said):
    with pytest.raises(InputError) as caught:
        read_calibration(written(tmp_path, rows))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_rows_are_named(tmp_path):
    calibration = read_calibration(written(tmp_path, ROWS))
    with pytest.raises(InputError, match="no rows of snow"):
        calibrated_budgets(calibration, ["fog", "snow"])
    with pytest.raises(InputError, match="no row for fog at eps 512, snow at eps 2"):
        uar_scores(
            [UnforeseenAccuracy(name, eps, "untargeted", 0.5, 4) for name, eps in (("snow", 2.0), ("fog", 512.0))],
            calibration,
        )


def test_a_budget_that_came_twice_is_not_weighed_twice(tmp_path):
    calibration = read_calibration(written(tmp_path, ROWS))
    found = [UnforeseenAccuracy("fog", eps, "untargeted", 0.5, 10) for eps in (128.0, 256.0, 128.0)]
    with pytest.raises(InputError, match="fog at eps 128 with goal untargeted came twice: give each budget once"):
        uar_scores(found, calibration)


@pytest.mark.integration
def test_budgets_and_goals_count_once():
    network = build_network("small", (32, 32, 3), 3)
    found = unforeseen_accuracy(network, COLOUR, LABELS, {"jpeg_linf": [8, 8.0]}, goals=["untargeted"] * 2, steps=1)
    assert [(row.attack, row.epsilon, row.goal) for row in found] == [("jpeg_linf", 8.0, "untargeted")]


@pytest.mark.slow
def test_every_attack_goal_and_budget_has_a_row():
    network = build_network("small", (32, 32, 3), 3)
    told = []
    found = unforeseen_accuracy(
        network,
        COLOUR,
        LABELS,
        {"fog": (1.0, 2048.0), "jpeg_l1": (8.0,)},
        goals=("random_target", "untargeted"),
        steps=2,
        report=lambda: told.append(1),
    )
    assert [(row.attack, row.goal, row.epsilon) for row in found] == [
        ("fog", "random_target", 1.0),
        ("fog", "random_target", 2048.0),
        ("fog", "untargeted", 1.0),
        ("fog", "untargeted", 2048.0),
        ("jpeg_l1", "random_target", 8.0),
        ("jpeg_l1", "untargeted", 8.0),
    ]
    assert len(told) == 6
    assert all(row.count == 4 for row in found)
    assert "images that are wrong without an attack are attacked, too" in found.caption
    for wrong, said in (({"smog": (1.0,)}, "unknown unforeseen attack 'smog'"), ({"fog": (0.0,)}, "epsilon came as 0")):
        with pytest.raises(InputError, match=said):
            unforeseen_accuracy(network, COLOUR, LABELS, wrong, steps=1)

"""Registries that need TensorFlow hold exactly the names that are listed without it, in order; and the lists are had without it."""

import subprocess
import sys
from pathlib import Path

import pytest

from interp.core import names

ROOT = Path(names.__file__).parents[2]


def test_registries_hold_the_listed_names():
    from interp.attacks.unforeseen import GOALS, UNFORESEEN
    from interp.attributions import CAM, INTERPRETATIONS
    from interp.evaluation import FAITHFULNESS, PROTOCOLS
    from interp.models import ARCHITECTURES
    from interp.models.image_scale import candidate_scales
    from interp.training import OBJECTIVES

    assert tuple(UNFORESEEN) == names.UNFORESEEN
    assert tuple(GOALS) == names.GOALS
    assert candidate_scales(3) == names.SCALES
    assert tuple(INTERPRETATIONS) == names.INTERPRETATIONS
    assert tuple(FAITHFULNESS) == names.FAITHFULNESS
    assert tuple(PROTOCOLS) == names.RETRAINING_PROTOCOLS
    assert tuple(ARCHITECTURES) == tuple(names.ARCHITECTURE_TAGS)
    assert tuple(OBJECTIVES) == names.OBJECTIVE_TAGS
    assert {tag: objective.title for tag, objective in OBJECTIVES.items()} == names.OBJECTIVE_TITLES
    assert tuple(tag for tag, objective in OBJECTIVES.items() if not objective.uses_ball) == names.WITHOUT_BALL
    assert tuple(tag for tag, objective in OBJECTIVES.items() if objective.explanation == CAM()) == names.COMPARING_CAM


def test_every_listed_explanation_is_found():
    from interp.attributions import find_attribution

    for name in (*names.METHODS, *names.ENSEMBLES, *names.INTERPRETATIONS):
        find_attribution(name)


def test_explanations_that_no_attack_follows_are_those_of_many_passes():
    from interp.attributions import find_attribution

    unfollowed = [name for name in names.METHODS if not find_attribution(name).differentiable]
    assert sorted(unfollowed) == sorted(("random", "edges", *names.MANY_PASSES))


def test_what_tasks_show_unasked_stays_as_it_is():
    assert (
        *("random", "gradient", "input_x_gradient", "deconvnet", "guided_backprop", "integrated_gradients", "grad_cam"),
        *("grad_cam++", "guided_grad_cam", "cam"),
    ) == names.USUAL_METHODS


def test_the_published_score_is_of_listed_attacks():
    assert [name for name in names.UNFORESEEN if name not in names.SCORED] == ["elastic"]


@pytest.mark.parametrize(
    "module",
    [
        "interp.core.names",
        "interp.core.network_name",
        "interp.core.checks",
        "interp.training",
        "interp.training.recipes",
        "interp.training.profiles",
        "interp.training.schedule",
    ],
)
def test_data_is_had_without_tensorflow(module):
    code = f"import sys, {module}; print([name for name in ('tensorflow', 'keras', 'sklearn', 'cv2') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr

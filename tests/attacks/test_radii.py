"""Radii and steps of 0..255, where images are in [0, 1], are told from those that can be meant."""

import argparse

import numpy as np
import pytest

from interp.attacks import AutoPGD, InterpretabilitySneaking, ProjectedGradientDescent, Square, TopKInterpretation
from interp.core.argument_types import distance, radii, radius
from interp.core.errors import InputError
from interp.data.user_spec import usual_l2_radii, usual_l2_radius
from interp.evaluation import StrongProtocol, accuracy_curve, validity
from interp.training import Schedule

SCHEDULE = {"epochs": 1, "batch_size": 5, "learning_rates": ((0, 1e-3),), "ramp": (0, 0), "attack_steps": 4}
PGD = ProjectedGradientDescent(epsilon=0.1, step_size=0.1, steps=1)
MADE = {
    "PGD": lambda epsilon: ProjectedGradientDescent(epsilon=epsilon, step_size=0.1),
    "step of PGD": lambda epsilon: ProjectedGradientDescent(epsilon=0.1, step_size=epsilon),
    "APGD": lambda epsilon: AutoPGD(epsilon=epsilon),
    "Square": lambda epsilon: Square(epsilon=epsilon),
    "top-k": lambda epsilon: TopKInterpretation(epsilon=epsilon),
    "step of top-k": lambda epsilon: TopKInterpretation(epsilon=0.1, step_size=epsilon),
    "schedule": lambda epsilon: Schedule(**SCHEDULE, epsilon=epsilon, attack_step_size=0.1),
    "step of a schedule": lambda epsilon: Schedule(**SCHEDULE, epsilon=0.1, attack_step_size=epsilon),
    "step of the protocol": lambda epsilon: StrongProtocol(step_size=epsilon),
}


@pytest.mark.parametrize("name", MADE)
def test_l_inf_radii_and_steps_are_at_most_1(name):
    with pytest.raises(InputError, match=r"came as 8, expected at most 1.*8/255"):
        MADE[name](8)
    MADE[name](8 / 255)
    MADE[name](1.0)


def test_l2_radii_are_open():
    assert ProjectedGradientDescent(epsilon=8, step_size=2, norm="l2").epsilon == 8


def test_curves(linear):
    images, labels = np.full((2, 1, 2, 1), 0.5, np.float32), [0, 0]
    for measure in (
        lambda radii: accuracy_curve(linear, images, labels, PGD, radii),
        lambda radii: validity(linear, images, labels, radii, StrongProtocol(steps=1, restarts=1, queries=1)),
    ):
        with pytest.raises(InputError, match=r"epsilon came as 4, expected at most 1.*4/255"):
            measure([0, 4])
    l2 = ProjectedGradientDescent(epsilon=0.1, step_size=2.0, steps=1, norm="l2")
    assert accuracy_curve(linear, images, labels, l2, [0, 2.0]).epsilons == (0, 2.0)


def test_radii_of_each_image(curved, toy):
    images, labels = toy[0][:2], toy[1][:2]
    attack = InterpretabilitySneaking(interpretation="ig", rounds=1, steps=1)
    with pytest.raises(InputError, match="largest of epsilons came as 8, expected at most 1"):
        attack(curved, images, labels, (labels + 1) % 3, [0.1, 8])
    assert not attack(curved, images, labels, (labels + 1) % 3, [np.nan, np.nan]).succeeded.any()


@pytest.mark.parametrize("parse", [radii, radius])
@pytest.mark.parametrize("text", ["8", "2.5", "255/8"])
def test_command_lines(parse, text):
    with pytest.raises(argparse.ArgumentTypeError, match="8/255"):
        parse(text)
    assert parse("8/255") in (8 / 255, [8 / 255])


@pytest.mark.parametrize("parse", [radius, distance])
@pytest.mark.parametrize("text", ["0", "0/3", "-1", "0.1,0.2", "x"])
def test_a_step_is_one_number_above_0(parse, text):
    with pytest.raises(argparse.ArgumentTypeError):
        parse(text)


def test_distances_may_be_above_1():
    assert [distance(text) for text in ("3", "8/255", "255/8")] == [3, 8 / 255, 255 / 8]


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (64, 99, 3), (224, 224, 3), (512, 512, 1)])
def test_the_usual_l2_radius_is_one_of_the_usual_radii(shape):
    assert usual_l2_radius(shape) in usual_l2_radii(shape)[1:]

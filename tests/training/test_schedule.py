"""Rates and radii at hand-picked steps."""

import dataclasses

import pytest

from interp.core.errors import InputError
from interp.training import PAPER, for_objective, usual_schedule


def test_the_papers_schedules():
    mnist, cifar = PAPER["mnist"], PAPER["cifar"]
    assert [mnist.radius(step) for step in (0, 2_000, 6_000, 10_000, 99_999)] == pytest.approx([0, 0, 0.15, 0.3, 0.3])
    assert mnist.learning_rate(50_000) == 1e-4
    assert [cifar.learning_rate(step) for step in (0, 39_999, 40_000, 60_000)] == [1e-3, 1e-3, 1e-4, 1e-5]
    assert cifar.radius(37_500) == pytest.approx(4 / 255)


def test_no_ramp_is_full_radius_from_the_start():
    assert dataclasses.replace(PAPER["mnist"], ramp=(0, 0)).radius(0) == 0.3


def test_a_ramp_of_no_length_is_a_jump():
    jump = dataclasses.replace(PAPER["mnist"], ramp=(5, 5))
    assert [jump.radius(step) for step in (0, 4, 5)] == [0, 0, 0.3]


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"epsilon": -1},
        {"attack_steps": 0},
        {"attack_step_size": 0},
        {"learning_rates": ()},
        {"learning_rates": ((5, 1e-3),)},
        {"learning_rates": ((0, 1e-3), (0, 1e-4))},
        {"learning_rates": ((0, -1e-3),)},
        {"ramp": (5, 2)},
        {"ramp": (5,)},
        {"learning_rates": (1e-3,)},
        {"rate_shape": "cosine"},
    ],
)
def test_bad_schedules_are_refused(change):
    with pytest.raises(InputError):
        dataclasses.replace(PAPER["mnist"], **change)


def test_rates_along_lines_by_hand():
    schedule = dataclasses.replace(PAPER["mnist"], learning_rates=((0, 0.1), (10, 0.3), (20, 0.1)), rate_shape="linear")
    assert [round(schedule.learning_rate(step), 6) for step in (0, 5, 10, 15, 20, 99)] == [0.1, 0.2, 0.3, 0.2, 0.1, 0.1]
    assert dataclasses.replace(schedule, rate_shape="steps").learning_rate(15) == 0.3


def test_a_schedule_follows_from_the_number_of_images_and_the_radius():
    few, many = usual_schedule(1000, 0.1), usual_schedule(100_000, 8 / 255)
    assert (few.batch_size, few.epochs, many.batch_size, many.epochs) == (32, 60, 128, 10)
    steps = 60 * (1000 // 32)
    assert few.ramp == (0, round(0.3 * steps))
    assert few.learning_rates == ((0, 1e-3), (round(0.6 * steps), 1e-4))
    assert few.attack_step_size == pytest.approx(0.025)
    assert usual_schedule(5, 0.1).batch_size == 5
    with pytest.raises(InputError, match="images"):
        usual_schedule(0, 0.1)
    for what, wrong in (("batch_size", 0), ("batch_size", 8.5), ("epochs", "5")):
        with pytest.raises(InputError, match=f"{what} came as {wrong}"):
            usual_schedule(1000, 0.1, **{what: wrong})


def test_radii_up_to_1_have_steps_of_their_own():
    """A step of 2.25 was refused with advice for the radius, which is fine."""
    assert usual_schedule(100, 0.9, attack_steps=1).attack_step_size == 1
    assert for_objective(usual_schedule(100, 0.9), "fast").attack_step_size == 1
    assert usual_schedule(100, 2.0, attack_steps=1, norm="l2").attack_step_size == 5

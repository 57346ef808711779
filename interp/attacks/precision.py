"""Which precision searches faster on this machine."""

import statistics
import time
from dataclasses import replace
from typing import Any

import keras

from interp.attacks.goals import Untargeted
from interp.attacks.projected_gradient_descent import ProjectedGradientDescent
from interp.core.checks import check_instance
from interp.models.low_precision import PRECISIONS
from interp.models.network import Network

# What is measured, and how much faster bfloat16 must be: near a tie, chance would decide from run to run.
TIMED_IMAGES, TIMED_STEPS, ROUNDS, ENOUGH = 100, 5, 3, 0.85


def faster_precision(attack: ProjectedGradientDescent, model: keras.Model, images: Any, labels: Any) -> str:
    """Time a short attack in float32 and in bfloat16 and return "bfloat16" where it takes less than 0.85 of the time, else "float32".

    Models that are not of this package keep their own precision: "float32". Raises InputError.
    """
    check_instance(
        "the attack",
        attack,
        ProjectedGradientDescent,
        "ProjectedGradientDescent(epsilon=8/255, step_size=2/255, steps=10)",
    )
    check_instance("the model", model, keras.Model, "load_model('mnist_smallgap_int_20')")
    if type(model) is not Network:
        return "float32"
    images, labels = images[:TIMED_IMAGES], labels[:TIMED_IMAGES]
    seconds = {}
    for precision in PRECISIONS:
        # Given targets would be too many for so few images.
        short = replace(attack, steps=TIMED_STEPS, restarts=1, iterate="last", precision=precision, goal=Untargeted())
        short(model, images, labels)  # compiles
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            short(model, images, labels)
            times.append(time.perf_counter() - began)
        seconds[precision] = statistics.median(times)
    return "bfloat16" if seconds["bfloat16"] < ENOUGH * seconds["float32"] else "float32"

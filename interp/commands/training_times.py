"""How long a training would take here: a few measured steps, extrapolated."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interp.training.recipes import Recipe

# Training images per dataset, after 5,000 for validation where there are that many.
TRAINING_IMAGES = {"digits": 1_197, "mnist": 55_000, "cifar": 45_000, "restimagenet": 252_000}
MEASURED_IMAGES = 8
MEASURED_ATTACK_STEPS = 2


class Clock:
    """Estimates of training times; networks of equal cost are measured once."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str, str], tuple[float, float]] = {}

    def estimate(self, row: "Recipe") -> str:
        """The time of a recipe in words."""
        key = (row.dataset, row.architecture, row.objective)
        if key not in self._seconds:
            self._seconds[key] = _measure(row)
        fixed, per_attack_step = self._seconds[key]
        schedule = row.schedule
        images = row.images or TRAINING_IMAGES[row.dataset]
        per_image = (fixed + per_attack_step * schedule.attack_steps) / MEASURED_IMAGES
        return in_words(per_image * images // schedule.batch_size * schedule.batch_size * schedule.epochs)


def _measure(row: "Recipe") -> tuple[float, float]:
    """Seconds of a step over a few images without inner steps, and seconds of one inner step."""
    import keras
    import numpy as np
    import tensorflow as tf

    from interp.models import IMAGE_KINDS, build_network
    from interp.training import find_objective
    from interp.training.step import make_step
    from interp.training.trainer import resolve_penalty

    kind, objective = IMAGE_KINDS[row.dataset], find_objective(row.objective)
    network = build_network(row.architecture, kind.shape, kind.classes)
    images = tf.constant(np.random.RandomState(0).rand(MEASURED_IMAGES, *kind.shape), tf.float32)
    labels = tf.constant(np.arange(MEASURED_IMAGES) % kind.classes, tf.int64)
    schedule = replace(row.schedule, attack_steps=MEASURED_ATTACK_STEPS)
    weight = resolve_penalty(objective, row.penalty_weight)
    step = make_step(network, objective, keras.optimizers.Adam(), schedule, penalty_weight=weight)

    def seconds(epsilon: float) -> float:
        batch = images, labels, tf.constant(epsilon), tf.constant([0, 0], tf.int64), tf.constant(0.0)
        step(*batch)
        times = []
        for _ in range(3):
            began = time.perf_counter()
            step(*batch)
            times.append(time.perf_counter() - began)
        return min(times)

    # With a radius of 0 the inner attack is left out.
    fixed = seconds(0.0)
    attacked = seconds(0.1) if objective.attack is not None else fixed
    return fixed, max(attacked - fixed, 0) / MEASURED_ATTACK_STEPS


def in_words(seconds: float) -> str:
    """A duration as a person would say it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"

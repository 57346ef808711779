"""How long a training would take here: a few measured steps, extrapolated."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from interp.data import find_dataset

if TYPE_CHECKING:
    from interp.training.recipes import Recipe

MEASURED_ATTACK_STEPS = 2


class Clock:
    """Estimates of training times; networks of equal cost are measured once."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str | int | None, ...], tuple[float, float]] = {}

    def estimate(self, row: "Recipe") -> str:
        """The time of a recipe in words."""
        method = row.objective, row.explanation, row.cross_entropy_attack
        key = (row.dataset, row.architecture, *method, row.schedule.batch_size)
        if key not in self._seconds:
            self._seconds[key] = _measure(row)
        fixed, per_attack_step = self._seconds[key]
        schedule = row.schedule
        steps = (row.images or find_dataset(row.dataset).training_images) // schedule.batch_size * schedule.epochs
        return in_words((fixed + per_attack_step * schedule.attack_steps) * steps)


def _measured_batch(row: "Recipe") -> int:
    """The batch itself where that takes a moment, else a part of it."""
    if row.architecture != "wresnet":
        return row.schedule.batch_size
    return min(row.schedule.batch_size, 2 if row.dataset == "restimagenet" else 16)


def _measure(row: "Recipe") -> tuple[float, float]:
    """Seconds of a step without inner steps, and of one inner step, for the recipe's batch."""
    import keras
    import numpy as np
    import tensorflow as tf

    from interp.models import build_network
    from interp.training.objectives import resolve_penalty
    from interp.training.step import make_step

    kind, objective = find_dataset(row.dataset), row.method
    network = build_network(row.architecture, kind.shape, kind.classes)
    batch_size = _measured_batch(row)
    images = tf.constant(np.random.RandomState(0).rand(batch_size, *kind.shape), tf.float32)
    labels = tf.constant(np.arange(batch_size) % kind.classes, tf.int64)
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
    whole = row.schedule.batch_size / batch_size
    return whole * fixed, whole * max(attacked - fixed, 0) / MEASURED_ATTACK_STEPS


def in_words(seconds: float) -> str:
    """A duration as a person would say it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"

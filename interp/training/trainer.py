"""The training loop: every method, architecture and dataset goes through it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks import ProjectedGradientDescent, accuracy
from interp.core.checks import check_number
from interp.core.errors import InputError
from interp.data import Dataset
from interp.models.network import Network
from interp.training.objectives import Objective
from interp.training.schedule import Schedule
from interp.training.step import make_step

# Robust validation accuracy is a sign of progress, not a result: a short attack on a few images.
VALIDATION_IMAGES = 200
VALIDATION_STEPS = 10

Measures = dict[str, float]


class TrainingDiverged(ArithmeticError):
    """A loss or gradient was not finite; the network holds the weights of the step before."""


@dataclass(frozen=True)
class Progress:
    """Where a training is: told after every step, with validation measures after the last step of an epoch."""

    epoch: int
    step: int
    total_steps: int
    measures: Measures
    images_per_second: float
    seconds_left: float


def train(
    network: Network,
    objective: Objective,
    schedule: Schedule,
    data: Dataset,
    *,
    validation: Dataset | None = None,
    seed: int = 99,
    penalty_weight: float | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> list[Measures]:
    """Train `network` in place on `data` and return the measures of each epoch.

    Epoch e visits the images in the order numpy.random.RandomState(seed + e).permutation; an incomplete last batch is left out.
    `penalty_weight` replaces the objective's usual weight of its second term.
    Raises InputError, and TrainingDiverged when a loss is not finite.
    """
    weight = resolve_penalty(objective, penalty_weight)
    _check(network, schedule, data, seed)
    optimizer = keras.optimizers.Adam(schedule.learning_rate(0))
    run = make_step(network, objective, optimizer, schedule, penalty_weight=weight)
    steps = len(data) // schedule.batch_size
    total = steps * schedule.epochs
    began = time.monotonic()
    history: list[Measures] = []
    for epoch in range(schedule.epochs):
        order = np.random.RandomState(seed + epoch).permutation(len(data))
        sums: dict[str, float] = {}
        for number in range(steps):
            step = epoch * steps + number
            rows = order[number * schedule.batch_size : (number + 1) * schedule.batch_size]
            optimizer.learning_rate.assign(schedule.learning_rate(step))
            measures = _run_step(run, data, rows, schedule.radius(step), (seed, step))
            for name, value in measures.items():
                sums[name] = sums.get(name, 0.0) + value / steps
            if number == steps - 1:
                measures = {**sums, **_validate(network, objective, schedule, validation)}
                history.append(measures)
            seconds = time.monotonic() - began
            rate = (step + 1) / seconds
            report(Progress(epoch, step + 1, total, measures, rate * schedule.batch_size, (total - step - 1) / rate))
    return history


def _run_step(
    run: Any, data: Dataset, rows: Sequence[int] | np.ndarray, radius: float, seed: tuple[int, int]
) -> Measures:
    images, labels = tf.constant(data.images[rows]), tf.constant(data.labels[rows], tf.int64)
    results = run(images, labels, tf.constant(radius, tf.float32), tf.constant(seed, tf.int64))
    measures = {name: float(value) for name, value in results.items()}
    if not measures.pop("finite"):
        raise TrainingDiverged(
            f"the loss or a gradient was not finite at step {seed[1]} (loss {measures['loss']}, radius {radius:g}): "
            "lower the learning rate or the penalty; the network keeps the weights of the step before"
        )
    return measures


def _validate(network: Network, objective: Objective, schedule: Schedule, validation: Dataset | None) -> Measures:
    if validation is None:
        return {}
    measures = {"validation_accuracy": accuracy(network, validation.images, validation.labels)}
    if objective.attack is not None and schedule.epsilon > 0:
        few = validation.take(min(VALIDATION_IMAGES, len(validation)))
        step_size = 2.5 * schedule.epsilon / VALIDATION_STEPS
        attack = ProjectedGradientDescent(
            epsilon=schedule.epsilon, step_size=step_size, steps=VALIDATION_STEPS, random_start=True
        )
        measures["validation_robust_accuracy"] = accuracy(network, attack(network, few.images, few.labels), few.labels)
    return measures


def resolve_penalty(objective: Objective, penalty_weight: float | None) -> float:
    """The weight of the objective's second term: the one given, else its usual one, 0 for a loss of one term."""
    if penalty_weight is None:
        return objective.penalty_weight or 0.0
    if objective.penalty_weight is None:
        raise InputError(
            f"a penalty weight of {penalty_weight} came for {objective.title}, whose loss has no penalty: leave it out"
        )
    check_number("penalty weight", penalty_weight, minimum=0)
    return penalty_weight


def _check(network: Network, schedule: Schedule, data: Dataset, seed: int) -> None:
    check_number("seed", seed, minimum=0, whole=True)
    if tuple(data.images.shape[1:]) != network.image_shape or data.classes != network.classes:
        raise InputError(
            f"{data.name} has {data.classes} classes of images {tuple(data.images.shape[1:])}, "
            f"the network takes {network.classes} classes of images {network.image_shape}: build the network for this dataset"
        )
    if len(data) < schedule.batch_size:
        raise InputError(
            f"{data.name} has {len(data)} training images, fewer than one batch of {schedule.batch_size}: lower the batch size"
        )


def describe(
    objective: Objective, schedule: Schedule, seed: int, penalty_weight: float | None = None
) -> dict[str, Any]:
    """What made a network, for its file's metadata."""
    weight = resolve_penalty(objective, penalty_weight)
    return {"method": objective.tag, "schedule": asdict(schedule), "seed": seed, "penalty_weight": weight}

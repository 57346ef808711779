"""The training loop: every method, architecture and dataset goes through it."""

import contextlib
import json
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attributions import CAM
from interp.core.checks import check_instance, check_number, kind_of
from interp.core.errors import ComputationError, InputError
from interp.data import Dataset
from interp.models.network import Network
from interp.training.augmentation import crop_and_flip
from interp.training.objectives import Objective, find_objective, resolve_penalty
from interp.training.replicas import cause, check_agreement
from interp.training.resuming import Checkpointing, Measures, check_weights, restore_position, save_position
from interp.training.schedule import Schedule
from interp.training.signals import StopRequest, stop_requests
from interp.training.step import make_step
from interp.training.training_errors import TrainingDiverged, TrainingInterrupted
from interp.training.validation import validate, validation_attack

# How to make these, for messages.
SCHEDULE = "Schedule(...) or PAPER['mnist']"
DATASET = "data.load('digits', 'train')"


@dataclass(frozen=True)
class Progress:
    """Where a training is: reported after every step, with means and validation measures after the last step of an epoch."""

    epoch: int
    step: int
    total_steps: int
    measures: Measures
    epoch_ended: bool
    images_per_second: float
    seconds_left: float


def train(
    network: Network,
    objective: str | Objective,
    schedule: Schedule,
    data: Dataset,
    *,
    validation: Dataset | None = None,
    seed: int = 99,
    penalty_weight: float | None = None,
    augment: bool = False,
    checkpointing: Checkpointing | None = None,
    compiled: tuple[keras.Optimizer, Any] | None = None,
    stop: StopRequest | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> list[Measures]:
    """Train `network` in place on `data` by an objective or its name, and return the measures of each epoch.

    Epoch e visits the images in the order numpy.random.RandomState(seed + e).permutation; an incomplete last batch is left out.
    `penalty_weight` replaces the objective's usual weight of its second term; `augment` crops and flips. All randomness comes from
    (seed, step), so a run that `checkpointing` resumes ends where an uninterrupted one does. Inside the scope of a tf.distribute
    strategy, in which the network was built too, each replica takes its share of every batch.
    `compiled` is an optimizer with the step that `make_step` built of it for this network, objective and schedule.
    `stop` is checked between steps; by default Ctrl-C and SIGTERM are noted here. The measures of an epoch hold the seconds of
    training up to its end. Raises InputError, TrainingDiverged when a loss or weight is not finite, TrainingInterrupted.
    """
    objective = find_objective(objective)
    weight = resolve_penalty(objective, penalty_weight)
    _check(network, schedule, data, seed)
    if validation is not None:
        check_instance("validation", validation, Dataset, DATASET)
    if not callable(report) or isinstance(report, type):
        raise InputError(f"report came as {kind_of(report)}, expected a function of a Progress, such as print")
    if compiled is not None and not (isinstance(compiled, tuple) and len(compiled) == 2 and callable(compiled[1])):
        raise InputError(f"compiled came as {kind_of(compiled)}, expected (optimizer, make_step(...)) as a tuple")
    if stop is not None:
        check_instance("stop", stop, StopRequest, "StopRequest()")
    if checkpointing is not None:
        check_instance("checkpointing", checkpointing, Checkpointing, "Checkpointing(CheckpointFolder(path))")
    if compiled is None:
        optimizer = keras.optimizers.Adam(schedule.learning_rate(0))
        compiled = optimizer, make_step(network, objective, optimizer, schedule, penalty_weight=weight)
    optimizer, run_step = compiled
    attack = validation_attack(objective, schedule)
    steps = len(data) // schedule.batch_size
    total = steps * schedule.epochs
    arguments = {
        **describe(objective, schedule, seed, weight if objective.penalty_weight is not None else None),
        "augment": augment,
        "architecture": network.architecture,
        "data": f"{data.name} {data.split}, {len(data)} images, {data.source}",
    }
    if checkpointing is not None:
        # Hundreds of short trainings keep nothing, and need not know their images apart.
        arguments |= {"images": data.identity, "validation_images": None if validation is None else validation.identity}
    position = restore_position(checkpointing, network, optimizer, arguments)
    check_agreement(position.step, json.dumps(arguments, sort_keys=True))
    if len(position.history) != position.step // steps:
        raise InputError("the checkpoint holds the measures of other epochs: use --no-resume to start anew")
    seconds_before, first_step = position.seconds, position.step
    began = saved_at = time.monotonic()
    order, order_epoch = np.empty(0, int), -1
    with contextlib.nullcontext(stop) if stop is not None else stop_requests() as stop:
        while position.step < total:
            step = position.step
            epoch, number = divmod(step, steps)
            if epoch != order_epoch:
                order, order_epoch = np.random.RandomState(seed + epoch).permutation(len(data)), epoch
            rows = order[number * schedule.batch_size : (number + 1) * schedule.batch_size]
            rate = schedule.learning_rate(step)
            if step == first_step or rate != schedule.learning_rate(step - 1):
                optimizer.learning_rate.assign(rate)
            images = np.asarray(data.images[rows])
            batch = crop_and_flip(images, (seed, step)) if augment else images, data.labels[rows]
            measures, stopping = _run(run_step, batch, schedule.radius(step), (seed, step), bool(stop))
            for name, value in measures.items():
                position.sums[name] = position.sums.get(name, 0.0) + value
            position.step += 1
            ended = number == steps - 1
            position.seconds = seconds_before + time.monotonic() - began
            if ended:
                check_weights(network, optimizer, position.step, measures)
                means = {name: value / steps for name, value in position.sums.items()}
                measures = {**means, **validate(network, attack, validation), "seconds": round(position.seconds, 1)}
                position.history.append(measures)
                position.sums = {}
            per_second = (position.step - first_step) / (time.monotonic() - began)
            left = (total - position.step) / per_second
            report(Progress(epoch, position.step, total, measures, ended, per_second * schedule.batch_size, left))
            if checkpointing is not None:
                since = time.monotonic() - saved_at
                if ended or stopping or checkpointing.due(position.step, since):
                    save_position(checkpointing, network, optimizer, arguments, position)
                    saved_at = time.monotonic()
            if stopping and position.step < total:
                kept = (
                    "start again to go on from there"
                    if checkpointing
                    else "nothing was kept, no checkpoints were asked for"
                )
                number = stop.signal or signal.SIGTERM
                raise TrainingInterrupted(f"stopped after step {position.step} of {total}; {kept}", number.value)
    return position.history


def _run(
    run_step: Any, batch: tuple[np.ndarray, np.ndarray], radius: float, seed: tuple[int, int], stop: bool
) -> tuple[Measures, bool]:
    images, labels = tf.constant(batch[0], tf.float32), tf.constant(batch[1], tf.int64)
    numbers = tf.constant(radius, tf.float32), tf.constant(seed, tf.int64), tf.constant(float(stop))
    try:
        results = run_step(images, labels, *numbers)
    except tf.errors.OpError as error:
        raise ComputationError(
            f"step {seed[1]} failed in TensorFlow: {cause(error.message)}; if there are other workers, look at what they say"
        ) from error
    measures = {name: float(value) for name, value in results.items()}
    if measures.pop("broken"):
        shown = ", ".join(f"{name} {value:g}" for name, value in measures.items() if name != "stop")
        raise TrainingDiverged(
            f"the loss or a gradient was not finite at step {seed[1]} ({shown}, radius {radius:g}): lower the learning rate or the "
            "penalty weight; checkpoints are from before"
        )
    return measures, bool(measures.pop("stop"))


def _check(network: Network, schedule: Schedule, data: Dataset, seed: int) -> None:
    check_number("seed", seed, minimum=0, whole=True)
    check_instance("the schedule", schedule, Schedule, SCHEDULE)
    check_instance("data", data, Dataset, DATASET)
    if not isinstance(network, Network):
        raise InputError(f"train takes this package's networks, got {kind_of(network)}: make one with build_network")
    normalised = any(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas > schedule.batch_size:
        raise InputError(f"{replicas} replicas cannot share batches of {schedule.batch_size} images: use fewer")
    if normalised and replicas > 1:
        raise InputError(
            f"{network.architecture} has batch normalisation, whose statistics would depend on the number of replicas: "
            "train it with one"
        )
    if tuple(data.image_shape) != network.image_shape or data.classes != network.classes:
        raise InputError(
            f"{data.name} has {data.classes} classes of images {tuple(data.image_shape)}, the network takes "
            f"{network.classes} classes of images {network.image_shape}: build the network for this dataset"
        )
    if len(data) < schedule.batch_size:
        raise InputError(
            f"{data.name} has {len(data)} training images, fewer than one batch of {schedule.batch_size}: "
            "lower the batch size"
        )


def describe(
    objective: str | Objective, schedule: Schedule, seed: int, penalty_weight: float | None = None
) -> dict[str, Any]:
    """What made a network, for its file's metadata. Raises InputError."""
    objective = find_objective(objective)
    check_instance("the schedule", schedule, Schedule, SCHEDULE)
    weight = resolve_penalty(objective, penalty_weight)
    described = asdict(schedule)
    if schedule.attack_precision == "float32":
        # As in files of before there was a choice.
        del described["attack_precision"]
    made = {"method": objective.tag, "schedule": described, "seed": seed, "penalty_weight": weight}
    if objective.explanation not in (None, CAM()):
        made["explanation"] = objective.explanation.describe()
    return made

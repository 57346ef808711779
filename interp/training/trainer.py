"""The training loop: every method, architecture and dataset goes through it."""

import contextlib
import json
import math
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.core.checks import check_instance, check_number, kind_of
from interp.core.errors import ComputationError, InputError
from interp.core.tables import counted
from interp.core.tensorflow_errors import cause
from interp.data import Dataset, dataset_names
from interp.data.user_spec import usual_radii
from interp.models.model_check import run_model
from interp.models.model_digest import layers_digest
from interp.models.network import Network
from interp.training.augmentation import find_augmentation
from interp.training.batches import made_ahead
from interp.training.checkpoints import ANEW
from interp.training.description import SCHEDULE, describe, describe_choices, describe_model_and_data
from interp.training.kept_weights import Keeping, KeptWeights
from interp.training.model_state import ModelState
from interp.training.objectives import Objective, find_objective, resolve_penalty
from interp.training.replicas import check_agreement
from interp.training.resuming import Checkpointing, Measures, check_weights, restore_position, save_position
from interp.training.schedule import Schedule, for_objective, usual_schedule
from interp.training.signals import StopRequest, stop_requests
from interp.training.step import count_classes, make_step
from interp.training.training_errors import TrainingDiverged, TrainingInterrupted
from interp.training.update import scaled_where_half
from interp.training.validation import COMPARED_IMAGES, VALIDATION_IMAGES, validate, validation_attack

# How to make these, for messages.
DATASET = "data.load('digits', 'train')"


@dataclass(frozen=True)
class Progress:
    """Where a training is, as it is reported after every step.

    Attributes:
        epoch: Number of the epoch, from 0.
        step: Number of steps that were made.
        total_steps: Number of steps in all.
        measures: Measures of the step by name; after the last step of an epoch means over its steps, and validation measures.
        epoch_ended: Whether that was the last step of an epoch.
        images_per_second: Training images per second in this run.
        seconds_left: Seconds to the end at that pace.
    """

    epoch: int
    step: int
    total_steps: int
    measures: Measures
    epoch_ended: bool
    images_per_second: float
    seconds_left: float


def train(
    model: keras.Model,
    objective: str | Objective,
    data: Dataset,
    schedule: Schedule | None = None,
    *,
    validation: Dataset | None = None,
    seed: int = 99,
    penalty_weight: float | None = None,
    augment: bool | keras.layers.Layer = False,
    optimizer: keras.Optimizer | None = None,
    class_weights: Mapping[int, float] | None = None,
    batch_statistics: str = "each",
    keeping: Keeping | None = None,
    checkpointing: Checkpointing | None = None,
    compiled: tuple[keras.Optimizer, Any] | None = None,
    stop: StopRequest | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> list[Measures]:
    """Train a Keras model in place; with a model from `adapt` the original is trained too, as both share their layers.

    Epoch e visits the images in the order numpy.random.RandomState(seed + e).permutation; an incomplete last batch is left out. All
    randomness comes from (seed, step), that of dropout and other random layers too, so a run that `checkpointing` resumes ends where an
    uninterrupted one does. Inner attacks pass the model in inference mode, the loss passes it in training mode: clean and attacked
    images with the same dropout, each batch normalised by its own statistics. Layers with trainable=False stay as they are, losses of
    regularisers are added. Inside the scope of a tf.distribute strategy, in which the model was built too, each replica takes its share of
    every batch.

    Args:
        model: A network of the package or any Keras model that takes images in [0, 1] and returns logits, or ends in a softmax or
            sigmoid; `adapt` brings others there.
        objective: A training method or its name, such as "adv", "trades" or "int".
        data: The training images.
        schedule: Length, learning rates and inner attack (default: `usual_schedule` for so many images and their usual radius).
        validation: Images on which the model is measured at the end of each epoch (default: it is not measured).
        seed: Seed of order, inner attacks and all other random draws.
        penalty_weight: Weight of the second term of the objective (default: its usual one).
        augment: True for random crops and flips, or Keras layers that are applied to each batch before it is attacked.
        optimizer: Any optimizer of Keras, with its own rate or schedule of rates, weight decay and so on (default: Adam at the rates of
            `schedule`).
        class_weights: Factors of the loss of classes, by number; 1 for those not named.
        batch_statistics: Which statistics batch normalisation keeps for inference: those of "each" pass that the loss makes, as two
            calls in Keras would; those of "clean" or of "attacked" images alone; or, with "fixed", those that it has. With "fixed" the
            loss passes the model in inference mode, without dropout, which suits a trained model that is trained further on few images.
        keeping: Whether the last epoch counts or the best one, how early the training may end, and whether weights are averaged (default:
            the last epoch as it is).
        checkpointing: Where checkpoints go, and from where to go on.
        compiled: An optimizer with the step that `make_step` built of it for this model, objective and schedule.
        stop: Checked between steps; by default Ctrl-C and SIGTERM are noted here.
        report: Called with a Progress after each step.

    Returns:
        The measures of each epoch; they hold the seconds of training up to its end.

    Raises:
        InputError: An argument is not as described, or the model cannot serve the objective.
        TrainingDiverged: A loss or weight is not finite.
        TrainingInterrupted: A signal came.

    Example:
        ```python
        model = keras.models.load_model("mine.keras")
        photos = interp.data.load("photos", "train")
        interp.training.train(adapt(model, scale="0..255"), "trades", photos)
        model.save("mine_trades.keras")
        ```
    """
    objective = find_objective(objective)
    weight = resolve_penalty(objective, penalty_weight)
    check_instance("data", data, Dataset, DATASET)
    if schedule is None:
        schedule = usual_schedule(len(data), usual_radius(data))
    check_instance("the schedule", schedule, Schedule, SCHEDULE)
    schedule = for_objective(schedule, objective.tag)
    _check(model, schedule, data, seed)
    keeping = keeping or Keeping()
    check_instance("keeping", keeping, Keeping, "Keeping(keep='best')")
    if keeping.compares and validation is None:
        raise InputError(
            "the best epoch is found on validation images, and none came: give validation, or leave keep and patience out"
        )
    augmented = find_augmentation(augment)
    if validation is not None:
        check_instance("validation", validation, Dataset, DATASET)
        _check_classes(data, validation)
        _check_sides(model, data, validation)
    if not callable(report) or isinstance(report, type):
        raise InputError(f"report came as {kind_of(report)}, expected a function of a Progress, such as print")
    if compiled is not None:
        _check_compiled(compiled, optimizer=optimizer, class_weights=class_weights, batch_statistics=batch_statistics)
    if stop is not None:
        check_instance("stop", stop, StopRequest, "StopRequest()")
    if checkpointing is not None:
        check_instance("checkpointing", checkpointing, Checkpointing, "Checkpointing(CheckpointFolder(path))")
    if optimizer is not None:
        check_instance("the optimizer", optimizer, keras.Optimizer, "keras.optimizers.Adam(1e-3)")
    own_rate = optimizer is not None
    if keeping.average is not None and (own_rate or compiled is not None):
        raise InputError(
            "average is for the usual optimizer: give yours use_ema=True and ema_momentum, or leave average out"
        )
    if compiled is None:
        state = ModelState(model, data.image_shape)
        optimizer = scaled_where_half(optimizer or usual_optimizer(schedule, keeping), state)
        settings: dict[str, Any] = {"penalty_weight": weight, "class_weights": class_weights, "state": state}
        settings |= {"image_shape": data.image_shape, "batch_statistics": batch_statistics}
        compiled = optimizer, make_step(model, objective, optimizer, schedule, **settings)
    optimizer, run_step = compiled
    attack = validation_attack(objective, schedule)
    judged = COMPARED_IMAGES if keeping.compares else VALIDATION_IMAGES
    steps = len(data) // schedule.batch_size
    total = steps * schedule.epochs
    growing = math.ceil(schedule.ramp[1] / steps) if objective.uses_ball and schedule.epsilon else 0
    arguments = {
        **describe(objective, schedule, seed, weight if objective.penalty_weight is not None else None),
        **describe_model_and_data(model, data, augment),
        **describe_choices(optimizer if own_rate else None, class_weights, batch_statistics, keeping),
    }
    if checkpointing is not None:
        # Hundreds of short trainings keep nothing, and need not know their images apart.
        arguments |= {"images": data.identity, "validation_images": None if validation is None else validation.identity}
        arguments["network"] = {"layers": layers_digest(model), **checkpointing.network}
    kept = KeptWeights(model, optimizer, keeping)
    position = restore_position(checkpointing, model, optimizer, arguments, kept)
    check_agreement(position.step, json.dumps(arguments, sort_keys=True))
    if len(position.history) != position.step // steps:
        raise InputError(f"the checkpoint holds the measures of other epochs: use {ANEW}")
    seconds_before, first_step = position.seconds, position.step
    began = saved_at = time.monotonic()
    batches = made_ahead(data, augmented, schedule.batch_size, seed, range(first_step, total))
    with contextlib.closing(batches), contextlib.nullcontext(stop) if stop is not None else stop_requests() as stop:
        while position.step < total and not keeping.has_ended(position.history, growing):
            step = position.step
            epoch, number = divmod(step, steps)
            rate = schedule.learning_rate(step)
            if not own_rate and (step == first_step or rate != schedule.learning_rate(step - 1)):
                optimizer.learning_rate.assign(rate)
            radius = schedule.radius(step) if objective.uses_ball else 0.0
            measures, stopping = _run(run_step, next(batches), radius, (seed, step), bool(stop))
            for name, value in measures.items():
                position.sums[name] = position.sums.get(name, 0.0) + value
            position.step += 1
            ended = number == steps - 1
            position.seconds = seconds_before + time.monotonic() - began
            if ended:
                check_weights(model, optimizer, position.step, measures)
                means = {name: value / steps for name, value in position.sums.items()}
                with kept.shown():
                    found = validate(model, attack, validation, images=judged)
                    measures = {**means, **found, "seconds": round(position.seconds, 1)}
                    position.history.append(measures)
                    kept.note(position.history)
                position.sums = {}
            per_second = (position.step - first_step) / (time.monotonic() - began)
            left = (total - position.step) / per_second
            report(Progress(epoch, position.step, total, measures, ended, per_second * schedule.batch_size, left))
            if checkpointing is not None:
                since = time.monotonic() - saved_at
                if ended or stopping or checkpointing.due(position.step, since):
                    save_position(checkpointing, model, optimizer, arguments, position, kept)
                    saved_at = time.monotonic()
            if stopping and position.step < total:
                left_behind = "nothing was kept, no checkpoints were asked for"
                if checkpointing is not None:
                    # What began anew would begin anew again.
                    how = "" if checkpointing.resume else " without --no-resume (in Python resume=True)"
                    left_behind = f"start again{how} to go on from there"
                number = stop.signal or signal.SIGTERM
                raise TrainingInterrupted(f"stopped after step {position.step} of {total}; {left_behind}", number.value)
    kept.finish()
    return position.history


def usual_optimizer(schedule: Schedule, keeping: Keeping) -> keras.Optimizer:
    """Adam at the first rate, which averages the weights where that is asked for."""
    if keeping.average is None:
        return keras.optimizers.Adam(schedule.learning_rate(0))
    return keras.optimizers.Adam(schedule.learning_rate(0), use_ema=True, ema_momentum=keeping.average)


def _run(
    run_step: Any, batch: tuple[np.ndarray, np.ndarray], radius: float, seed: tuple[int, int], stop: bool
) -> tuple[Measures, bool]:
    images, labels = tf.constant(batch[0], tf.float32), tf.constant(batch[1], tf.int64)
    numbers = tf.constant(radius, tf.float32), tf.constant(seed, tf.int64), tf.constant(float(stop))
    try:
        results = run_step(images, labels, *numbers)
    except tf.errors.OpError as error:
        raise ComputationError(
            f"step {seed[1]} failed in TensorFlow: {cause(error.message)}; if there are other workers, look at their output"
        ) from error
    measures = {name: float(value) for name, value in results.items()}
    if measures.pop("broken"):
        told = measures | ({"radius": radius} if radius else {})
        shown = ", ".join(f"{name} {value:g}" for name, value in told.items() if name != "stop")
        raise TrainingDiverged(
            f"the loss or a gradient was not finite at step {seed[1]} ({shown}): lower the learning rate or the penalty weight; "
            "checkpoints are from before"
        )
    return measures, bool(measures.pop("stop"))


def _check(model: keras.Model, schedule: Schedule, data: Dataset, seed: int) -> None:
    check_number("seed", seed, minimum=0, whole=True)
    if not isinstance(model, keras.Model):
        raise InputError(f"train takes Keras models, got {kind_of(model)}: make one with build_network, or load yours")
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas > schedule.batch_size:
        raise InputError(
            f"{replicas} replicas cannot share batches of {counted(schedule.batch_size, 'image')}: use fewer"
        )
    if isinstance(model, Network) and tuple(data.image_shape) != model.image_shape:
        raise InputError(
            f"{data.name} has images {tuple(data.image_shape)}, the network takes {model.image_shape}: build the network for this dataset"
        )
    classes = count_classes(model, data.image_shape)
    if classes != data.classes:
        raise InputError(
            f"{data.name} has {data.classes} classes, the model gives {classes} logits: build the network for this dataset, or exchange "
            "the last layer of yours"
        )
    if len(data) < schedule.batch_size:
        raise InputError(
            f"{data.name} has {counted(len(data), 'training image')}, fewer than one batch of {schedule.batch_size}: "
            "lower the batch size"
        )


def _check_compiled(compiled: Any, **given: Any) -> None:
    """Raise InputError where no step came, or what was `given` beside it, which it would pass over."""
    if not (isinstance(compiled, tuple) and len(compiled) == 2 and callable(compiled[1])):
        raise InputError(f"compiled came as {kind_of(compiled)}, expected (optimizer, make_step(...)) as a tuple")
    named = [name for name, value in given.items() if value not in (None, "each")]
    if named:
        raise InputError(f"{' and '.join(named)} came beside compiled, whose step has its own: give it to make_step")
    check_instance("the optimizer of compiled", compiled[0], keras.Optimizer, "keras.optimizers.Adam(1e-3)")
    if not isinstance(compiled[0].learning_rate, keras.Variable):
        raise InputError(
            "the optimizer of compiled came with a schedule of rates, expected one rate, which the schedule of train sets"
        )


def _check_classes(data: Dataset, validation: Dataset) -> None:
    """Raise InputError where a label means one class in the training images and another one in those of validation."""
    names, others = data.class_names, validation.class_names
    moved = [name for name in names if name in others and names.index(name) != others.index(name)]
    if len(names) == len(others) and not moved:
        return
    wrong = f"{len(names)} and {len(others)} classes"
    if len(names) == len(others):
        wrong = f"the class {moved[0]} as {names.index(moved[0])} and as {others.index(moved[0])}"
    raise InputError(
        f"the images of training and of validation have {wrong}: give both the same classes in the same order, those of a directory by "
        "classes.txt, those of arrays by class_names"
    )


def _check_sides(model: keras.Model, data: Dataset, validation: Dataset) -> None:
    """Raise InputError where the model does not take images of the sides of those of validation, which the first epoch would end with."""
    if validation.image_shape == data.image_shape:
        return
    try:
        run_model(model, tf.random.stateless_uniform([2, *validation.image_shape], (0, 0)))
    except InputError as error:
        raise InputError(
            f"images of validation are {validation.image_shape}, those of training {data.image_shape}: {error}"
        ) from error


def usual_radius(data: Dataset) -> float:
    """The linf radius at which networks for images of this kind are usually trained and reported."""
    spec = dataset_names().get(data.name)
    return spec.usual_radius if spec is not None else usual_radii(data.image_shape[2])[2]

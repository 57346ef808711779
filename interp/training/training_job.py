"""Trainings that end in files: gone on with where they were, left alone where they are finished, logged while they run."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from interp.attacks import ProjectedGradientDescent, faster_precision
from interp.core.errors import InputError
from interp.core.files import locked
from interp.data import Dataset
from interp.training.checkpoints import CheckpointFolder
from interp.training.description import UNUSUAL, check_arguments, describe, describe_keeping
from interp.training.kept_weights import Keeping
from interp.training.objectives import Objective
from interp.training.progress_bar import training_bar
from interp.training.replicas import is_chief
from interp.training.resuming import Checkpointing, position_of
from interp.training.run_log import RunLog
from interp.training.schedule import Schedule
from interp.training.signals import StopRequest, stop_requests
from interp.training.trainer import Progress, train
from interp.training.training_errors import TrainingInterrupted

# Beside the networks: logs and checkpoints, a directory for each.
RUNS = ".runs"


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """A training and its file.

    Args:
        target: The file of the network, which appears when all is done.
        build: Makes the model to train.
        objective: By what it is trained.
        schedule: For how long.
        data: The images to train on.
        validation: The images to measure at the end of each epoch.
        seed: Of all that is drawn.
        penalty_weight: Of the second term of the objective.
        keeping: Which weights are kept, and when the training ends early.
        settings: Further arguments of `train`, by name.
        said: Returns further values that describe the training in the metadata, and must be the same where it goes on.
        read: Returns the metadata of a finished file.
        write: Writes the trained model with its metadata to the target.
    """

    target: Path
    build: Callable[[], keras.Model]
    objective: Objective
    schedule: Schedule
    data: Dataset
    validation: Dataset
    seed: int
    penalty_weight: float | None = None
    keeping: Keeping = field(default_factory=Keeping)
    settings: Mapping[str, Any] = field(default_factory=dict)
    said: Callable[[], Mapping[str, Any]] = dict
    read: Callable[[Path], Mapping[str, Any]]
    write: Callable[[keras.Model, dict[str, Any]], None]

    @property
    def name(self) -> str:
        """The network's name."""
        return self.target.stem

    @property
    def folder(self) -> Path:
        """The directory of the log and the checkpoints."""
        return self.target.parent / RUNS / self.name

    @property
    def checkpoints(self) -> CheckpointFolder:
        """The checkpoints, none once all is done."""
        return CheckpointFolder(self.folder / "checkpoints")

    def description(self) -> dict[str, Any]:
        """What makes the network, for its metadata. Raises InputError."""
        return {
            **describe(self.objective, self.schedule, self.seed, self.penalty_weight),
            "augment": False,
            **describe_keeping(self.keeping),
            **self.said(),
            "data": self.data.source,
            "images": self.data.identity,
            "validation_images": self.validation.identity,
        }


@dataclass(frozen=True)
class TrainedNetwork:
    """A network by name: how long its training took, and the measures of the epoch that is kept."""

    name: str
    seconds: float
    measures: dict[str, float]


def run_jobs(
    jobs: Iterable[TrainingJob], strategy: tf.distribute.Strategy, *, resume: bool, attack_precision: str
) -> list[TrainedNetwork]:
    """Do trainings one after the other.

    Args:
        jobs: What is trained.
        strategy: Shares batches among replicas; its chief writes.
        resume: Whether to go on from checkpoints, and to leave finished networks alone.
        attack_precision: "float32" or "bfloat16" for inner attacks; "auto" for the faster one of each network.

    Returns:
        The networks with their measures, in order.

    Raises:
        InputError: A job cannot be done.
        TrainingDiverged: A loss or weight is not finite.
        TrainingInterrupted: A signal came.
    """
    jobs, trained = list(jobs), []
    with strategy.scope(), stop_requests() as stop:
        for place, job in enumerate(jobs, 1):
            job = with_attack_precision(job, attack_precision, resume=resume)
            trained.append(_run(job, f"[{place}/{len(jobs)}] {job.name}", stop, is_chief(strategy), resume))
            if stop.signal and place < len(jobs):
                how = (
                    "start again to go on with the next" if resume else "name the others with --only to go on with them"
                )
                message = f"stopped after network {place} of {len(jobs)}; {how}"
                raise TrainingInterrupted(message, stop.signal.value)
    return trained


def _run(job: TrainingJob, label: str, stop: StopRequest, chief: bool, resume: bool) -> TrainedNetwork:
    checkpoints, description = job.checkpoints, job.description()
    # With checkpoints about, a training goes on, or its last files are written once more.
    if resume and job.target.exists() and checkpoints.is_empty():
        made = job.read(job.target)
        # Files hold more than what is compared: how the training went, and on which machine.
        compared = {name: value for name, value in made.items() if name in {*description, *UNUSUAL}}
        check_arguments(str(job.target), compared, description)
        if not _is_finished(made):
            raise InputError(
                f"{job.target} does not say how its training went: move it away, or --no-resume to train it anew"
            )
        print(f"{label}: is there already; --no-resume trains it anew")
        return TrainedNetwork(job.name, made["seconds"], made["history"][job.keeping.kept_epoch(made["history"])])
    total_steps = len(job.data) // job.schedule.batch_size * job.schedule.epochs
    with contextlib.ExitStack() as open_for_the_run:
        log = None
        if chief:
            open_for_the_run.enter_context(locked(job.folder))
            log = open_for_the_run.enter_context(contextlib.closing(RunLog(job.folder, warn=_warn)))
        # What it prints comes before the bar.
        model = job.build()
        bar = open_for_the_run.enter_context(training_bar(label, total_steps, shown=chief))

        def report(progress: Progress) -> None:
            bar(progress)
            if log is not None:
                log(progress)

        history = train(
            model,
            job.objective,
            job.data,
            job.schedule,
            validation=job.validation,
            seed=job.seed,
            penalty_weight=job.penalty_weight,
            keeping=job.keeping,
            checkpointing=Checkpointing(
                folder=checkpoints, resume=resume, writer=chief, warn=_warn, network=job.said()
            ),
            stop=stop,
            report=report,
            **job.settings,
        )
        seconds, kept = history[-1]["seconds"], job.keeping.kept_epoch(history)
        if chief:
            which = {"kept_epoch": kept + 1} if job.keeping.keep == "best" else {}
            job.write(model, {**description, "history": history, "seconds": seconds, **which})
            checkpoints.remove()
    return TrainedNetwork(job.name, seconds, history[kept])


def with_attack_precision(job: TrainingJob, precision: str, *, resume: bool) -> TrainingJob:
    """The job with the precision of its inner attack: for auto that of the training that goes on, else the faster one."""
    if job.objective.attack is None:
        return job
    if precision == "auto" and resume and (made := _made_before(job)):
        schedule = made.get("schedule")
        precision = schedule.get("attack_precision", "float32") if isinstance(schedule, dict) else "float32"
    elif precision == "auto":
        sample = job.data.take(min(job.schedule.batch_size, len(job.data)))
        schedule = job.schedule
        attack = ProjectedGradientDescent(
            epsilon=schedule.epsilon, step_size=schedule.attack_step_size, norm=schedule.norm
        )
        precision = faster_precision(attack, job.build(), sample.images, sample.labels)
    return replace(job, schedule=replace(job.schedule, attack_precision=precision))


def _made_before(job: TrainingJob) -> Mapping[str, Any]:
    """How the training that goes on, or is finished, was made; nothing where there is none."""
    newest = job.checkpoints.load_newest(_warn, position_of)
    if newest is not None:
        return newest.arguments
    return job.read(job.target) if job.target.exists() else {}


def _is_finished(made: Mapping[str, Any]) -> bool:
    """Whether metadata hold what the end of a training puts there."""
    history = made.get("history")
    return isinstance(made.get("seconds"), (int, float)) and bool(history) and isinstance(history, list)


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)

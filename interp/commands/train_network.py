"""One network of a numbered script, from its recipe to its file."""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from interp import models, training
from interp.attacks import ProjectedGradientDescent, correct, faster_precision
from interp.core.errors import InputError
from interp.core.files import locked, replacing
from interp.core.provenance import describe_run
from interp.data import Dataset
from interp.models import Network
from interp.report import history_figure, note_source
from interp.training import CheckpointFolder, Progress
from interp.training.checkpoints import check_arguments
from interp.training.progress_bar import training_bar
from interp.training.recipes import Recipe
from interp.training.replicas import is_chief
from interp.training.resuming import position_of
from interp.training.run_log import RunLog
from interp.training.signals import StopRequest, stop_requests

if TYPE_CHECKING:
    from interp.commands.train import TrainingOptions

RUNS = ".runs"


@dataclass(frozen=True)
class TrainedNetwork:
    """A network of the list: how long its training took, and its last measures."""

    name: str
    seconds: float
    measures: dict[str, float]


def train_networks(
    rows: Sequence[Recipe],
    options: "TrainingOptions",
    datasets: Mapping[str, dict[str, Dataset]],
    strategy: tf.distribute.Strategy,
) -> list[TrainedNetwork]:
    """Train the networks of recipes one after the other. Raises InputError, TrainingDiverged, TrainingInterrupted."""
    trained = []
    with strategy.scope(), stop_requests() as stop:
        for place, row in enumerate(rows, 1):
            label = f"[{place}/{len(rows)}] {row.name}"
            trained.append(train_network(row, options, strategy, datasets[row.dataset], stop, label))
            if stop.signal and place < len(rows):
                message = f"stopped after network {place} of {len(rows)}; start again to go on with the next"
                raise training.TrainingInterrupted(message, stop.signal.value)
    return trained


def train_network(
    row: Recipe,
    options: "TrainingOptions",
    strategy: tf.distribute.Strategy,
    splits: dict[str, Dataset],
    stop: StopRequest,
    label: str,
) -> TrainedNetwork:
    """Train, or go on with, the network of a recipe, write it with its picture, and return its measures.

    `label` names it on the progress bar. Raises InputError, TrainingDiverged, TrainingInterrupted.
    """
    if row.images is not None:
        fewer = {split: splits[split].take(min(row.images, len(splits[split]))) for split in ("train", "validation")}
        splits = {**splits, **fewer}
    chief, images = is_chief(strategy), splits["train"]
    objective = row.method
    target = options.networks_dir / f"{row.name}.safetensors"
    folder = options.networks_dir / RUNS / row.name
    checkpoints = training.CheckpointFolder(folder / "checkpoints")
    is_asked = options.resume and options.attack_precision == "auto"
    made_before = _made_before(target, checkpoints) if is_asked else {}
    row = _with_attack_precision(row, options.attack_precision, images, made_before)
    description = {
        **training.describe(objective, row.schedule, options.seed, row.penalty_weight),
        "augment": row.augment,
        "data": images.source,
        "images": images.identity,
    }
    # With checkpoints about, a training goes on, or its last files are written once more.
    if options.resume and target.exists() and checkpoints.is_empty():
        made = models.load_model(target).metadata
        # Networks of before their files said of which images they are, are of those of the same source.
        known = {name: value for name, value in description.items() if name in made or name != "images"}
        check_arguments(str(target), {name: made.get(name) for name in known}, known)
        if not _is_finished(made):
            raise InputError(
                f"{target} does not say how its training went: move it away, or --no-resume to train it anew"
            )
        print(f"{label}: is there already; --no-resume trains it anew")
        return TrainedNetwork(row.name, made["seconds"], made["history"][-1])
    checkpointing = training.Checkpointing(
        folder=checkpoints,
        resume=options.resume,
        writer=chief,
        warn=_warn,
    )
    total_steps = len(images) // row.schedule.batch_size * row.schedule.epochs
    with contextlib.ExitStack() as open_for_the_run:
        log = None
        if chief:
            open_for_the_run.enter_context(locked(folder))
            log = open_for_the_run.enter_context(contextlib.closing(RunLog(folder, warn=_warn)))
        bar = open_for_the_run.enter_context(training_bar(label, total_steps, shown=chief))

        def report(progress: Progress) -> None:
            bar(progress)
            if log is not None:
                log(progress)

        network = models.build_network(row.architecture, images.image_shape, images.classes, seed=options.seed)
        history = training.train(
            network,
            objective,
            images,
            row.schedule,
            validation=splits["validation"],
            seed=options.seed,
            penalty_weight=row.penalty_weight,
            augment=row.augment,
            checkpointing=checkpointing,
            stop=stop,
            report=report,
        )
        seconds = history[-1]["seconds"]
        if chief:
            _export(row, options, network, splits, {**description, "history": history, "seconds": seconds})
            checkpoints.remove()
    return TrainedNetwork(row.name, seconds, history[-1])


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _is_finished(made: dict[str, Any]) -> bool:
    """Whether metadata hold what the export of a training puts there."""
    history = made.get("history")
    return isinstance(made.get("seconds"), (int, float)) and bool(history) and isinstance(history, list)


def _made_before(target: Path, checkpoints: CheckpointFolder) -> dict[str, Any]:
    """How the training that goes on, or is finished, was made; nothing where there is none."""
    newest = checkpoints.load_newest(_warn, position_of)
    if newest is not None:
        return dict(newest.arguments)
    return dict(models.load_model(target).metadata) if target.exists() else {}


def _with_attack_precision(row: Recipe, precision: str, images: Dataset, made_before: dict[str, Any]) -> Recipe:
    """The recipe with the precision of its inner attack: for auto that of the training that goes on, else the faster one."""
    if row.method.attack is None:
        return row
    if precision == "auto" and made_before:
        schedule = made_before.get("schedule")
        precision = schedule.get("attack_precision", "float32") if isinstance(schedule, dict) else "float32"
    elif precision == "auto":
        network = models.build_network(row.architecture, images.image_shape, images.classes)
        sample = images.take(min(row.schedule.batch_size, len(images)))
        attack = ProjectedGradientDescent(epsilon=row.schedule.epsilon, step_size=row.schedule.attack_step_size)
        precision = faster_precision(attack, network, sample.images, sample.labels)
    return replace(row, schedule=replace(row.schedule, attack_precision=precision))


def _export(
    row: Recipe,
    options: "TrainingOptions",
    network: Network,
    splits: dict[str, Dataset],
    description: dict[str, Any],
) -> None:
    """Write the picture and then the network, whose presence says that all is done."""
    metadata = {"dataset": row.dataset, **description, "run": describe_run(asdict(options))}
    if row.architecture == "simple_cnn":
        metadata["accuracy_per_class"] = _accuracy_per_class(splits["test"], network)
    with replacing(options.pictures_dir / f"{row.name}.png") as temporary:
        note_source(history_figure(description["history"]), description["data"]).savefig(temporary, dpi=130)
    models.save_model(network, options.networks_dir / f"{row.name}.safetensors", metadata)


def _accuracy_per_class(test: Dataset, network: Network) -> dict[str, float]:
    """Print and return the share of test images of each class that the network gets right."""
    right = correct(network, test.images, test.labels)
    shares = {name: float(right[test.labels == label].mean()) for label, name in enumerate(test.class_names)}
    shown = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
    print(f"accuracy on {len(test)} test images ({test.source}) {right.mean():.4f}; {shown}")
    return {"all": float(right.mean()), **shares}

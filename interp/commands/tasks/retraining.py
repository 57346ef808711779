"""roar and kar: what a network still learns when an attribution's strongest, or weakest, pixels are gone."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from interp import data
from interp.commands.tasks.attributions import chosen_methods
from interp.commands.tasks.listing import ATTRIBUTIONS, ENSEMBLES
from interp.commands.tasks.saliency import FEWER_SAMPLES
from interp.commands.tasks.setting import Outcome, Setting
from interp.core.errors import InputError
from interp.core.parallel import open_workers
from interp.data import Dataset
from interp.evaluation import RoarKar, roar_kar
from interp.evaluation.erasure import find_protocol
from interp.evaluation.roar_kar import RANDOM
from interp.models import Network
from interp.report import NOTHING, Cell, Table, retraining_figure
from interp.training import Retraining, plain_schedule

# Training images, epochs, batch, rate and, where it is not that of the network, the architecture that is retrained.
TRAININGS: dict[str, dict[str, Any]] = {
    # simple_cnn needs more steps than so few images give in the time of hundreds of trainings.
    "digits": {"images": 1197, "epochs": 10, "batch_size": 50, "learning_rate": 2e-3, "architecture": "small"},
    "mnist": {"images": 10_000, "epochs": 3, "batch_size": 64, "learning_rate": 1e-3, "architecture": None},
    "cifar": {"images": 10_000, "epochs": 15, "batch_size": 64, "learning_rate": 1e-3, "architecture": None},
    "restimagenet": {"images": 5_000, "epochs": 10, "batch_size": 64, "learning_rate": 1e-3, "architecture": None},
}
VALIDATION_IMAGES = 500
CAUTION = (
    "ROAR favours blurred maps (arXiv 2304.13836), and maps are of the true label, on test images too, so the shape of what is erased "
    "can itself tell the class: read a method beside the random baseline only"
)


def retrain(setting: Setting) -> Outcome:
    """Accuracies, a method and ratio a row, which methods beat the random baseline, and the curves."""
    arguments, metric = setting.arguments, setting.arguments.task
    samples = arguments.samples or FEWER_SAMPLES
    # Methods whose maps would be the same as those of others here are left to --methods.
    default = tuple(name for name in (*ATTRIBUTIONS, *ENSEMBLES) if name != "cam")
    training = _training(setting)
    splits = _splits(setting, training)
    methods, notes = chosen_methods(setting, default, samples=samples)
    seeds = list(range(arguments.seed, arguments.seed + arguments.seeds))
    settings = training.describe()
    made = {name: factory(setting.model) for name, factory in methods.items()}
    folder = _folder(setting, settings, samples)
    workers = arguments.workers or min(os.cpu_count() or 1, 8)
    with open_workers(workers, arguments.ray) as hands, _bars(setting) as report:
        found = roar_kar(
            splits,
            made,
            training,
            metrics=(metric,),
            ratios=arguments.ratios,
            seeds=seeds,
            protocol=find_protocol(arguments.protocol).name,
            ranking=arguments.ranking,
            folder=folder,
            settings=settings,
            workers=hands,
            report=report,
        )
    schedule = training.schedule
    caption = (
        f"{found.protocol}; {len(splits['train'])} training and {len(splits['test'])} test images, maps of {setting.name}, retrained: "
        f"{training.architecture}, {schedule.epochs} epochs, seeds {seeds[0]} to {seeds[-1]}; {arguments.ranking} ranking, "
        f"{arguments.points} points of integrated gradients, {samples} samples of noise level {arguments.noise_level:g}; not erased: "
        f"accuracy {_spread(found.unerased().value, found.unerased().standard_error)}"
    )
    record = {
        "notes": [*notes, *verdicts(found, metric), CAUTION],
        "accuracies": {
            f"{name} {ratio:g}": found.of(metric, name, ratio) for name in found.methods for ratio in found.ratios
        },
        "unerased": found.unerased().value,
        "layers": dict(found.layers),
        "kept_in": str(folder),
    }
    table = Table(("method", "ratio", "accuracy", "standard error", "beats random"), _rows(found, metric), caption)
    return Outcome(table, record, {"curves": retraining_figure(found, metric)})


def verdicts(found: RoarKar, metric: str) -> list[str]:
    """For each ratio, in words, which methods beat the random baseline and which do not."""
    if len(found.seeds) < 2:
        return ["one seed says nothing about chance: nothing is compared with the random baseline"]
    lines = []
    for ratio in found.ratios:
        told = {name: found.beats_random(metric, name, ratio) for name in found.methods if name != RANDOM}
        better = ", ".join(name for name, beats in told.items() if beats) or "none"
        others = ", ".join(name for name, beats in told.items() if not beats) or "none"
        lines.append(f"{metric.upper()} at ratio {ratio:g}: beat the random baseline: {better}; do not: {others}")
    return lines


def _rows(found: RoarKar, metric: str) -> tuple[tuple[Cell, ...], ...]:
    rows: list[tuple[Cell, ...]] = []
    for name in found.methods:
        for ratio in found.ratios:
            mean, beats = found.mean(metric, name, ratio), found.beats_random(metric, name, ratio)
            error = NOTHING if mean.standard_error is None else mean.standard_error
            rows.append((name, ratio, mean.value, error, NOTHING if beats is None else "yes" if beats else "no"))
    return tuple(rows)


def _training(setting: Setting) -> Retraining:
    arguments = setting.arguments
    usual = TRAININGS[_prefix(setting)]
    architecture = arguments.retrain_type or usual["architecture"]
    if architecture is None and not isinstance(setting.model, Network):
        raise InputError(
            "a model of one's own is not retrained here: name an architecture with --retrain_type, or call "
            "interp.evaluation.roar_kar with a training function"
        )
    epochs, batch = arguments.epochs or usual["epochs"], usual["batch_size"]
    steps = epochs * ((arguments.train_image or usual["images"]) // batch)
    # Short trainings at one rate end where the last batches threw them, most of all with batch normalisation.
    schedule = plain_schedule(
        epochs=epochs, batch_size=batch, learning_rate=usual["learning_rate"], slower_from=max(1, 2 * steps // 3)
    )
    return Retraining(architecture or setting.model.architecture, schedule)


def _splits(setting: Setting, training: Retraining) -> dict[str, Dataset]:
    """The sample for testing, and as many training and validation images as are asked for."""
    arguments = setting.arguments
    splits = {name: data.load(arguments.dataset, name, data_dir=arguments.data_dir) for name in ("train", "validation")}
    wanted = arguments.train_image or TRAININGS[_prefix(setting)]["images"]
    if wanted > len(splits["train"]):
        raise InputError(
            f"--train_image came as {wanted}, {arguments.dataset} has {len(splits['train'])} training images"
        )
    batch = training.schedule.batch_size
    if wanted < batch:
        raise InputError(f"--train_image came as {wanted}, fewer than one batch of {batch}: give more")
    train = splits["train"].take(np.random.RandomState(arguments.seed).permutation(len(splits["train"]))[:wanted])
    validation = splits["validation"].take(min(VALIDATION_IMAGES, len(splits["validation"])))
    return {"train": train, "validation": validation, "test": setting.sample}


def _folder(setting: Setting, settings: dict[str, Any], samples: int) -> Path:
    """Where maps and finished retrainings are kept: another folder for all that must not mix."""
    arguments = setting.arguments
    apart = {
        "training": settings,
        "samples": samples,
        "sample": [len(setting.labels), arguments.seed, arguments.train_image, arguments.protocol],
        **{name: getattr(arguments, name) for name in ("noise_level", "points", "layer", "ranking")},
    }
    digest = hashlib.sha256(json.dumps(apart, sort_keys=True).encode()).hexdigest()[:8]
    return Path(arguments.output_dir) / "retrainings" / f"{setting.name}_{digest}"


def _prefix(setting: Setting) -> str:
    return {"cifar10": "cifar"}.get(setting.arguments.dataset, setting.arguments.dataset)


@contextmanager
def _bars(setting: Setting) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for what is done at present: the maps of a method, or the retrainings."""
    import sys

    interval = 0.5 if sys.stderr.isatty() else 20
    bars: dict[str, Any] = {}

    def report(what: str, done: int, total: int) -> None:
        if what not in bars:
            for name in [name for name in bars if name != "retraining"]:
                bars.pop(name).close()
            label = f"{setting.arguments.task} {setting.name}: {what}"
            bars[what] = tqdm(total=total, initial=done, desc=label, file=sys.stderr, mininterval=interval, ascii=" =")
        bars[what].update(done - bars[what].n)

    try:
        yield report
    finally:
        for bar in bars.values():
            bar.close()


def _spread(value: float | None, error: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}" + ("" if error is None else f" +- {error:.3f}")

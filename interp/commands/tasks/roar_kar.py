"""roar and kar: what a network still learns when an attribution's strongest, or weakest, pixels are gone."""

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from interp.commands.tasks.chosen_methods import chosen_methods
from interp.commands.tasks.shared_options import TaskOptions, WorkersOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.argument_types import ratios, whole_number
from interp.core.attribution_options import RankingOptions
from interp.core.command_line import stage_bars
from interp.core.errors import InputError
from interp.core.names import ARCHITECTURE_TAGS, ENSEMBLES, USUAL_METHODS
from interp.core.options import option
from interp.core.tables import counted
from interp.data import Dataset, dataset_names, find_dataset, load
from interp.data.user_spec import usual_retraining

VALIDATION_IMAGES = 500


@dataclass(frozen=True, kw_only=True)
class RetrainingOptions(WorkersOptions, RankingOptions, TaskOptions):
    """Options of roar and kar."""

    images: ClassVar[int] = 2000
    usual_samples: ClassVar[int] = 16
    has_all_workers: ClassVar[bool] = True
    usual_workers: ClassVar[str] = "one a core"
    splits: ClassVar[tuple[str, ...]] = ("test", "train", "validation")
    title: ClassVar[str] = "retraining"

    protocol: str = option("paper", "which images lose pixels", choices=("paper", "whitebox"), names_file=True)
    ratios: list[float] = option((0.1, 0.3, 0.5, 0.7, 0.9), "fractions of the pixels that are erased", parse=ratios)
    seeds: int = option(3, "retrainings of each kind", parse=whole_number(1))
    train_image: int | None = option(None, "training images", parse=whole_number(1), usual="by the dataset")
    epochs: int | None = option(None, "epochs of a retraining", parse=whole_number(1), usual="by the dataset")
    retrain_type: str | None = option(
        None, "architecture that is retrained", choices=ARCHITECTURE_TAGS, usual="that of the network, on digits small"
    )


def retrain(run: Run[RetrainingOptions]) -> TaskResult:
    """Accuracies, a method and ratio a row, which methods beat the random baseline, and the curves."""
    from interp.core.parallel import open_workers
    from interp.evaluation import roar_kar
    from interp.evaluation.erasure import find_protocol
    from interp.report import retraining_figure
    from interp.training import Retraining

    options = run.options
    # Methods whose maps would be the same as those of others here are left to --methods.
    default = tuple(name for name in (*USUAL_METHODS, *ENSEMBLES) if name != "cam")
    own = {name: load(options.dataset, name, data_dir=options.data_dir) for name in ("train", "validation")}
    spec = find_dataset(options.dataset)
    if len(own["train"]) < spec.retraining.images:
        # Files that cannot be read were left out.
        spec = replace(spec, retraining=usual_retraining(len(own["train"])))
    training = Retraining.usual(
        spec, run.model, architecture=options.retrain_type, images=options.train_image, epochs=options.epochs
    )
    splits = _splits(run, own, options.train_image or spec.retraining.images, training.schedule.batch_size)
    methods, notes = chosen_methods(run, default)
    seeds = list(range(options.seed, options.seed + options.seeds))
    settings = training.describe()
    folder = _folder(run, settings)
    workers = options.workers or min(os.cpu_count() or 1, 8)
    with open_workers(workers, options.ray) as runners, stage_bars(f"{run.task} {run.name}") as report:
        found = roar_kar(
            splits,
            {name: factory(run.model) for name, factory in methods.items()},
            training,
            metrics=(run.task,),
            ratios=options.ratios,
            seeds=seeds,
            protocol=find_protocol(options.protocol).name,
            ranking=options.ranking,
            folder=folder,
            settings=settings,
            workers=runners,
            report=report,
        )
    found = replace(
        found,
        retrained=f"maps of {run.name}, retrained: {training.name}, {counted(training.schedule.epochs, 'epoch')}",
        settings=options.method_settings,
    )
    pictures = {"curves": retraining_figure(found, run.task)}
    return TaskResult(found, notes, record={"kept_in": str(folder)}, pictures=pictures)


def _splits(run: Run[RetrainingOptions], splits: dict[str, Dataset], wanted: int, batch: int) -> dict[str, Dataset]:
    """The sample for testing, as many training images as are wanted, which fill a batch, and images for validation. Raises InputError."""
    options = run.options
    if wanted > len(splits["train"]):
        raise InputError(
            f"--train-image came as {wanted}, {options.dataset} has {counted(len(splits['train']), 'training image')}: give fewer"
        )
    if wanted < batch:
        raise InputError(f"--train-image came as {wanted}, fewer than one batch of {batch}: give more")
    train = splits["train"].take(np.random.RandomState(options.seed).permutation(len(splits["train"]))[:wanted])
    validation = splits["validation"].take(min(VALIDATION_IMAGES, len(splits["validation"])))
    return {"train": train, "validation": validation, "test": run.sample}


def _folder(run: Run[RetrainingOptions], settings: dict[str, Any]) -> Path:
    """Where maps and finished retrainings are kept: another directory for all that must not mix."""
    options = run.options
    apart = {
        "training": settings,
        "samples": options.sample_count,
        "sample": [len(run.labels), options.seed, options.train_image, options.protocol],
        **{name: getattr(options, name) for name in ("noise_level", "points", "layer", "ranking")},
        # Two sets of your own may have as many images; other sets differ in what is above.
        **({} if options.dataset in dataset_names() else {"dataset": options.in_files("dataset")}),
    }
    digest = hashlib.sha256(json.dumps(apart, sort_keys=True).encode()).hexdigest()[:8]
    return options.output_dir / "retrainings" / f"{run.name}_{digest}"

"""What `train.py` trains, as jobs: the networks of recipes, and a model of your own."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from interp import models, training
from interp.attacks import correct
from interp.core.digest import digest
from interp.core.errors import ArgumentError, InputError
from interp.core.files import replacing, write_bytes, write_json
from interp.core.json_values import parse_json
from interp.core.model_options import OPTION_NAMES
from interp.core.names import AUTO
from interp.core.network_files import find_file
from interp.core.network_name import NORM_SUFFIXES
from interp.core.provenance import describe_run
from interp.core.tables import counted
from interp.data import Dataset, find_dataset
from interp.data.user_spec import usual_l2_radius
from interp.evaluation.opened_network import load_file
from interp.models.model_digest import model_digest
from interp.models.named_objects import build_by_function
from interp.report import history_figure, note_source
from interp.training.objectives import changed_objective
from interp.training.recipes import Recipe
from interp.training.training_job import TrainedNetwork, TrainingJob, run_jobs

if TYPE_CHECKING:
    from interp.commands.train import TrainingOptions

# Images whose accuracy says which scale a model was trained on.
EVIDENCE = 500


def train_networks(
    rows: Sequence[Recipe],
    options: "TrainingOptions",
    datasets: Mapping[str, dict[str, Dataset]],
    strategy: tf.distribute.Strategy,
) -> list[TrainedNetwork]:
    """Train the networks of recipes, or the model of the options where there are none, one after the other.

    Raises InputError, TrainingDiverged, TrainingInterrupted.
    """
    jobs = [recipe_job(row, options, datasets[row.dataset]) for row in rows]
    return run_jobs(
        jobs or [own_job(options, *datasets.values())],
        strategy,
        resume=options.resume,
        attack_precision=options.attack_precision,
    )


def recipe_job(row: Recipe, options: "TrainingOptions", splits: dict[str, Dataset]) -> TrainingJob:
    """The training of a recipe, whose file holds its metadata. Raises InputError."""
    if row.images is not None:
        splits = {**splits, **{split: splits[split].few(row.images) for split in ("train", "validation")}}
    images = splits["train"]
    target = options.networks_dir / f"{row.name}.safetensors"
    file = None if row.start is None else target.with_name(f"{row.start.name}.safetensors")

    # Once a training, so that what is said is what is used; the file may be that of a training just before.
    @cache
    def start_weights() -> list[np.ndarray] | None:
        return models.load_model(file).get_weights() if file is not None and file.exists() else None

    def said() -> dict[str, Any]:
        if file is None:
            return {"augment": row.augment}
        # Without the file, a network that is finished is as good as ever.
        weights = start_weights()
        known = {} if weights is None else {"start_weights": digest(weights)}
        return {"augment": row.augment, "start": file.stem, **known}

    def build() -> keras.Model:
        network = models.build_network(row.architecture, images.image_shape, images.classes, seed=options.seed)
        if file is not None:
            weights = start_weights()
            if weights is None:
                raise InputError(
                    f"{row.name} starts with {file.stem}, which is not in {target.parent}: train that first"
                )
            network.set_weights(weights)
        return network

    def write(network: keras.Model, metadata: dict[str, Any]) -> None:
        metadata = {"dataset": row.dataset, **metadata, "run": describe_run(asdict(options))}
        if row.architecture == "simple_cnn":
            metadata["accuracy_per_class"] = _accuracy_per_class(splits["test"], network)
        _draw(target, options, metadata)
        models.save_model(network, target, metadata)

    return TrainingJob(
        target=target,
        build=build,
        objective=row.method,
        schedule=row.schedule,
        data=images,
        validation=splits["validation"],
        seed=options.seed,
        penalty_weight=row.penalty_weight,
        keeping=keeping_of(options, row.keep, row.average),
        settings={"augment": row.augment},
        said=said,
        read=lambda path: models.load_model(path).metadata,
        write=write,
    )


def keeping_of(options: "TrainingOptions", usual: str, average: float | None = None) -> training.Keeping:
    """What is kept of a training, by default as is `usual` for it and with its own decay of an `average` of weights."""
    decay = average if options.average is None else options.average
    return training.Keeping(keep=options.keep or usual, patience=options.patience, average=decay)


def own_job(options: "TrainingOptions", splits: dict[str, Dataset]) -> TrainingJob:
    """The training of the model of the options, saved as a plain .keras file with its metadata in a .json beside it.

    Raises InputError.
    """
    images, spec = splits["train"], find_dataset(options.dataset or "")
    objective = changed_objective(options.method or "", options)
    schedule = training.usual_schedule(
        len(images),
        options.epsilon or (usual_l2_radius(spec.shape) if options.norm == "l2" else spec.usual_radius),
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        norm=options.norm,
    )
    schedule = training.for_objective(schedule, objective.tag)
    make, called = _maker(options, images)
    method = f"{objective.tag}{NORM_SUFFIXES[schedule.norm]}"
    target = options.networks_dir / f"{spec.prefix}_{called}_{method}_{schedule.epochs}.keras"

    # The adapted model shares its layers with the user's, which is what is saved.
    @cache
    def made() -> tuple[keras.Model, models.Adaptation, str]:
        model = make()
        found = _adapted(model, splits["validation"], options)
        print(f"input scale of {called}: {found.scale}, as {found.reason}")
        return model, found, model_digest(model)

    def said() -> dict[str, Any]:
        _, found, its_digest = made()
        given = {name: getattr(options, name) for name in ("augment", "model", "output", "batch_statistics")}
        return {**given, "model_digest": its_digest, "input_scale": str(found.scale)}

    def read(path: Path) -> dict[str, Any]:
        said_in = path.with_suffix(".json")
        try:
            metadata = dict(parse_json(said_in.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"{said_in}, which says how {path.name} was made, cannot be read: bring it back, or --no-resume to train that model anew"
            ) from error
        # Earlier versions did not say what they found.
        return {name: value for name, value in metadata.items() if (name, value) != ("input_scale", AUTO)}

    def write(_: keras.Model, metadata: dict[str, Any]) -> None:
        metadata = {"dataset": spec.name, **metadata, "run": describe_run(asdict(options))}
        _draw(target, options, metadata)
        write_json(target.with_suffix(".json"), metadata)
        with tempfile.TemporaryDirectory() as folder:
            made()[0].save(Path(folder) / target.name)
            write_bytes(target, (Path(folder) / target.name).read_bytes())

    return TrainingJob(
        target=target,
        build=lambda: made()[1].model,
        objective=objective,
        schedule=schedule,
        data=images,
        validation=splits["validation"],
        seed=options.seed,
        penalty_weight=options.penalty_weight,
        keeping=keeping_of(options, "last"),
        settings={"augment": options.augment, "batch_statistics": options.batch_statistics},
        said=said,
        read=read,
        write=write,
    )


def _maker(options: "TrainingOptions", data: Dataset) -> tuple[Callable[[], keras.Model], str]:
    """What makes the model of the options, and its name. Raises InputError."""
    text = options.model or ""
    if options.is_function:
        name = text.partition(":")[2]
        return lambda: build_by_function(text, data.image_shape, data.classes, seed=options.seed), name
    file = find_file(text, options.networks_dir, options.weights)
    return lambda: load_file(file, data, options), file.name


def _adapted(model: keras.Model, validation: Dataset, options: "TrainingOptions") -> models.Adaptation:
    """The model on the contract; of an untrained one, whose accuracy is no evidence, the scale is 0..1 unless its layers say another."""
    few = validation.few(EVIDENCE)
    evidence = {} if options.is_function else {"images": np.asarray(few.images), "labels": few.labels}
    if type(model) is models.Network:
        return models.Adaptation(model, "0..1", "it is a network of this package")
    try:
        try:
            return models.find_adaptation(model, scale=options.input_scale, output=options.output, **evidence)
        except ArgumentError:
            if evidence or options.input_scale != AUTO:
                raise
            found = models.find_adaptation(model, scale="0..1", output=options.output)
            return replace(found, reason="its layers say no other, and it is to be trained on that")
    except ArgumentError as error:
        raise error.with_options(OPTION_NAMES) from error


def _draw(target: Path, options: "TrainingOptions", metadata: Mapping[str, Any]) -> None:
    """Write the picture of a training, before its network, whose presence says that all is done."""
    with replacing(options.pictures_dir / f"{target.stem}.png") as temporary:
        note_source(history_figure(metadata["history"]), metadata["data"]).savefig(temporary, dpi=130)


def _accuracy_per_class(test: Dataset, network: keras.Model) -> dict[str, float]:
    """Print and return the share of test images of each class that the network gets right, of classes that have some, and of all."""
    right, taken = correct(network, test.images, test.labels), ("all", *test.class_names)
    shares: dict[str, float] = {}
    for label, name in enumerate(test.class_names):
        of_class = right[test.labels == label]
        if len(of_class):
            # Classes may share a name, or be named as what stands for all images.
            shares[name if taken.count(name) == 1 else f"{name} (class {label})"] = float(of_class.mean())
    shown = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
    print(f"accuracy on {counted(len(test), 'test image')} ({test.source}) {right.mean():.4f}; {shown}")
    return {"all": float(right.mean()), **shares}

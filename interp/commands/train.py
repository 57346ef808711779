"""Train the networks of a numbered script: the paper's (1 to 7) and WhiteBox's (8)."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.commands.command_line import Parser, run, training_bar, whole_number
from interp.core.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

    from interp.data import Dataset
    from interp.models import Network
    from interp.training import Progress
    from interp.training.recipes import Recipe

RUNS = ".runs"


def parser() -> argparse.ArgumentParser:
    """The command line of `train.py`."""
    parser = Parser(prog="train.py", description=__doc__)
    parser.add_argument("number", type=int, nargs="?", help="1 to 8; --list says what each trains")
    parser.add_argument(
        "--list", action="store_true", help="print what is trained, with schedule and time on this machine"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="networks of the list, with or without their epochs")
    parser.add_argument(
        "--profile", default="paper", help="paper, cpu (two cores: a tenth of the epochs) or smoke (seconds)"
    )
    parser.add_argument("--epochs", type=whole_number(1), help="epochs instead of the profile's")
    parser.add_argument("--seed", type=whole_number(0), default=99, help="seed of weights, order and attacks")
    parser.add_argument("--dataset", help="train on this dataset instead, for example digits, which needs no files")
    parser.add_argument("--data-dir", type=Path, help="folder of datasets; INTERP_DATA_DIR without it")
    parser.add_argument("--networks-dir", type=Path, default=Path("networks"), help="folder of the trained networks")
    parser.add_argument(
        "--pictures-dir", type=Path, default=Path("gen_images/training"), help="folder of the loss plots"
    )
    parser.add_argument(
        "--resume", action=argparse.BooleanOptionalAction, default=True, help="go on from the last checkpoint"
    )
    parser.add_argument(
        "--strategy", default="none", help="none, mirrored (GPUs or logical CPUs), multiworker (TF_CONFIG)"
    )
    parser.add_argument("--replicas", type=whole_number(2), help="logical CPUs of --strategy mirrored without a GPU")
    return parser


@dataclass(frozen=True)
class Outcome:
    """What became of one network of the list."""

    name: str
    seconds: float | None
    measures: dict[str, float]


def train_numbered(arguments: argparse.Namespace) -> int:
    """Train what the arguments choose; return the exit code."""
    from interp.training.recipes import DESCRIPTIONS

    if arguments.number is None:
        if not arguments.list:
            known = "; ".join(f"{number}: {text}" for number, text in DESCRIPTIONS.items())
            raise InputError(f"no number was given ({known}): try train.py 1 --list")
        for number, text in DESCRIPTIONS.items():
            print(f"{number}  {text}")
        print("train.py NUMBER --list adds schedules and times")
        return 0
    from interp.training.replicas import is_chief, make_strategy

    rows = _choose(arguments)
    if arguments.list:
        return _list(rows)
    strategy = make_strategy(arguments.strategy, arguments.replicas)
    with strategy.scope():
        outcomes = [_train(row, arguments, strategy, f"[{place}/{len(rows)}]") for place, row in enumerate(rows, 1)]
    if is_chief(strategy):
        _print_table(outcomes)
    return 0


def _choose(arguments: argparse.Namespace) -> "list[Recipe]":
    from interp.training.recipes import choose, recipes, with_profile

    rows = [with_profile(row, arguments.profile) for row in choose(recipes(arguments.number), arguments.only)]
    if arguments.epochs is not None:
        rows = [replace(row, schedule=replace(row.schedule, epochs=arguments.epochs)) for row in rows]
    if arguments.dataset is not None:
        from interp.core.errors import check_choice
        from interp.data import ALIASES, DATASETS

        check_choice("dataset", arguments.dataset, [*DATASETS, *ALIASES])
        prefix = "cifar" if arguments.dataset == "cifar10" else arguments.dataset
        # Rows that differed in their dataset alone become one.
        rows = list({row.name: row for row in (replace(row, dataset=prefix) for row in rows)}.values())
    return rows


def _list(rows: "list[Recipe]") -> int:
    from interp.commands.training_times import Clock

    clock = Clock()
    print(f"{'network':40s} {'epochs':>6s} {'batch':>5s} {'eps':>7s} {'inner steps':>11s}  estimated time")
    for row in rows:
        schedule = row.schedule
        attacked = (
            f"{schedule.epsilon:7.4f} {schedule.attack_steps:11d}"
            if row.objective != "normal"
            else f"{'-':>7s} {'-':>11s}"
        )
        print(f"{row.name:40s} {schedule.epochs:6d} {schedule.batch_size:5d} {attacked}  ", end="", flush=True)
        print(clock.estimate(row))
    return 0


def _train(row: "Recipe", arguments: argparse.Namespace, strategy: "tf.distribute.Strategy", place: str) -> Outcome:
    from interp import data, models, training
    from interp.core.files import check_writable
    from interp.training.replicas import is_chief
    from interp.training.run_log import RunLog

    splits = {split: data.load(row.dataset, split, data_dir=arguments.data_dir) for split in ("train", "validation")}
    if row.images is not None:
        splits = {split: part.take(min(row.images, len(part))) for split, part in splits.items()}
    chief, images = is_chief(strategy), splits["train"]
    check_writable(arguments.networks_dir)
    network = models.build_network(row.architecture, images.image_shape, images.classes, seed=arguments.seed)
    objective = training.find_objective(row.objective)
    description = training.describe(objective, row.schedule, arguments.seed, row.penalty_weight)
    target = arguments.networks_dir / f"{row.name}.safetensors"
    label = f"{place} {row.name}"
    if arguments.resume and target.exists():
        _check_same(target, description, images.source)
        print(f"{label}: is there already; --no-resume trains it anew")
        return Outcome(row.name, None, {})
    folder = arguments.networks_dir / RUNS / row.name
    checkpointing = training.Checkpointing(
        folder=training.CheckpointFolder(folder / "checkpoints"),
        resume=arguments.resume,
        writer=chief,
        warn=lambda message: print(f"warning: {message}", file=sys.stderr),
    )
    log = RunLog(folder)
    began = time.monotonic()
    with training_bar(label, len(images) // row.schedule.batch_size * row.schedule.epochs, shown=chief) as bar:

        def report(progress: "Progress") -> None:
            bar(progress)
            if chief:
                log(progress)

        history = training.train(
            network,
            objective,
            row.schedule,
            images,
            validation=splits["validation"],
            seed=arguments.seed,
            penalty_weight=row.penalty_weight,
            augment=row.augment,
            checkpointing=checkpointing,
            report=report,
        )
    log.close()
    seconds = time.monotonic() - began
    if chief:
        _export(row, arguments, network, images, {**description, "history": history, "seconds": round(seconds, 1)})
        checkpointing.folder.remove()
    return Outcome(row.name, seconds, history[-1])


def _check_same(target: Path, description: dict[str, Any], source: str) -> None:
    """Refuse to pass off a network that other arguments made for the one that was asked for."""
    from interp.models import load_model
    from interp.training.checkpoints import check_arguments

    made = load_model(target).metadata
    check_arguments({name: made.get(name) for name in (*description, "data")}, {**description, "data": source})


def _export(
    row: "Recipe", arguments: argparse.Namespace, network: "Network", images: "Dataset", description: dict[str, Any]
) -> None:
    from interp import models
    from interp.core.files import replacing
    from interp.core.provenance import describe_run
    from interp.report import history_figure

    metadata = {"dataset": row.dataset, "data": images.source, **description, "run": describe_run(vars(arguments))}
    if row.architecture == "simple_cnn":
        metadata["accuracy_per_class"] = _accuracy_per_class(row, arguments, network)
    models.save_model(network, arguments.networks_dir / f"{row.name}.safetensors", metadata)
    with replacing(arguments.pictures_dir / f"{row.name}.png") as temporary:
        history_figure(description["history"]).savefig(temporary, dpi=130)


def _accuracy_per_class(row: "Recipe", arguments: argparse.Namespace, network: "Network") -> dict[str, float]:
    """Print and return the share of test images of each class that the network gets right."""
    from interp import data
    from interp.attacks import correct

    test = data.load(row.dataset, "test", data_dir=arguments.data_dir)
    right = correct(network, test.images, test.labels)
    shares = {name: float(right[test.labels == label].mean()) for label, name in enumerate(test.class_names)}
    print(
        f"accuracy on {len(test)} test images {right.mean():.4f}; "
        + ", ".join(f"{k} {v:.3f}" for k, v in shares.items())
    )
    return {"all": float(right.mean()), **shares}


def _print_table(outcomes: list[Outcome]) -> None:
    print(f"\n{'network':40s} {'seconds':>8s} {'clean':>6s} {'attacked':>8s}   (validation images)")
    for outcome in outcomes:
        clean, robust = (outcome.measures.get(f"validation_{name}") for name in ("accuracy", "robust_accuracy"))
        cells = ["there" if outcome.seconds is None else f"{outcome.seconds:.0f}"]
        cells += ["" if value is None else f"{value:.3f}" for value in (clean, robust)]
        print(f"{outcome.name:40s} {cells[0]:>8s} {cells[1]:>6s} {cells[2]:>8s}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `train.py` from the command line."""
    return run(parser(), train_numbered, arguments)


if __name__ == "__main__":
    sys.exit(main())

"""Train the networks of a numbered script: the paper's (1 to 7) and WhiteBox's (8)."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from interp.commands.command_line import Parser, run, whole_number
from interp.core.errors import InputError

if TYPE_CHECKING:
    from interp.commands.train_network import Outcome
    from interp.data import Dataset
    from interp.training.recipes import Recipe


def parser() -> argparse.ArgumentParser:
    """The command line of `train.py`."""
    parser = Parser(
        "train.py",
        __doc__,
        (
            "1 --list",
            "1 --only mnist_smallgap_int --dataset digits --profile cpu",
            "2 --profile cpu --data-dir FOLDER_WITH_MNIST",
        ),
    )
    what = parser.add_argument_group("what")
    what.add_argument("number", type=int, nargs="?", help="1 to 8; --list says what each trains")
    what.add_argument(
        "--list", action="store_true", help="print what is trained, with schedule and time on this machine"
    )
    what.add_argument("--only", nargs="+", metavar="NAME", help="networks of the list, with or without their epochs")
    what.add_argument("--dataset", help="train on this dataset instead, for example digits, which needs no files")
    what.add_argument(
        "--explanation",
        metavar="NAME",
        help="the maps that the int methods compare, such as grad_cam, gradient or ig (default: cam, class activation maps)",
    )
    how = parser.add_argument_group("how")
    how.add_argument("--profile", default="paper", help="paper, cpu (two cores: minutes a network) or smoke (seconds)")
    how.add_argument(
        "--epochs", type=whole_number(1), help="epochs instead of the profile's; ramp and rates scale with them"
    )
    how.add_argument("--seed", type=whole_number(0), default=99, help="seed of weights, order and attacks")
    how.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on from the last checkpoint, which is what happens without either",
    )
    how.add_argument(
        "--attack-precision",
        default="float32",
        help="of inner attacks: float32, bfloat16, or auto, which times both once for each network",
    )
    how.add_argument(
        "--strategy", default="none", help="none, mirrored (GPUs or logical CPUs), multiworker (TF_CONFIG)"
    )
    how.add_argument("--replicas", type=whole_number(2), help="logical CPUs of --strategy mirrored without a GPU")
    where = parser.add_argument_group("where")
    where.add_argument("--data-dir", type=Path, help="folder of datasets; INTERP_DATA_DIR without it")
    where.add_argument("--networks-dir", type=Path, default=Path("networks"), help="folder of the trained networks")
    where.add_argument(
        "--pictures-dir", type=Path, default=Path("gen_images/training"), help="folder of the loss plots"
    )
    return parser


def train_numbered(arguments: argparse.Namespace) -> int:
    """Train what the arguments choose; return the exit code."""
    from interp.core.errors import check_choice
    from interp.models.low_precision import PRECISIONS
    from interp.training.profiles import PROFILES
    from interp.training.recipes import DESCRIPTIONS

    check_choice("profile", arguments.profile, PROFILES)
    check_choice("attack precision", arguments.attack_precision, (*PRECISIONS, "auto"))
    if arguments.attack_precision == "auto" and arguments.strategy == "multiworker":
        raise InputError("workers may time differently: choose --attack-precision float32 or bfloat16 for all of them")
    if arguments.number is None:
        if not arguments.list:
            known = "; ".join(f"{number}: {text}" for number, text in DESCRIPTIONS.items())
            raise InputError(f"no number was given ({known}): try train.py 1 --list")
        for number, text in DESCRIPTIONS.items():
            print(f"{number}  {text}")
        print("train.py NUMBER --list adds schedules and times")
        return 0
    from interp.commands.train_network import train_network
    from interp.core.files import check_writable
    from interp.training import TrainingInterrupted
    from interp.training.replicas import is_chief, make_strategy
    from interp.training.signals import stop_requests

    rows = _choose(arguments)
    if arguments.list:
        return _list(rows)
    strategy = make_strategy(arguments.strategy, arguments.replicas)
    # Whatever is missing shows now, not after hours of training.
    datasets = _load(rows, arguments)
    for folder in (arguments.networks_dir, arguments.pictures_dir):
        check_writable(folder)
    outcomes = []
    with strategy.scope(), stop_requests() as stop:
        for place, row in enumerate(rows, 1):
            label = f"[{place}/{len(rows)}] {row.name}"
            outcomes.append(train_network(row, arguments, strategy, datasets[row.dataset], stop, label))
            if stop.signal and place < len(rows):
                message = f"stopped after network {place} of {len(rows)}; start again to go on with the next"
                raise TrainingInterrupted(message, stop.signal.value)
    if is_chief(strategy):
        _print_table(outcomes)
    return 0


def _choose(arguments: argparse.Namespace) -> "list[Recipe]":
    """The recipes of the number, changed by profile, dataset and epochs, and of those the ones that were named."""
    from interp.core.errors import check_choice
    from interp.data import ALIASES, DATASETS
    from interp.training.profiles import for_epochs, on_dataset, with_profile
    from interp.training.recipes import choose, recipes

    pairs = []
    for row in recipes(arguments.number):
        changed = with_profile(row, arguments.profile)
        if arguments.dataset is not None:
            check_choice("dataset", arguments.dataset, [*DATASETS, *ALIASES])
            changed = on_dataset(changed, "cifar" if arguments.dataset == "cifar10" else arguments.dataset)
        if arguments.epochs is not None:
            changed = for_epochs(changed, arguments.epochs)
        if arguments.explanation not in (None, "cam"):
            changed = replace(changed, explanation=arguments.explanation)
        pairs.append((row, changed))
    chosen = choose(pairs, arguments.only)
    for row in chosen:
        # Methods without maps are refused now, not when it is their turn.
        _ = row.method
    return chosen


def _load(rows: "list[Recipe]", arguments: argparse.Namespace) -> "dict[str, dict[str, Dataset]]":
    """The splits of every dataset that the rows need, by its prefix."""
    from interp import data

    needed: dict[str, set[str]] = {}
    for row in rows:
        splits = {"train", "validation", *(["test"] if row.architecture == "simple_cnn" else [])}
        needed.setdefault(row.dataset, set()).update(splits)
    return {
        name: {split: data.load(name, split, data_dir=arguments.data_dir) for split in splits}
        for name, splits in needed.items()
    }


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


def _print_table(outcomes: "list[Outcome]") -> None:
    print(f"\n{'network':40s} {'seconds':>8s} {'clean':>6s} {'attacked':>8s}   (validation images)")
    for outcome in outcomes:
        clean, robust = (outcome.measures.get(f"validation_{name}") for name in ("accuracy", "robust_accuracy"))
        cells = [f"{outcome.seconds:.0f}"]
        cells += ["" if value is None else f"{value:.3f}" for value in (clean, robust)]
        print(f"{outcome.name:40s} {cells[0]:>8s} {cells[1]:>6s} {cells[2]:>8s}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `train.py` from the command line."""
    # Replicas share a batch out themselves.
    return run(parser(), train_numbered, arguments, has_streams=lambda parsed: parsed.strategy == "none")


if __name__ == "__main__":
    sys.exit(main())

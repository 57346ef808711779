"""Train the networks of a numbered script: the paper's (1 to 7), WhiteBox's (8), methods since 2020 (9, 10), or a model of your own."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from interp.core.argument_types import whole_number
from interp.core.checks import check_radius
from interp.core.command_line import run
from interp.core.errors import InputError
from interp.core.names import PRECISIONS, THREAT_NORMS, WITHOUT_BALL
from interp.core.options import flag, option, read_options
from interp.core.tables import NOTHING
from interp.data import Dataset, load
from interp.data.image_options import CHOICES, ImageOptions
from interp.training.method_options import MethodOptions, OwnModelOptions
from interp.training.profiles import (
    PROFILES,
    attacked_in,
    for_epochs,
    on_dataset,
    trained_further,
    with_norm,
    with_profile,
    with_terms,
)
from interp.training.recipes import DESCRIPTIONS, Recipe, choose, recipes

if TYPE_CHECKING:
    from interp.training.training_job import TrainedNetwork

SCRIPT = "train.py"
EXAMPLES = (
    "1 --list",
    "1 --only mnist_smallgap_int --dataset digits --profile cpu",
    "2 --profile cpu --data-dir DIRECTORY_WITH_MNIST",
    "--model mine.keras --dataset photos --image-size 64 --method trades --epsilon 4/255",
)
# Options that are for numbered scripts alone.
NUMBERED = ("number", "list", "only", "profile")
# Options that say how a file is read.
OF_FILES = ("custom_objects", "weights", "network_type")


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(OwnModelOptions, MethodOptions, ImageOptions):
    """Options of train.py."""

    title: ClassVar[str] = "networks of a number, and what is trained how"

    number: int | None = option(None, "1 to 10; --list says what each trains", parse=int, positional=True)
    list: bool = option(False, "print what is trained, with schedule and time on this machine", parse=bool)
    only: Sequence[str] | None = option(None, "networks of the list, with or without their epochs", many=True)
    dataset: str | None = option(None, f"train on this dataset instead, at the same radius: {CHOICES}")
    profile: str = option("paper", "schedules; cpu takes minutes on two cores, smoke takes seconds", choices=PROFILES)
    epochs: int | None = option(
        None,
        "epochs; ramp and rates scale with them",
        parse=whole_number(1),
        usual="the profile's; with --model 10 to 60 by the number of images",
    )
    norm: str = option(
        "linf", "norm of inner attacks; in l2 the radius depends on the kind of images", choices=THREAT_NORMS
    )
    seed: int = option(99, "seed of weights, order and attacks", parse=whole_number(0))
    resume: bool = option(True, "go on from the last checkpoint", parse=bool)
    attack_precision: str = option(
        "float32", "precision of inner attacks; auto takes the faster for each network", choices=(*PRECISIONS, "auto")
    )
    strategy: str = option("none", "none, mirrored (GPUs or logical CPUs), multiworker (TF_CONFIG)")
    replicas: int | None = option(None, "logical CPUs of --strategy mirrored without a GPU", parse=whole_number(2))
    networks_dir: Path = option(Path("networks"), "directory of the trained networks", parse=Path)
    pictures_dir: Path = option(Path("gen_images/training"), "directory of the loss plots", parse=Path)

    def check(self, given: frozenset[str]) -> None:
        if self.attack_precision == "auto" and self.strategy == "multiworker":
            raise InputError(
                "workers may time differently: choose --attack-precision float32 or bfloat16 for all of them"
            )
        if self.model is not None:
            self._check_own(given)
        elif own := [each.name for each in fields(OwnModelOptions) if each.name in given]:
            raise InputError(f"{flag(own[0])} is for a model of your own: add --model, or leave it out")
        elif self.number is None and not self.list:
            known = "; ".join(f"{number}: {text}" for number, text in DESCRIPTIONS.items())
            raise InputError(f"no number was given ({known}): try train.py 1 --list")

    def _check_own(self, given: frozenset[str]) -> None:
        if foreign := [name for name in NUMBERED if name in given]:
            told = "a number" if foreign[0] == "number" else flag(foreign[0])
            raise InputError(f"{told} is for the numbered scripts: leave it out with --model")
        examples = {"dataset": "photos", "method": "trades"}
        missing = [name for name in examples if getattr(self, name) is None]
        if missing:
            such = " ".join(f"{flag(name)} {examples[name]}" for name in missing)
            raise InputError(f"--model needs {' and '.join(map(flag, missing))}, such as {such}")
        if self.norm == "l2" and self.method in WITHOUT_BALL:
            raise InputError(f"--norm is of inner attacks, and --method {self.method} has none: leave it out")
        if self.is_function and (of_files := [name for name in OF_FILES if name in given]):
            raise InputError(f"{flag(of_files[0])} is for a model in a file, {self.model} is a function: leave it out")
        check_radius("--epsilon", self.epsilon or 0, self.norm)
        self.find(self.dataset or "")


def parse(words: Sequence[str] | None = None, prog: str = SCRIPT) -> tuple[TrainingOptions, list[Recipe]]:
    """The options that the words give, checked, and the networks they mean. Raises InputError."""
    options = read_options(TrainingOptions, words, prog, __doc__, EXAMPLES)
    return options, [] if options.number is None else _choose(options, options.number)


def train_numbered(asked: tuple[TrainingOptions, list[Recipe]]) -> int:
    """Train what was asked for; return the exit code."""
    options, rows = asked
    if options.number is None and options.model is None:
        for number, text in DESCRIPTIONS.items():
            print(f"{number}  {text}")
        print("train.py NUMBER --list adds schedules and times")
        return 0
    from interp.commands.training_jobs import train_networks
    from interp.core.files import check_writable
    from interp.training.objectives import resolve_penalty
    from interp.training.replicas import is_chief, make_strategy

    for row in rows:
        # What a method does not take is refused now, not when it is its turn.
        resolve_penalty(row.method, row.penalty_weight)
    if options.list:
        return _list(rows)
    strategy = make_strategy(options.strategy, options.replicas)
    # Whatever is missing shows now, not after hours of training.
    datasets = _load(rows, options)
    for folder in (options.networks_dir, options.pictures_dir):
        check_writable(folder)
    trained = train_networks(rows, options, datasets, strategy)
    if is_chief(strategy):
        _print_table(trained)
    return 0


def _choose(options: TrainingOptions, number: int) -> list[Recipe]:
    """The recipes of the number, changed by profile, dataset and epochs, and of those the ones that were named."""
    pairs: list[tuple[Recipe, Recipe]] = []
    for row in recipes(number):
        changed = with_profile(row, options.profile)
        if options.dataset is not None:
            changed = on_dataset(changed, options.find(options.dataset).prefix)
        if options.epochs is not None:
            changed = for_epochs(changed, options.epochs)
        changed = with_terms(changed, options)
        changed = with_norm(changed, options.norm)
        further = trained_further(changed, options.epochs) if options.profile == "cpu" else []
        pairs.extend((row, each) for each in (changed, *further))
    # Those that are on the dataset anyway, with their own radius, count before others that are taken there.
    own = {new.network_name.unnumbered: new for old, new in pairs if old.dataset == new.dataset}
    pairs = [(old, own.get(new.network_name.unnumbered, new)) for old, new in pairs]
    return attacked_in(options.norm, choose(pairs, options.only))


def _load(rows: list[Recipe], options: TrainingOptions) -> dict[str, dict[str, Dataset]]:
    """The splits of every dataset that the rows need, by its prefix."""
    needed: dict[str, set[str]] = {}
    for row in rows:
        splits = {"train", "validation", *(["test"] if row.architecture == "simple_cnn" else [])}
        needed.setdefault(row.dataset, set()).update(splits)
    if options.dataset is not None and options.model is not None:
        needed[options.dataset] = {"train", "validation"}
    return {
        name: {split: load(name, split, data_dir=options.data_dir) for split in splits}
        for name, splits in needed.items()
    }


def _list(rows: list[Recipe]) -> int:
    from interp.training.step_times import Clock

    clock = Clock()
    print(f"{'network':40s} {'epochs':>6s} {'batch':>5s} {'eps':>7s} {'inner steps':>11s}  estimated time")
    for row in rows:
        schedule, method = row.schedule, row.method
        radius = f"{schedule.epsilon:.4f}" if method.uses_ball else NOTHING
        inner = NOTHING if method.attack is None else str(schedule.attack_steps)
        print(
            f"{row.name:40s} {schedule.epochs:6d} {schedule.batch_size:5d} {radius:>7} {inner:>11}  ",
            end="",
            flush=True,
        )
        print(clock.estimate(row))
    return 0


def _print_table(trained: "list[TrainedNetwork]") -> None:
    print(f"\n{'network':40s} {'seconds':>8s} {'clean':>6s} {'attacked':>8s}   (validation images)")
    for each in trained:
        clean, robust = (each.measures.get(f"validation_{name}") for name in ("accuracy", "robust_accuracy"))
        cells = [f"{each.seconds:.0f}"]
        cells += ["" if value is None else f"{value:.3f}" for value in (clean, robust)]
        print(f"{each.name:40s} {cells[0]:>8s} {cells[1]:>6s} {cells[2]:>8s}")


def main(arguments: Sequence[str] | None = None, prog: str = SCRIPT) -> int:
    """Run `train.py` from the command line."""
    # Replicas share a batch out themselves.
    return run(
        lambda words: parse(words, prog),
        train_numbered,
        arguments,
        has_streams=lambda asked: asked[0].strategy == "none",
    )

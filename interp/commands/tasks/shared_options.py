"""Options that several tasks take; each class is a group of the help."""

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, ClassVar

from interp.core.argument_types import distance, numbers, whole_number
from interp.core.checks import check_penalties, check_radius
from interp.core.errors import check_choice
from interp.core.model_options import NETWORKS, ModelOptions
from interp.core.names import (
    DIRECTIONS,
    ENSEMBLES,
    MANY_PASSES,
    METHODS,
    NORMS,
    SEARCHES,
    SELECTIONS,
    THREAT_NORMS,
)
from interp.core.options import Options, option
from interp.core.tables import FORMATS, counted
from interp.data import find_dataset
from interp.data.image_options import CHOICES, ImageOptions
from interp.data.user_spec import usual_l2_radii

# What maps may be attacked and compared: the paper's three, then every other attribution that an attack can follow.
OTHERS = (
    *(name for name in METHODS if name not in ("random", "edges", "cam", "integrated_gradients", *MANY_PASSES)),
    *ENSEMBLES,
)
NOT_IG = ("cam", "cam++", *OTHERS)
MAPS = ("cam", "cam++", "ig", *OTHERS)
USUAL_SEED = 99
# All steps of an attack in l2 together, in radii.
REACH = 2.5


def seed_option(default: int | None = USUAL_SEED) -> Any:
    """The option `seed` of a task, or of a command that leaves it to its tasks."""
    usual = "99, in isa_cam 123 as in the paper" if default is None else None
    return option(default, "seed of the sample and of random starts", parse=whole_number(0), usual=usual)


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions(ImageOptions, ModelOptions):
    """What eval.py and every task take."""

    title: ClassVar[str] = "what and where"

    any_dataset: bool = option(
        False, "also evaluate a network that says it was trained on another dataset; the result is flagged", parse=bool
    )
    num_image: int | None = option(None, "test images", parse=whole_number(1), usual="{task.images}")
    networks_dir: Path | None = option(
        None, "directory of networks", parse=Path, usual="INTERP_NETWORKS_DIR, then networks/"
    )
    format: str = option("tsv", "format of tables", choices=FORMATS)


@dataclass(frozen=True, kw_only=True)
class TaskOptions(EvaluationOptions):
    """What every task takes."""

    # Test images where no number is given, and the splits that a result is of.
    images: ClassVar[int] = 200
    splits: ClassVar[tuple[str, ...]] = ("test",)
    # Whether eval.py gives it all workers; other tasks run side by side, each on one network.
    has_all_workers: ClassVar[bool] = False

    seed: int = seed_option()
    dataset: str = option(MISSING, CHOICES, names_file=True)
    network: str = option(MISSING, f"{NETWORKS}; results of networks with the same task and options share a table")
    output_dir: Path = option(Path("gen_images/tables"), "directory of tables and records (JSON)", parse=Path)
    picture_dir: Path = option(Path("gen_images"), "directory of pictures", parse=Path)

    def check(self, given: frozenset[str]) -> None:
        self.find(self.dataset)


@dataclass(frozen=True, kw_only=True)
class BatchOptions(TaskOptions):
    """Of tasks that attack in batches."""

    batch_size: int | None = option(
        None, "images in memory at a time", parse=whole_number(1), usual="by the size of the images"
    )


@dataclass(frozen=True, kw_only=True)
class WorkersOptions(Options):
    """Who shares the work."""

    title: ClassVar[str] = "workers"
    usual_workers: ClassVar[str] = "1"

    workers: int | None = option(
        None, "processes that share the work", parse=whole_number(1), usual="{task.usual_workers}"
    )
    ray: str | None = option(
        None, "address of a Ray cluster that does the work, with the same files as here; local starts one here"
    )


@dataclass(frozen=True, kw_only=True)
class MapOptions(TaskOptions):
    """Which maps are looked at."""

    title: ClassVar[str] = "interpretations"
    methods: ClassVar[tuple[str, ...]] = MAPS

    inp_method: str | None = option(
        None,
        lambda task: f"{', '.join(task.methods)}, or an ensemble over one of them, smooth_grad:METHOD",
        usual="{task.methods[0]}",
        names_file=True,
    )

    @property
    def method(self) -> str:
        """The interpretation that is looked at."""
        return self.inp_method or self.methods[0]

    def check(self, given: frozenset[str]) -> None:
        super().check(given)
        ensemble, colon, base = self.method.partition(":")
        check_choice("--inp-method", base if colon and ensemble in ENSEMBLES else self.method, self.methods)


@dataclass(frozen=True, kw_only=True)
class BallOptions(BatchOptions):
    """Balls of given radii."""

    title: ClassVar[str] = "attacks"
    usual_radii: ClassVar[str] = "by the dataset, for your own colour images 4 and 8 of 255"

    norm: str | None = option(None, "norm of the radii", choices=THREAT_NORMS, usual="linf", names_file=True)
    epsilons: list[float] | None = option(
        None, "radii, such as 0,0.1 or 8/255", parse=numbers, usual="{task.usual_radii}; in l2 by the images"
    )

    @property
    def ball(self) -> str:
        """The norm of the radii."""
        return self.norm or "linf"

    @property
    def radii(self) -> tuple[float, ...]:
        """Radii of accuracy tables."""
        spec = find_dataset(self.dataset)
        return tuple(
            dict.fromkeys(self.epsilons or (usual_l2_radii(spec.shape) if self.norm == "l2" else spec.epsilons))
        )

    @property
    def map_radii(self) -> tuple[float, ...]:
        """Radii of attacks on maps."""
        usual = self.radii[1:] if self.norm == "l2" else find_dataset(self.dataset).map_epsilons
        return tuple(dict.fromkeys(self.epsilons or usual))

    def check(self, given: frozenset[str]) -> None:
        super().check(given)
        for epsilon in self.epsilons or ():
            check_radius("a radius of --epsilons", epsilon, self.ball)


@dataclass(frozen=True, kw_only=True)
class RadiusOptions(BallOptions):
    """Attacks of steps of one size in balls of given radii."""

    steps: int = option(200, "steps of the attack", parse=whole_number(1))
    step_size: float = option(
        0.01, "size of a step", parse=distance, usual=f"0.01, in l2 {REACH} times the largest radius / steps"
    )

    def check(self, given: frozenset[str]) -> None:
        super().check(given)
        check_radius("--step-size", self.step_size, self.ball)
        if self.norm == "l2" and "step_size" not in given:
            # What is usual in linf is short in l2.
            object.__setattr__(self, "step_size", REACH * max(self.radii) / self.steps or self.step_size)


@dataclass(frozen=True, kw_only=True)
class TargetedOptions(MapOptions, BatchOptions):
    """Targeted attacks at and above the smallest radius, and the discrepancy of maps there."""

    title: ClassVar[str] = "attacks"

    discrepancy_norm: str = option("l1", "norm of the discrepancy", choices=NORMS, names_file=True, earlier="norm")
    steps: int | None = option(None, "steps a round", parse=whole_number(1), usual="20; 10 in the reference direction")
    direction: str = option("sign", "direction of targeted attacks; reference is the paper's", choices=DIRECTIONS)

    @property
    def rounds(self) -> int:
        """Steps a round: the paper's code takes 10."""
        return self.steps or (10 if self.direction == "reference" else 20)


@dataclass(frozen=True, kw_only=True)
class PenaltyOptions(TargetedOptions):
    """Attacks at multiples of the smallest radius."""

    protocol: str | None = option(
        None,
        "reference is the paper's; strong searches on from what that finds, towards the least discrepancy",
        choices=SEARCHES,
        usual="reference",
        names_file=True,
    )
    penalties: list[float] = option(
        (1.25, 1.5, 1.75, 2.0), "radii of the attack as multiples of the smallest", parse=numbers
    )

    @property
    def settings(self) -> str:
        """In words."""
        told = f"{self.discrepancy_norm}, direction {self.direction}, {counted(self.rounds, 'step')} a round"
        return f"{told}, then the strong search" if self.protocol == "strong" else told

    def check(self, given: frozenset[str]) -> None:
        super().check(given)
        check_penalties(self.penalties)


@dataclass(frozen=True, kw_only=True)
class ClassOptions(TargetedOptions):
    """Whose classes' maps are compared."""

    num_class: str = option("two_class", "classes whose maps count", choices=SELECTIONS, names_file=True)

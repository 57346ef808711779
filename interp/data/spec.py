"""What is known of a dataset without its files: one record of facts, which stands in the dataset's own module."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from interp.data.record import Dataset

# Takes the split, the data folder (None: the one that INTERP_DATA_DIR names) and the seed; each loader uses what it needs.
Loader = Callable[[str, str | Path | None, int], Dataset]


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """The paper's training on a dataset, of which `interp.training.PAPER` is made; steps are optimiser steps from 0."""

    epochs: int
    batch_size: int
    learning_rates: tuple[tuple[int, float], ...]
    epsilon: float
    ramp: tuple[int, int]
    attack_steps: int
    attack_step_size: float


@dataclass(frozen=True, kw_only=True)
class RetrainingSpec:
    """One of the hundreds of short trainings of ROAR and KAR: on so many `images`, of the `architecture`, or of the network's own."""

    images: int
    epochs: int
    batch_size: int
    learning_rate: float
    architecture: str | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """The facts of a dataset.

    Args:
        name: Its name on command lines and in records, such as "cifar10".
        prefix: What names of network files begin with, such as "cifar" (default: the name).
        aliases: Other names that are accepted.
        shape: (height, width, channels) of an image.
        classes: The number of classes.
        class_names: Their names, empty where only the files know them.
        training_images: The number of images to train on, without those for validation.
        epsilons: l_inf radii of accuracy tables, from 0.
        map_epsilons: l_inf radii at which maps are attacked and shown.
        usual_radius: The one of `epsilons` at which a network that was trained without a radius is reported.
        paper_schedule: How the paper trains on it, None where it does not.
        retraining: How ROAR and KAR train on it.
        augmented: Whether trainings without attacks may crop and flip its images.
        drawn_on_black: Whether all that is not black belongs to the object.
        load: Returns the split "train", "validation" or "test".
    """

    name: str
    prefix: str = ""
    aliases: tuple[str, ...] = ()
    shape: tuple[int, int, int]
    classes: int
    class_names: tuple[str, ...] = ()
    training_images: int
    epsilons: tuple[float, ...]
    map_epsilons: tuple[float, ...]
    usual_radius: float
    paper_schedule: ScheduleSpec | None = None
    retraining: RetrainingSpec
    augmented: bool = False
    drawn_on_black: bool = False
    load: Loader

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", self.prefix or self.name)

    @property
    def names(self) -> tuple[str, ...]:
        """All names by which it is found, its own first."""
        return tuple(dict.fromkeys((self.name, *self.aliases, self.prefix)))

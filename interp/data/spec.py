"""What is known of a dataset without its files: one record of facts, which stands in the dataset's own module."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from interp.data.record import Dataset

# Takes the split, the data folder (None: the one that INTERP_DATA_DIR names) and the seed; each loader uses what it needs.
Loader = Callable[[str, str | Path | None, int], Dataset]


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """How the paper trains on a dataset; `interp.training.PAPER` is made of it.

    Args:
        epochs: Number of epochs.
        batch_size: Number of images in a step.
        learning_rates: Pairs (first step, rate) in rising order; steps are optimiser steps from 0.
        epsilon: Radius of the inner attack, for images in [0, 1].
        ramp: (first step, last step) between which the radius grows from 0 to `epsilon`.
        attack_steps: Number of steps of the inner attack.
        attack_step_size: Size of a step of the inner attack, for images in [0, 1].
    """

    epochs: int
    batch_size: int
    learning_rates: tuple[tuple[int, float], ...]
    epsilon: float
    ramp: tuple[int, int]
    attack_steps: int
    attack_step_size: float


@dataclass(frozen=True, kw_only=True)
class RetrainingSpec:
    """One of the many short trainings of ROAR and KAR.

    Args:
        images: Number of training images.
        epochs: Number of epochs.
        batch_size: Number of images in a step.
        learning_rate: Learning rate of the first steps.
        architecture: Architecture that is trained (default: that of the network that is explained).
    """

    images: int
    epochs: int
    batch_size: int
    learning_rate: float
    architecture: str | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """What is known of a dataset without its files.

    Args:
        name: Its name on command lines and in records, such as "cifar10".
        prefix: What names of network files begin with, such as "cifar" (default: the name).
        aliases: Other names that are accepted.
        shape: (height, width, channels) of an image.
        classes: Number of classes.
        class_names: A name for each class; empty where only the files know them.
        training_images: Number of images to train on, without those for validation.
        epsilons: linf radii of accuracy tables, from 0, for images in [0, 1].
        map_epsilons: linf radii at which maps are attacked and shown.
        usual_radius: The one of `epsilons` at which a network that was trained without a radius is reported.
        paper_schedule: How the paper trains on it; None where it does not.
        retraining: How ROAR and KAR train on it.
        augmented: Whether trainings without attacks may crop and flip its images.
        drawn_on_black: Whether all that is not black belongs to the object.
        load: Function of the split, the directory of datasets and a seed that returns a Dataset.
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

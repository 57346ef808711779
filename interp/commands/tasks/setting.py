"""What a task works on and what it hands back."""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from matplotlib.figure import Figure

from interp.attacks import MinimumEpsilon
from interp.commands.command_line import progress_bar
from interp.commands.tasks.listing import EPSILONS, MAP_EPSILONS
from interp.commands.used_files import UsedFiles
from interp.data import Dataset
from interp.models import Network
from interp.report import GalleryEntry, Table

# Attacks hold a few copies of what a network computes for a batch; so many images, and so many values in them, at a time keep even
# 31 layers on 224x224 pixels below 4 GiB.
IMAGES, VALUES = 250, 4 * 224 * 224 * 3


@dataclass(frozen=True)
class Setting:
    """One network, the images it is evaluated on with a target class each, and the arguments of the command line."""

    name: str
    path: Path
    model: keras.Model
    sample: Dataset
    targets: np.ndarray
    method: str
    arguments: argparse.Namespace
    # Of many settings in a row, whoever goes through them shows how far it is.
    quiet: bool = False
    # What the outcome is made of besides the images.
    files: UsedFiles = field(default_factory=UsedFiles)
    # What is flagged of the setting itself, whatever its outcome.
    flags: Sequence[Mapping[str, str]] = ()

    @property
    def images(self) -> np.ndarray:
        """The sample's images."""
        return np.asarray(self.sample.images)

    @property
    def labels(self) -> np.ndarray:
        """The sample's labels."""
        return self.sample.labels

    @property
    def epsilons(self) -> tuple[float, ...]:
        """Radii of accuracy tables."""
        return tuple(self.arguments.epsilons or EPSILONS[self.arguments.dataset])

    @property
    def map_epsilons(self) -> tuple[float, ...]:
        """Radii of attacks on maps."""
        return tuple(self.arguments.epsilons or MAP_EPSILONS[self.arguments.dataset])

    def metadata(self) -> dict[str, Any]:
        """Where the weights come from, as far as the network's file says it."""
        return dict(self.model.metadata) if isinstance(self.model, Network) else {"class": type(self.model).__name__}

    def batch_size(self) -> int:
        """Images in memory at a time."""
        if self.arguments.batch_size:
            return int(self.arguments.batch_size)
        return int(np.clip(VALUES // int(np.prod(self.sample.image_shape)), 1, IMAGES))

    def minimum_epsilon(self) -> MinimumEpsilon:
        """The search of the smallest radius that the arguments ask for."""
        direction = self.arguments.direction
        return MinimumEpsilon(direction=direction, steps=self.targeted_steps())

    def targeted_steps(self) -> int:
        """Steps a round of targeted attacks: the paper's code takes 10."""
        return int(self.arguments.steps or (10 if self.arguments.direction == "reference" else 20))

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[], None]]:
        """Show how far the task is."""
        with progress_bar(f"{self.arguments.task} {self.name}", 0 if self.quiet else total) as tick:
            yield tick


@dataclass(frozen=True)
class Outcome:
    """What a task found: a table, more of it for the record, pictures by what they show, and entries of a gallery of all networks."""

    table: Table
    record: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Figure] = field(default_factory=dict)
    gallery: Sequence[GalleryEntry] = ()

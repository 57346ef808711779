"""What a task works on and what it returns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from interp.commands.tasks.shared_options import TaskOptions
from interp.core.batches import attack_batch
from interp.core.command_line import progress_bar
from interp.core.network_files import NetworkFile
from interp.core.results import Result
from interp.core.used_files import UsedFiles
from interp.data import Dataset

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from interp.evaluation.opened_network import OpenedNetwork
    from interp.report import GalleryEntry

O = TypeVar("O", bound=TaskOptions)  # noqa: E741

# Rows of a picture of classes.
SHOWN_CLASSES = 10


@dataclass(frozen=True)
class Run(Generic[O]):
    """A task on one network: its options, the network, and the images with a target class each."""

    task: str
    options: O
    file: NetworkFile
    opened: "OpenedNetwork"
    sample: Dataset
    targets: np.ndarray
    # What the result is made of besides the images.
    files: UsedFiles
    # Where the sample's images stand in the test set.
    indices: np.ndarray
    # Of many runs in a row, the caller shows the progress.
    quiet: bool = False

    @property
    def name(self) -> str:
        """The name of the network."""
        return self.file.name

    @property
    def model(self) -> "keras.Model":
        """The network on the contract."""
        return self.opened.model

    @property
    def images(self) -> np.ndarray:
        """The sample's images."""
        return np.asarray(self.sample.images)

    @property
    def labels(self) -> np.ndarray:
        """The sample's labels."""
        return self.sample.labels

    @property
    def titles(self) -> list[str]:
        """The class names of the sample's labels."""
        return [self.sample.class_names[label] for label in self.labels]

    @property
    def one_of_each_class(self) -> np.ndarray:
        """The rows of the first image of each class, of the first classes where there are more than a picture shows."""
        return np.unique(self.labels, return_index=True)[1][:SHOWN_CLASSES]

    @property
    def attacked(self) -> tuple["keras.Model", np.ndarray, np.ndarray]:
        """What attacks and measures take first: the network, the images and their labels."""
        return self.model, self.images, self.labels

    @property
    def attack_settings(self) -> dict[str, Any]:
        """What attacks take by name besides."""
        return {"seed": self.options.seed, "batch_size": self.batch_size}

    @property
    def batch_size(self) -> int:
        """Images in memory at a time."""
        asked = getattr(self.options, "batch_size", None)
        return asked or attack_batch(self.sample.image_shape)

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[], None]]:
        """Show how far the task is."""
        with progress_bar(f"{self.task} {self.name}", 0 if self.quiet else total) as tick:
            yield tick


@dataclass(frozen=True)
class TaskResult:
    """What a task found: the figures, notes on them, pictures by what they show, and entries of a gallery of all networks."""

    result: Result
    notes: Sequence[str] = ()
    # Further flags than those of the result.
    flags: Sequence[Any] = ()
    # Further values for the record.
    record: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, "Figure"] = field(default_factory=dict)
    gallery: Sequence["GalleryEntry"] = ()

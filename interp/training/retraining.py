"""Trainings of one architecture again and again, from a new seed each: what ROAR and KAR ask for."""

import functools
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import keras
import numpy as np

from interp.core.checks import check_instance
from interp.data import Dataset
from interp.data.spec import DatasetSpec
from interp.models.architectures import find_architecture
from interp.models.initialisation import build_network, initialise
from interp.models.network import Network
from interp.training.model_state import ModelState
from interp.training.own_architecture import OwnArchitecture, start_anew
from interp.training.schedule import Schedule, plain_schedule
from interp.training.signals import StopRequest
from interp.training.step import make_step
from interp.training.trainer import train
from interp.training.update import scaled_where_half


@dataclass(frozen=True)
class Retraining:
    """Trains one architecture from a new seed at each call, on clean images: what ROAR and KAR ask for.

    It may be sent to other processes; each compiles its training step once.

    Args:
        architecture: A name in interp.models.ARCHITECTURES, or a Keras model, which stays as it is: its layers start from new weights,
            except those that are frozen.
        schedule: Length and learning rates, as `plain_schedule` makes them.

    Raises:
        InputError: The architecture is unknown, the model cannot be built anew, or the schedule is none.
    """

    architecture: str | OwnArchitecture | keras.Model
    schedule: Schedule

    def __post_init__(self) -> None:
        if isinstance(self.architecture, Network):
            object.__setattr__(self, "architecture", self.architecture.architecture)
        elif isinstance(self.architecture, keras.Model):
            object.__setattr__(self, "architecture", OwnArchitecture.of(self.architecture))
        elif not isinstance(self.architecture, OwnArchitecture):
            find_architecture(self.architecture)
        check_instance(
            "the schedule", self.schedule, Schedule, "plain_schedule(epochs=5, batch_size=50, learning_rate=1e-3)"
        )

    @classmethod
    def usual(
        cls,
        dataset: DatasetSpec,
        model: keras.Model,
        *,
        architecture: str | None = None,
        images: int | None = None,
        epochs: int | None = None,
    ) -> "Retraining":
        """Choose the retraining that is usual for a dataset.

        Args:
            dataset: What is known of the dataset, as `interp.data.find_dataset` returns it.
            model: The model that is explained.
            architecture: Architecture that is trained (default: that of the model; a network of this package may have a faster one).
            images: Number of training images (default: what is usual for the dataset).
            epochs: Number of epochs (default: what is usual for the dataset).

        Returns:
            A Retraining.

        Raises:
            InputError: The architecture is unknown, or the model cannot be built anew.
        """
        spec = dataset.retraining
        architecture = architecture or (spec.architecture if isinstance(model, Network) else None)
        epochs = epochs or spec.epochs
        steps = epochs * ((images or spec.images) // spec.batch_size)
        # Short trainings at one rate end where the last batches threw them, most of all with batch normalisation.
        schedule = plain_schedule(
            epochs=epochs,
            batch_size=spec.batch_size,
            learning_rate=spec.learning_rate,
            slower_from=max(1, 2 * steps // 3),
        )
        return cls(architecture or model, schedule)

    def __call__(self, data: Dataset, validation: Dataset, seed: int) -> keras.Model:
        """Train from new weights.

        Args:
            data: The training images.
            validation: Not used, as nothing is chosen by it.
            seed: Seed of weights, order and all other random draws.

        Returns:
            The trained model; the next call trains the same object.

        Raises:
            InputError: The data cannot be used.
            TrainingDiverged: A loss or weight is not finite.
        """
        check_instance("data", data, Dataset, "data.load('digits', 'train')")
        model, optimizer, step, started, kept = _compiled(self, data.image_shape, data.classes)
        if isinstance(model, Network):
            initialise(model, seed)
        else:
            start_anew(model, kept, seed, data.image_shape)
        for variable, value in zip(optimizer.variables, started, strict=True):
            variable.assign(value)
        train(
            model,
            "normal",
            data,
            self.schedule,
            seed=seed,
            compiled=(optimizer, step),
            # Signals are for the caller of hundreds of trainings, not noted until the end of one.
            stop=StopRequest(),
        )
        return model

    @property
    def name(self) -> str:
        """The architecture in words."""
        return self.architecture if isinstance(self.architecture, str) else self.architecture.name

    def describe(self) -> dict[str, Any]:
        """What it does, as JSON values."""
        return {"architecture": self.name, "schedule": asdict(self.schedule)}


class _Compiled(NamedTuple):
    """A model with its compiled step, the optimizer's values at the start, and the model's weights as they came."""

    model: keras.Model
    optimizer: keras.Optimizer
    step: Any
    started: list[np.ndarray]
    kept: list[np.ndarray]


@functools.lru_cache(maxsize=1)
def _compiled(retraining: Retraining, image_shape: tuple[int, int, int], classes: int) -> _Compiled:
    """Kept in the process: compiling takes longer than a short training, each of which arrives with a copy of the Retraining."""
    own = retraining.architecture if isinstance(retraining.architecture, OwnArchitecture) else None
    model = build_network(retraining.name, image_shape, classes) if own is None else own.build()
    state = ModelState(model, image_shape)
    optimizer = scaled_where_half(keras.optimizers.Adam(retraining.schedule.learning_rate(0)), state)
    step = make_step(
        model, "normal", optimizer, retraining.schedule, penalty_weight=0.0, image_shape=image_shape, state=state
    )
    started, kept = ([np.asarray(each) for each in values] for values in (optimizer.variables, model.weights))
    return _Compiled(model, optimizer, step, started, kept)

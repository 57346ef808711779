"""Trainings of one architecture again and again, from a new seed each: what ROAR and KAR ask for."""

import functools
from dataclasses import asdict, dataclass
from typing import Any

import keras
import tensorflow as tf

from interp.core.checks import check_instance
from interp.data import Dataset
from interp.models.architectures import find_architecture
from interp.models.initialisation import build_network, initialise
from interp.models.network import Network
from interp.training.schedule import Schedule
from interp.training.signals import StopRequest
from interp.training.step import make_step
from interp.training.trainer import train


@dataclass(frozen=True)
class Retraining:
    """`retraining(data, validation, seed)` gives a network of `architecture` trained on `data` from that seed, on clean images.

    May be sent to other processes; each compiles its training step once. The network of the next call is the same object. Raises
    InputError.
    """

    architecture: str
    schedule: Schedule

    def __post_init__(self) -> None:
        find_architecture(self.architecture)
        check_instance(
            "the schedule", self.schedule, Schedule, "plain_schedule(epochs=5, batch_size=50, learning_rate=1e-3)"
        )

    def __call__(self, data: Dataset, validation: Dataset, seed: int) -> Network:
        """Train on `data`; the validation images are not used, as nothing is chosen by them. Raises InputError, TrainingDiverged."""
        check_instance("data", data, Dataset, "data.load('digits', 'train')")
        network, optimizer, step = _compiled(self, data.image_shape, data.classes)
        initialise(network, seed)
        for variable in optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        train(
            network,
            "normal",
            data,
            self.schedule,
            seed=seed,
            compiled=(optimizer, step),
            # Signals are for the caller of hundreds of trainings, not noted until the end of one.
            stop=StopRequest(),
        )
        return network

    def describe(self) -> dict[str, Any]:
        """What it does, as JSON values."""
        return {"architecture": self.architecture, "schedule": asdict(self.schedule)}


@functools.lru_cache(maxsize=1)
def _compiled(
    retraining: Retraining, image_shape: tuple[int, int, int], classes: int
) -> tuple[Network, keras.Optimizer, Any]:
    """Kept in the process: compiling takes longer than a short training, each of which arrives with a copy of the Retraining."""
    network = build_network(retraining.architecture, image_shape, classes)
    optimizer = keras.optimizers.Adam(retraining.schedule.learning_rate(0))
    step = make_step(network, "normal", optimizer, retraining.schedule, penalty_weight=0.0)
    return network, optimizer, step

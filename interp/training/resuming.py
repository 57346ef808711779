"""Where a training stands, and how it gets back there from a checkpoint."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import numpy as np

from interp.core.checks import check_instance, check_number
from interp.core.errors import InputError
from interp.models.network import Network
from interp.training.checkpoints import ANEW, Checkpoint, CheckpointFolder
from interp.training.description import check_arguments
from interp.training.kept_weights import KeptWeights
from interp.training.training_errors import TrainingDiverged

Measures = dict[str, float]
# Before the weights of the best epoch.
KEPT = "kept/"


@dataclass(frozen=True, kw_only=True)
class Checkpointing:
    """Where and how often checkpoints of a training are written: at the end of each epoch and when a signal stops the run, too.

    Args:
        folder: Where the checkpoints go.
        every_seconds: Seconds between two checkpoints.
        every_steps: Number of steps between two checkpoints, in place of `every_seconds` (default: seconds count).
        resume: Whether the training goes on from the newest checkpoint; else those that are there are removed.
        writer: Whether this process writes: one of several does.
        warn: Called with a line for each damaged checkpoint.
        network: What else makes the network, as JSON values by name: a training goes on only where it is the same.

    Raises:
        InputError: An argument is not as described.
    """

    folder: CheckpointFolder
    every_seconds: float = 60.0
    every_steps: int | None = None
    resume: bool = True
    writer: bool = True
    warn: Callable[[str], None] = print
    network: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_instance("the folder of checkpoints", self.folder, CheckpointFolder, "CheckpointFolder(path)")
        check_instance("network", self.network, Mapping, "{'start': 'mine_adv'}")
        check_number("every_seconds", self.every_seconds, minimum=0)
        if self.every_steps is not None:
            check_number("every_steps", self.every_steps, minimum=1, whole=True)

    def due(self, step: int, since: float) -> bool:
        """Say whether to write a checkpoint.

        Args:
            step: Number of steps that were made.
            since: Seconds since the last checkpoint.

        Returns:
            Whether it is time.
        """
        return step % self.every_steps == 0 if self.every_steps else since >= self.every_seconds


@dataclass
class Position:
    """What changes during a training besides weights and optimiser."""

    step: int = 0
    sums: Measures = field(default_factory=dict)
    history: list[Measures] = field(default_factory=list)
    seconds: float = 0.0


def position_of(checkpoint: Checkpoint) -> Position:
    """Where a training was. Raises ValueError where the checkpoint is of another version, or its values are none of a training."""
    progress = checkpoint.progress
    if progress.keys() != asdict(Position()).keys():
        raise ValueError("its progress is that of another version")
    position = Position(**progress)
    measures = position.history if isinstance(position.history, list) else [None]
    numbers = [position.seconds]
    for each in (position.sums, *measures):
        if not isinstance(each, dict):
            raise ValueError("its measures are no measures")
        numbers += each.values()
    if type(position.step) is not int or position.step != checkpoint.step:
        raise ValueError("its progress is of another step")
    if not all(type(number) in (int, float) for number in numbers):
        raise ValueError("its progress is no progress of a training")
    return position


def _state(model: keras.Model, optimizer: keras.Optimizer) -> dict[str, Any]:
    """Every variable that a step changes, by name."""
    # Keras counts up the names of layers from one model to the next; those of the package's own networks are given.
    named = isinstance(model, Network)
    state = {f"network/{each.path if named else place}": each for place, each in enumerate(model.variables)}
    return {**state, **{f"optimizer/{index}": variable for index, variable in enumerate(optimizer.variables)}}


def _by_place(weights: Sequence[Any]) -> dict[str, Any]:
    """The weights of the best epoch, by name."""
    return {f"{KEPT}{place:06d}": values for place, values in enumerate(weights)}


def _stored(values: Any) -> np.ndarray:
    """An array as a checkpoint holds it: of bfloat16, which could not be read back, the same numbers in float32."""
    array = np.asarray(values)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def check_weights(model: keras.Model, optimizer: keras.Optimizer, step: int, measures: Measures) -> None:
    for name, variable in _state(model, optimizer).items():
        if not np.isfinite(np.asarray(variable)).all():
            shown = "".join(f", {measure} {value:g}" for measure, value in measures.items())
            raise TrainingDiverged(
                f"{name} was not finite after step {step}{shown}: lower the learning rate; checkpoints are from before"
            )


def save_position(
    checkpointing: Checkpointing,
    model: keras.Model,
    optimizer: keras.Optimizer,
    arguments: dict[str, Any],
    position: Position,
    kept: KeptWeights,
) -> None:
    check_weights(model, optimizer, position.step, {})
    if checkpointing.writer:
        state = {**_state(model, optimizer), **_by_place(kept.best)}
        arrays = {name: _stored(values) for name, values in state.items()}
        checkpointing.folder.save(Checkpoint(position.step, arrays, asdict(position), arguments))


def restore_position(
    checkpointing: Checkpointing | None,
    model: keras.Model,
    optimizer: keras.Optimizer,
    arguments: dict[str, Any],
    kept: KeptWeights,
) -> Position:
    if checkpointing is None:
        return Position()
    if not checkpointing.resume:
        if checkpointing.writer:
            checkpointing.folder.remove()
        return Position()
    checkpoint = checkpointing.folder.load_newest(checkpointing.warn, position_of)
    if checkpoint is None:
        return Position()
    check_arguments("the checkpoint", checkpoint.arguments, arguments)
    state = _state(model, optimizer)
    best = {name: values for name, values in sorted(checkpoint.arrays.items()) if name.startswith(KEPT)}
    kept_too = _by_place(model.variables if best else [])
    expected = {name: _stored(variable) for name, variable in {**state, **kept_too}.items()}
    if {name: (values.shape, str(values.dtype)) for name, values in expected.items()} != {
        name: (values.shape, str(values.dtype)) for name, values in checkpoint.arrays.items()
    }:
        raise InputError(f"the checkpoint holds other variables than this network: use {ANEW}")
    for name, variable in state.items():
        variable.assign(checkpoint.arrays[name])
    kept.best = list(best.values())
    return position_of(checkpoint)

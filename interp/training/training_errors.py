"""How a training ends before its time."""

from interp.core.errors import ComputationError


class TrainingDiverged(ComputationError):
    """A loss or gradient was not finite; the last checkpoint is from before that."""


class TrainingInterrupted(KeyboardInterrupt):
    """A signal stopped the training, after a checkpoint was written where there are any; `signal` is its number."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.signal = number

    def __reduce__(self) -> tuple[type["TrainingInterrupted"], tuple[str, int]]:
        """Exceptions of other processes arrive as copies."""
        return TrainingInterrupted, (str(self), self.signal)

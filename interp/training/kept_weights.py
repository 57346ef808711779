"""Which weights of a training are kept: those of its last or of its best epoch, averaged over steps or not."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np

from interp.core.checks import check_number
from interp.core.errors import InputError, check_choice
from interp.core.names import KEEPS

# Of the measures of an epoch, the first of these that there is says which is best, and where epochs are alike in it the next one.
JUDGED_BY = ("validation_robust_accuracy", "validation_accuracy")


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What is kept of a training, and when it ends early.

    Args:
        keep: The weights of the "last" epoch, or of the one that is "best" on attacked validation images (Rice et al. 2020), on
            clean ones for an objective that looks at clean images alone.
        patience: Number of epochs without a better one after which the training ends (default: it does not end early). Epochs in which the
            radius still grows do not count.
        average: Decay of an exponential moving average of the weights over steps, such as 0.999, which is measured and kept in their
            place (default: none). Statistics of batch normalisation stay those of the weights of the last step.

    Raises:
        InputError: An argument is not as described.

    Example:
        `Keeping(keep="best", patience=5)`.
    """

    keep: str = "last"
    patience: int | None = None
    average: float | None = None

    def __post_init__(self) -> None:
        check_choice("keep", self.keep, KEEPS)
        if self.patience is not None:
            check_number("patience", self.patience, minimum=1, whole=True)
        if self.average is not None:
            check_number("average", self.average, minimum=0, strict=True)
            if self.average >= 1:
                raise InputError(
                    f"average came as {self.average:g}, expected a decay below 1: 0.999 averages about 1,000 steps"
                )

    @property
    def compares(self) -> bool:
        """Whether epochs are compared, so that validation images are needed."""
        return self.keep == "best" or self.patience is not None

    def kept_epoch(self, history: Sequence[Mapping[str, float]]) -> int:
        """The epoch, from 0, whose weights are kept after this history."""
        return best_epoch(history) if self.keep == "best" else len(history) - 1

    def has_ended(self, history: Sequence[Mapping[str, float]], growing: int = 0) -> bool:
        """Whether the training ends here, as no epoch of late was better; in the first `growing` ones the radius grows."""
        return self.patience is not None and len(history) - max(best_epoch(history) + 1, growing) >= self.patience


def best_epoch(history: Sequence[Mapping[str, float]]) -> int:
    """The first epoch, from 0, of the best accuracy on validation images; -1 before any.

    On attacked ones where they were measured, and of several epochs as good on those the one that is best on clean ones.
    """
    if not history:
        return -1
    judged_by = [name for name in JUDGED_BY if name in history[0]]
    # A method without an inner attack may keep no attacked image right in any epoch.
    return max(range(len(history)), key=lambda epoch: [history[epoch][name] for name in judged_by])


class KeptWeights:
    """The weights of a model that are kept if the training ends now."""

    def __init__(self, model: keras.Model, optimizer: keras.Optimizer, keeping: Keeping) -> None:
        self.model, self.optimizer, self.keeping = model, optimizer, keeping
        self._averages = bool(getattr(optimizer, "inner_optimizer", optimizer).use_ema)
        # Of the best epoch so far, in the order of the model's variables; empty where the last one counts.
        self.best: list[np.ndarray] = []

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Inside, the model has the weights that would be kept of this step: averages, where they are asked for."""
        if not self._averages:
            yield
            return
        weights = self.model.trainable_variables
        present = [weight.numpy().copy() for weight in weights]
        self.optimizer.finalize_variable_values(weights)
        try:
            yield
        finally:
            for weight, value in zip(weights, present, strict=True):
                weight.assign(value)

    def note(self, history: Sequence[Mapping[str, float]]) -> None:
        """Keep the weights that the model has, if its last epoch is the best one."""
        if self.keeping.keep == "best" and best_epoch(history) == len(history) - 1:
            self.best = [variable.numpy().copy() for variable in self.model.variables]

    def finish(self) -> None:
        """Give the model the weights that are kept."""
        if self.best:
            for variable, value in zip(self.model.variables, self.best, strict=True):
                variable.assign(value)
        elif self._averages:
            self.optimizer.finalize_variable_values(self.model.trainable_variables)

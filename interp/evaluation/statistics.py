"""Means that say what they rest on."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mean:
    """Mean and standard error of `count` values; None where there are too few to have one."""

    value: float | None
    standard_error: float | None
    count: int

    def __str__(self) -> str:
        return "none qualified" if self.value is None else f"{self.value:.3f}"


def mean_of(values: Iterable[float]) -> Mean:
    """The mean of the values that are numbers; NaN stands for an undefined one and does not count."""
    kept = np.asarray(list(values), np.float64)
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        return Mean(None, None, 0)
    error = float(kept.std(ddof=1) / np.sqrt(len(kept))) if len(kept) > 1 else None
    return Mean(float(kept.mean()), error, len(kept))

"""Training whose objective keeps predictions and interpretations where they are under attack."""

from interp.training.objectives import OBJECTIVES, Objective, find_objective
from interp.training.schedule import PAPER, Schedule
from interp.training.trainer import Progress, TrainingDiverged, describe, train

__all__ = [
    "OBJECTIVES",
    "PAPER",
    "Objective",
    "Progress",
    "Schedule",
    "TrainingDiverged",
    "describe",
    "find_objective",
    "train",
]

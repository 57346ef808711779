"""Training whose objective keeps predictions and interpretations where they are under attack."""

import interp.core.keras_backend  # noqa: F401 - first, for its message
from interp.training.checkpoints import CheckpointFolder
from interp.training.errors import TrainingDiverged, TrainingInterrupted
from interp.training.objectives import OBJECTIVES, Objective, find_objective, with_explanation
from interp.training.resuming import Checkpointing
from interp.training.retraining import Retraining
from interp.training.robust_model import RobustModel
from interp.training.schedule import PAPER, Schedule, plain_schedule
from interp.training.trainer import Progress, describe, train

__all__ = [
    "OBJECTIVES",
    "PAPER",
    "CheckpointFolder",
    "Checkpointing",
    "Objective",
    "Progress",
    "Retraining",
    "RobustModel",
    "Schedule",
    "TrainingDiverged",
    "TrainingInterrupted",
    "describe",
    "find_objective",
    "plain_schedule",
    "train",
    "with_explanation",
]

"""Training whose objective keeps predictions and interpretations where they are under attack.

Schedules, recipes and profiles are plain data; TensorFlow is imported when a name that needs it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from interp.training.schedule import PAPER, Schedule, for_objective, plain_schedule, usual_schedule
from interp.training.training_errors import TrainingDiverged, TrainingInterrupted

if TYPE_CHECKING:
    from interp.training.checkpoints import CheckpointFolder as CheckpointFolder
    from interp.training.description import describe as describe
    from interp.training.kept_weights import Keeping as Keeping
    from interp.training.objectives import OBJECTIVES as OBJECTIVES
    from interp.training.objectives import Objective as Objective
    from interp.training.objectives import find_objective as find_objective
    from interp.training.objectives import with_cross_entropy_attack as with_cross_entropy_attack
    from interp.training.objectives import with_distance_weight as with_distance_weight
    from interp.training.objectives import with_explanation as with_explanation
    from interp.training.objectives import with_softplus as with_softplus
    from interp.training.resuming import Checkpointing as Checkpointing
    from interp.training.retraining import Retraining as Retraining
    from interp.training.robust_model import RobustModel as RobustModel
    from interp.training.trainer import Progress as Progress
    from interp.training.trainer import train as train

__all__ = [
    "OBJECTIVES",
    "PAPER",
    "CheckpointFolder",
    "Checkpointing",
    "Keeping",
    "Objective",
    "Progress",
    "Retraining",
    "RobustModel",
    "Schedule",
    "TrainingDiverged",
    "TrainingInterrupted",
    "describe",
    "find_objective",
    "for_objective",
    "plain_schedule",
    "train",
    "usual_schedule",
    "with_cross_entropy_attack",
    "with_distance_weight",
    "with_explanation",
    "with_softplus",
]

# The modules of the names that need TensorFlow.
_MODULES = {
    "OBJECTIVES": "objectives",
    "CheckpointFolder": "checkpoints",
    "Checkpointing": "resuming",
    "Keeping": "kept_weights",
    "Objective": "objectives",
    "Progress": "trainer",
    "Retraining": "retraining",
    "RobustModel": "robust_model",
    "describe": "description",
    "find_objective": "objectives",
    "train": "trainer",
    "with_cross_entropy_attack": "objectives",
    "with_distance_weight": "objectives",
    "with_explanation": "objectives",
    "with_softplus": "objectives",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'interp.training' has no attribute {name!r}")
    # First, for its message.
    importlib.import_module("interp.core.keras_backend")
    return getattr(importlib.import_module(f"interp.training.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

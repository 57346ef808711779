"""Clean and robust accuracy at the end of an epoch: a sign of progress, not a result."""

import keras

from interp.attacks import ProjectedGradientDescent, accuracy
from interp.data import Dataset
from interp.training.objectives import Objective
from interp.training.schedule import Schedule

# A short attack on a few images.
VALIDATION_IMAGES = 200
VALIDATION_STEPS = 10


def validate(
    model: keras.Model, attack: ProjectedGradientDescent | None, validation: Dataset | None
) -> dict[str, float]:
    if validation is None:
        return {}
    measures = {"validation_accuracy": accuracy(model, validation.images, validation.labels)}
    if attack is not None:
        few = validation.take(min(VALIDATION_IMAGES, len(validation)))
        measures["validation_robust_accuracy"] = accuracy(model, attack(model, few.images, few.labels), few.labels)
    return measures


def validation_attack(objective: Objective, schedule: Schedule) -> ProjectedGradientDescent | None:
    if objective.attack is None or schedule.epsilon == 0:
        return None
    step_size = 2.5 * schedule.epsilon / VALIDATION_STEPS
    return ProjectedGradientDescent(
        epsilon=schedule.epsilon, step_size=step_size, steps=VALIDATION_STEPS, random_start=True
    )

"""Clean and robust accuracy at the end of an epoch: a sign of progress, not a result."""

import keras
import numpy as np

from interp.attacks import ProjectedGradientDescent, accuracy, correct
from interp.core.batches import attack_batch, forward_batch
from interp.data import Dataset
from interp.training.objectives import Objective
from interp.training.schedule import Schedule

# A short attack on a few images, on more of them where the best epoch is looked for: with 200, two of them are a point of accuracy.
VALIDATION_IMAGES, COMPARED_IMAGES = 200, 1000
VALIDATION_STEPS = 10
# So many images are loaded at a time.
LOADED = 1000


def validate(
    model: keras.Model,
    attack: ProjectedGradientDescent | None,
    validation: Dataset | None,
    *,
    images: int = VALIDATION_IMAGES,
) -> dict[str, float]:
    """Accuracy on the validation images, and on `images` of them, always the same, under attack."""
    if validation is None:
        return {}
    size = min(250, forward_batch(validation.image_shape))
    right = [
        correct(
            model, validation.images[first : first + LOADED], validation.labels[first : first + LOADED], batch_size=size
        )
        for first in range(0, len(validation), LOADED)
    ]
    measures = {"validation_accuracy": float(np.concatenate(right).mean())}
    if attack is not None:
        attacked = attack_batch(validation.image_shape)
        few = validation.few(images)
        measures["validation_robust_accuracy"] = accuracy(
            model, attack(model, few.images, few.labels, batch_size=attacked), few.labels, batch_size=size
        )
    return measures


def validation_attack(objective: Objective, schedule: Schedule) -> ProjectedGradientDescent | None:
    if not objective.is_robust or schedule.epsilon == 0:
        return None
    step_size = 2.5 * schedule.epsilon / VALIDATION_STEPS
    return ProjectedGradientDescent(
        epsilon=schedule.epsilon, step_size=step_size, steps=VALIDATION_STEPS, random_start=True, norm=schedule.norm
    )

"""Whether integrated gradients add up to what they should."""

from typing import Any

import keras
import numpy as np

from interp.attributions import IntegratedGradients
from interp.core.checks import check_images, check_labels
from interp.core.tables import counted

# A completeness gap of integrated gradients is reported from this share of the logit's change on, or of one logit where that changes less.
GAP_SHARE = 0.05
# Images that are looked at for it.
GAP_IMAGES = 50


def completeness_notes(model: keras.Model, images: Any, labels: Any, *, points: int = 32) -> list[str]:
    """Check whether integrated gradients add up to the change of the logit, on the first 50 images.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: Integers (n,), the classes that are explained.
        points: Number of points of the integral.

    Returns:
        One sentence where the maps of some image miss more than 5% of the change; an empty list otherwise.

    Raises:
        InputError: The model, images or labels cannot be used.
    """
    batch = check_images(images)
    truth = check_labels(labels, batch)
    found = IntegratedGradients(model, steps=points).explain(batch[:GAP_IMAGES], truth[:GAP_IMAGES])
    gaps = found.values["gap"]
    missed = gaps > GAP_SHARE * np.maximum(np.abs(np.asarray(found.maps).sum((1, 2, 3))), 1)
    if not missed.any():
        return []
    return [
        f"integrated gradients by {counted(points, 'point')} of {missed.sum()} of {len(gaps)} images do not add up to the change of the "
        f"logit: they miss more than {100 * GAP_SHARE:g}% of it, by up to {gaps[missed].max():.3g} logits"
    ]

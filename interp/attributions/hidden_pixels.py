"""Scores of one class with parts of each image hidden: what methods look at that need no gradient."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from interp.attributions.baselines import Baseline, baseline_images, check_baseline, count_baselines
from interp.attributions.chunks import in_chunks
from interp.attributions.gradients import OfOneClass, of_labels
from interp.core.errors import InputError, check_choice
from interp.models.prepared import PreparedModel

SCORES = ("logit", "probability")
# From places of images (m,) and of variants (m,) to what stays of each pixel, (m, height, width, 1) in [0, 1].
Masks = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
OBSTACLE = "takes hundreds of passes of the model for one map, which no attack can follow"


def score_of(logits: tf.Tensor, labels: tf.Tensor, score: str) -> tf.Tensor:
    """The logit or probability (n,) of each image's label."""
    return of_labels(tf.nn.softmax(logits) if score == "probability" else logits, labels)


def scores_of_masked(
    model: PreparedModel,
    images: tf.Tensor,
    labels: tf.Tensor,
    masks: Masks,
    count: int | tf.Tensor,
    *,
    score: str,
    chunk_size: int,
    fill: tf.Tensor | None = None,
) -> tf.Tensor:
    """Scores (n, count) of the labels for each image times each of its `count` masks, plus `fill` (n or 1, ...) times the rest.

    At most `chunk_size` masked images are in memory at a time.
    """
    size = tf.shape(images)[0]

    def scores(places: tf.Tensor) -> tf.Tensor:
        rows = places // count
        kept = masks(rows, places % count)
        shown = tf.gather(images, rows) * kept
        if fill is not None:
            shown += (1 - kept) * (fill if fill.shape[0] == 1 else tf.gather(fill, rows))
        shown.set_shape([None, *images.shape[1:]])
        return score_of(model.classify(shown), tf.gather(labels, rows), score)

    found = in_chunks(scores, (tf.range(size * count),), chunk_size, images.dtype)
    return tf.reshape(found, [size, count])


@dataclass(frozen=True, eq=False)
class OfHiddenPixels(OfOneClass):
    """A method that hides pixels of the image behind a `fill` and looks at the `score` of the label."""

    differentiable = False
    obstacle = OBSTACLE

    score: str = field(default="logit", kw_only=True)
    fill: Any = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("score", self.score, SCORES)
        object.__setattr__(self, "fill", _check_fill(self.fill))

    def masked_scores(
        self, model: PreparedModel, images: tf.Tensor, labels: tf.Tensor, masks: Masks, count: int
    ) -> tf.Tensor:
        """Scores (n, count) of each image behind each of `count` masks."""
        fill = baseline_images("fill", self.fill, images)[:, 0]
        chunk_size = self.points_at_a_time(tuple(images.shape[1:]))
        return scores_of_masked(model, images, labels, masks, count, score=self.score, chunk_size=chunk_size, fill=fill)


def _check_fill(fill: Any) -> Baseline:
    checked = check_baseline("fill", fill)
    if count_baselines(checked) != 1:
        raise InputError(f"fill came as {count_baselines(checked)} images, expected one: hidden pixels show one thing")
    return checked

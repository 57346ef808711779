"""What a model says of the labels of many changed copies of images, in bounded memory."""

from collections.abc import Iterable
from itertools import chain, islice

import keras
import numpy as np
import tensorflow as tf

from interp.attributions.gradients import of_labels
from interp.core.batches import forward_batch
from interp.core.compiled import compile_for, rows_like, run_in_batches
from interp.core.errors import InputError
from interp.models.prepared import prepare

# So many batches of changed images are made at a time.
BATCHES = 8


class LabelScores:
    """Logits and probabilities of labels under one model, at most `batch_size` images at a time (default: by their size)."""

    def __init__(self, model: keras.Model, batch_size: int | None = None) -> None:
        self.model, self._batch_size = model, batch_size

    def __call__(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The logit and the probability (n,) of each image's label, float64. Raises InputError for a NaN."""

        def run(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            logits = tf.cast(prepare(self.model, rearrange=True).classify(images), tf.float32)
            return of_labels(logits, labels), of_labels(tf.nn.softmax(logits), labels)

        arrays = tf.constant(images, tf.float32), tf.constant(labels, tf.int64)
        compiled = compile_for(self.model, "label scores", run, rows_like(arrays))
        logits, probabilities = (
            np.asarray(each, np.float64) for each in run_in_batches(compiled, arrays, self._batch(images))
        )
        if not np.isfinite(logits).all():
            raise InputError("the model returned NaN or infinite logits: its weights are damaged")
        return logits, probabilities

    def of_variants(self, variants: Iterable[np.ndarray], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of changed copies of the images, each of the `variants` (n, height, width, channels): two arrays (variants, n)."""
        waiting = iter(variants)
        first = next(waiting)
        # Several batches together, so that neither few images nor the end of each variant leave streams idle.
        together = max(1, BATCHES * self._batch(first) // len(labels))
        waiting = chain([first], waiting)
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        while group := list(islice(waiting, together)):
            scores = self(np.concatenate(group), np.tile(labels, len(group)))
            parts += zip(*(each.reshape(len(group), -1) for each in scores), strict=True)
        logits, probabilities = (np.stack(each) for each in zip(*parts, strict=True))
        return logits, probabilities

    def _batch(self, images: np.ndarray) -> int:
        return self._batch_size or forward_batch(images.shape[1:])

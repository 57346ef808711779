"""Integrated gradients (Sundararajan et al. 2017)."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attributions.attribution import Attribution
from interp.attributions.explained import Explained, of_labels
from interp.core.checks import check_number
from interp.core.errors import InputError, check_choice
from interp.core.path_gradients import RULES, chunked_path_gradient, quadrature

# With a tolerance the number of points starts here and doubles.
FEWEST = 8


class IntegratedGradients(Attribution):
    """Image minus baseline times the gradient averaged on the straight way between them (Sundararajan et al. 2017), shape of the images.

    `steps` points of the quadrature `rule` (gauss_legendre, midpoint, right, left); `baseline` is a value in [0, 1] or an image
    (height, width, channels). With `tolerance` the number of points starts at 8 and doubles, for the images that need it and up
    to `steps`, until the completeness gap |sum of the map - (f(image) - f(baseline))| is at most that many logits. `explain`
    returns the gap and the number of points of each image, and with a tolerance which images `missed` it, of which a warning tells.
    """

    values = ("gap", "points")

    def __init__(
        self,
        model: keras.Model,
        *,
        steps: int = 64,
        rule: str = "gauss_legendre",
        baseline: float | np.ndarray = 0.0,
        tolerance: float | None = None,
        chunk_size: int | None = None,
    ) -> None:
        super().__init__(model, chunk_size=chunk_size)
        check_choice("quadrature rule", rule, RULES)
        # Gauss-Legendre nodes are eigenvalues of a matrix of that side.
        most = 2048 if rule == "gauss_legendre" else 100_000
        check_number("steps", steps, minimum=1, whole=True, maximum=most)
        if tolerance is not None:
            check_number("tolerance", tolerance, minimum=0, strict=True)
        self.steps, self.rule, self.tolerance = steps, rule, tolerance
        self.baseline = _check_baseline(baseline)

    def _numbers_of_points(self) -> list[int]:
        if self.tolerance is None:
            return [self.steps]
        fewer = [FEWEST * 2**level for level in range(20) if FEWEST * 2**level < self.steps]
        return [*fewer, self.steps]

    def _judged(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.tolerance is None:
            return values
        missed = values["gap"] > self.tolerance
        if missed.any():
            warnings.warn(
                f"integrated gradients of {missed.sum()} of {len(missed)} images miss the tolerance of {self.tolerance:g} logits with "
                f"{self.steps} points, by a gap of up to {values['gap'].max():.3g}: raise steps, or leave out those that "
                "explain(...).values['missed'] names",
                stacklevel=4,
            )
        return {**values, "missed": missed}

    def _maps(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        forward, shape = explained.forward_of_images(), images.shape[1:]
        baseline = tf.constant(self.baseline, tf.float32)
        if baseline.shape.rank and not baseline.shape.is_compatible_with(shape):
            raise InputError(
                f"the baseline came with shape {tuple(baseline.shape)}, the images have {tuple(shape)}: give an image of that "
                "shape or a number"
            )
        ways = images - baseline
        start, end = forward.lift(tf.broadcast_to(baseline, [1, *shape])), forward.lift(images)
        chunk_size = self.chunk_size(tuple(shape))

        def score_of(labels: tf.Tensor) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
            return lambda points, at: of_labels(forward.logits_of_lifted(points), tf.gather(labels, at))

        everything = tf.range(tf.shape(images)[0])
        starts = start + tf.zeros_like(end)
        change = score_of(labels)(end, everything) - score_of(labels)(starts, everything)
        maps, gaps = tf.zeros_like(ways), tf.fill(tf.shape(everything), np.float32(np.inf))
        points = tf.zeros_like(everything)
        goal = 0.0 if self.tolerance is None else self.tolerance
        for positions, weights in (quadrature(self.rule, number) for number in self._numbers_of_points()):
            # Those whose gap is small enough leave.
            chosen = tf.where(gaps > goal)[:, 0] if self.tolerance is not None else tf.cast(everything, tf.int64)
            mean = chunked_path_gradient(
                score_of(tf.gather(labels, chosen)),
                tf.gather(starts, chosen),
                tf.gather(end, chosen),
                tf.constant(positions),
                tf.constant(weights),
                chunk_size,
            )
            found = tf.gather(ways, chosen) * forward.pull_back(tf.gather(images, chosen), mean)
            found_gaps = tf.abs(tf.reduce_sum(found, range(1, len(found.shape))) - tf.gather(change, chosen))
            maps = tf.tensor_scatter_nd_update(maps, chosen[:, None], found)
            gaps = tf.tensor_scatter_nd_update(gaps, chosen[:, None], found_gaps)
            points = tf.tensor_scatter_nd_update(points, chosen[:, None], tf.fill(tf.shape(chosen), len(positions)))
        return maps, gaps, points


def _check_baseline(baseline: Any) -> np.ndarray:
    array = np.asarray(baseline)
    if array.ndim == 0:
        check_number("baseline", array.item(), minimum=0)
    elif array.ndim != 3 or not np.issubdtype(array.dtype, np.floating):
        raise InputError(
            f"baseline came as {array.dtype} of shape {array.shape}, expected a number or an image (height, width, channels) of floats"
        )
    array = array.astype(np.float32)
    if not ((array >= 0) & (array <= 1)).all():
        raise InputError(f"baseline came with values in [{array.min():.4g}, {array.max():.4g}], expected [0, 1]")
    return array

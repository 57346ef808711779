"""Integrated gradients (Sundararajan et al. 2017)."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import tensorflow as tf

from interp.attributions.attribution import Attribution, Maps
from interp.attributions.baselines import baseline_images, check_baseline, count_baselines
from interp.attributions.gradients import OfGradients, of_labels
from interp.attributions.relu_rules import STEEPNESS, relu_gradient
from interp.core.checks import check_number
from interp.core.errors import check_choice
from interp.core.path_gradients import RULES, mean_path_gradient, quadrature
from interp.core.tables import counted
from interp.models.prepared import PreparedModel

# With a tolerance the number of points starts here and doubles.
FEWEST = 8
# While an attack searches: so many points of the right rule, as in the paper's training.
SEARCHED = 5
# Values of an image whose few points are all in memory at once.
SMALL_IMAGE = 1024


@dataclass(frozen=True, eq=False)
class IntegratedGradients(OfGradients):
    """Image minus baseline times the mean gradient on the straight way between them (Sundararajan et al. 2017).

    Maps have the shape of the images. `explain(...).values` has `gap`, the completeness gap: how many logits the sum of
    the map is away from f(image) minus f(baseline), of several baselines their mean. It also has `points`, the number
    of points of each image, and with a tolerance `missed`, which images missed it, of which a warning tells. Attacks
    search with five points of the right rule, as the paper's training does.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        softplus: Steepness, above 0, of the softplus whose derivative ReLU passes back in place of its step (default:
            none; attacks search with 20).
        steps: Number of points, at least 1; at most 2,048 of Gauss-Legendre and 100,000 of another rule.
        rule: Quadrature rule: "gauss_legendre", "midpoint", "right" or "left".
        baseline: A value in [0, 1], an image (height, width, channels), "mean" (of each image and channel), "blur"
            (each image after a Gaussian blur), or several images (k, height, width, channels), over which maps are
            averaged.
        tolerance: Completeness gap, in logits and above 0, that is wanted at most: the number of points starts at 8 and
            doubles for the images that need it, up to `steps` (default: none, all images have `steps` points).
        at_once: Whether all points are in memory at once: for training.

    Raises:
        InputError: A setting is out of its range or unknown; when called, images and baseline differ in shape.
    """

    values = ("gap", "points")

    steps: int = field(default=64, kw_only=True)
    rule: str = field(default="gauss_legendre", kw_only=True)
    baseline: Any = field(default=0.0, kw_only=True)
    tolerance: float | None = field(default=None, kw_only=True)
    # All points in memory at once, which lets gradients through to the weights.
    at_once: bool = field(default=False, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("quadrature rule", self.rule, RULES)
        # Gauss-Legendre nodes are eigenvalues of a matrix of that side.
        most = 2048 if self.rule == "gauss_legendre" else 100_000
        check_number("steps", self.steps, minimum=1, whole=True, maximum=most)
        if self.tolerance is not None:
            check_number("tolerance", self.tolerance, minimum=0, strict=True)
        object.__setattr__(self, "baseline", check_baseline("baseline", self.baseline))

    def for_search(self) -> "IntegratedGradients":
        return replace(self, steps=SEARCHED, rule="right", tolerance=None, softplus=self.softplus or STEEPNESS)

    def for_training(self) -> Attribution:
        return replace(self.for_search(), at_once=True)

    def _numbers_of_points(self) -> list[int]:
        if self.tolerance is None:
            return [self.steps]
        fewer = [FEWEST * 2**level for level in range(20) if FEWEST * 2**level < self.steps]
        return [*fewer, self.steps]

    def judged(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.tolerance is None:
            return values
        missed = values["gap"] > self.tolerance
        if missed.any():
            warnings.warn(
                f"integrated gradients of {missed.sum()} of {len(missed)} images miss the tolerance of {self.tolerance:g} logits with "
                f"{counted(self.steps, 'point')}, by a gap of up to {values['gap'].max():.3g}: raise steps, or leave out those that "
                "explain(...).values['missed'] names",
                stacklevel=4,
            )
        return {**values, "missed": missed}

    def images_at_a_time(self, shape: tuple[int, ...]) -> int:
        return max(1, super().images_at_a_time(shape) // count_baselines(self.baseline))

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        images = model.leave(points)
        baselines = baseline_images("baseline", self.baseline, images)
        if baselines.shape[1] == 1:
            maps, logits, gaps, used = self._integrals(model, points, model.enter(baselines[:, 0]), labels)
            return Maps(maps, logits, (tf.abs(gaps), used))
        # Each way from a baseline is a row of its own.
        count, shape = tf.shape(baselines)[1], tf.shape(images)
        starts = tf.tile(tf.reshape(baselines, tf.concat([[count], shape[1:]], 0)), [shape[0], 1, 1, 1])
        repeated = tf.repeat(points, count, axis=0), model.enter(starts), tf.repeat(labels, count)
        maps, logits, gaps, used = self._integrals(model, *repeated)
        maps = tf.reduce_mean(tf.reshape(maps, tf.concat([shape[:1], [count], shape[1:]], 0)), 1)
        gaps, used = (tf.reshape(each, [-1, count]) for each in (gaps, used))
        return Maps(maps, logits[::count], (tf.abs(tf.reduce_mean(gaps, 1)), tf.reduce_max(used, 1)))

    def _integrals(
        self, model: PreparedModel, points: tf.Tensor, black: tf.Tensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Maps of the ways from `black`, one or as many, to `points`; logits, sums of maps minus the change of the logit, points used."""
        shape = model.leave(points).shape[1:]
        ways = points - black
        end = model.lift(points)
        start = model.lift(black) + tf.zeros_like(end)
        small = shape.num_elements() is not None and shape.num_elements() <= SMALL_IMAGE
        chunk_size = None if self.at_once or (small and self.steps < FEWEST) else self.points_at_a_time(tuple(shape))

        def score_of(labels: tf.Tensor) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
            def score(points: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
                with relu_gradient(model.model, "gradient", points, softplus=self.softplus):
                    return of_labels(model.logits_of_lifted(points), tf.gather(labels, at))

            return score

        everything = tf.range(tf.shape(points)[0])
        logits = model.logits_of_lifted(end)
        change = of_labels(logits, labels) - score_of(labels)(start, everything)
        maps, gaps = model.leave(tf.zeros_like(ways)), tf.zeros_like(change) + np.inf
        used = tf.zeros_like(everything)
        for positions, weights in (quadrature(self.rule, number) for number in self._numbers_of_points()):
            # Those whose gap is small enough leave.
            chosen = None if self.tolerance is None else tf.where(tf.abs(gaps) > self.tolerance)[:, 0]
            mean = mean_path_gradient(
                score_of(_take(labels, chosen)),
                _take(start, chosen),
                _take(end, chosen),
                tf.cast(positions, points.dtype),
                tf.cast(weights, points.dtype),
                chunk_size=chunk_size,
            )
            found = model.leave(_take(ways, chosen) * model.pull_back(_take(points, chosen), mean))
            found_gaps = tf.reduce_sum(found, range(1, len(found.shape))) - _take(change, chosen)
            maps, gaps = _put(maps, chosen, found), _put(gaps, chosen, found_gaps)
            used = _put(used, chosen, tf.fill(tf.shape(found_gaps), len(positions)))
        return maps, logits, gaps, used


def _take(tensor: tf.Tensor, rows: tf.Tensor | None) -> tf.Tensor:
    return tensor if rows is None else tf.gather(tensor, rows)


def _put(tensor: tf.Tensor, rows: tf.Tensor | None, values: tf.Tensor) -> tf.Tensor:
    return values if rows is None else tf.tensor_scatter_nd_update(tensor, rows[:, None], values)

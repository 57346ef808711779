"""The strong search of interpretability sneaking attacks: the least discrepancy in a ball among points at the target."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

from interp.attacks.classification import TINY, margin
from interp.attacks.loop import Evaluation, ascend
from interp.attacks.searched_maps import SearchedMaps
from interp.attacks.targeted import at_target, better
from interp.core.balls import LinfBall
from interp.discrepancy.class_discrepancy import class_discrepancy

# The first step, in radii, from which steps fall to nothing along a cosine; and the share of the last direction that the next one keeps.
FIRST_STEP, MOMENTUM = 0.1, 0.9
# What a target that is not predicted costs: this many times its margin, and the lead that it is to have, both in standard deviations of
# the clean logits, while discrepancies are in those of a map that vanishes.
PENALTY, LEAD = 3.0, 0.02


@dataclass(frozen=True)
class StrongSneaking:
    """Steps along the sign of a gradient with momentum that lower discrepancy + penalty * relu(margin + lead), from several starts.

    Maps of the classes `shown` (n, m) are `searched` by a method that changes smoothly with the image, and what each start led to is
    `judged` by the method itself. Discrepancies are divided by the ranges of clean maps, as figures report them, in the `norm` l1 or l2.
    """

    searched: SearchedMaps
    judged: SearchedMaps
    shown: tf.Tensor
    targets: tf.Tensor
    norm: str

    def improve(
        self,
        clean: tf.Tensor,
        best: tf.Tensor,
        least: tf.Tensor,
        limits: tuple[tf.Tensor, ...],
        radius: tf.Tensor,
        numbers: Mapping[str, tf.Tensor],
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Search from `best`, then from random starts; return the points of least discrepancy at the target, and that (n,).

        `least` (n,) is finite where `best` are at the target, NaN where they could not be computed; where nothing is, infinite is returned.
        `numbers` are those of the attack: search_steps, restarts and seed.
        """
        measure, judge = self._measure(self.searched, clean), self._measure(self.judged, clean)
        clean_maps, logits = self.searched(clean, self.shown)
        whole = class_discrepancy(clean_maps, tf.zeros_like(clean_maps), self.norm, normalised=True)
        spread = tf.math.reduce_std(logits, -1) + TINY
        size, steps = radius[:, None, None, None], numbers["search_steps"]

        def objective(points: tf.Tensor) -> Evaluation:
            # So the size of the gradient, which the momentum divides by, is that over the image.
            margins, distances = measure(self.searched.model.without_margin(points))
            value = tf.math.divide_no_nan(distances, whole) + PENALTY * tf.nn.relu(margins / spread + LEAD)
            # A NaN is neither: it is passed on.
            return Evaluation(-value, tf.where(margins >= 0, distances.dtype.min, -distances + 0 * margins))

        def move(points: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
            share = tf.cast(step, tf.float32) / tf.cast(steps, tf.float32)
            length = FIRST_STEP * (1 + tf.cos(math.pi * share)) / 2 * size
            return LinfBall().inside(points + length * tf.sign(gradient), limits, size)

        def search_from(number: tf.Tensor, best: tf.Tensor, least: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            start = tf.where(number == 0, best, self._draw(limits, numbers["seed"], number))
            found = ascend(objective, move, start, steps, keep_worst=True, momentum=MOMENTUM)
            return number + 1, *better(found, at_target(*judge(found)), best, least)

        cost = tf.where(tf.math.is_finite(least), judge(best)[1], least)
        _, best, least = tf.while_loop(lambda number, *_: number <= numbers["restarts"], search_from, (0, best, cost))
        return best, least

    def _measure(self, maps_of: SearchedMaps, clean: tf.Tensor) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
        """A function of points: the margin, negative where the target is predicted, and the discrepancy, both (n,)."""
        clean_maps, _ = maps_of(clean, self.shown)

        def measure(points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            maps, logits = maps_of(points, self.shown)
            return margin(logits, self.targets), class_discrepancy(clean_maps, maps, self.norm, normalised=True)

        return measure

    def _draw(self, limits: tuple[tf.Tensor, ...], seed: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """Points within the limits, drawn for each image by its place."""
        low, high = limits
        shape = low.shape[1:]

        def draw(row: tf.Tensor) -> tf.Tensor:
            place = tf.stack([seed, tf.cast(row, tf.int64)])
            return tf.random.stateless_uniform(shape, tf.random.fold_in(place, number))

        return low + (high - low) * tf.map_fn(draw, self.searched.rows, fn_output_signature=tf.TensorSpec(shape))

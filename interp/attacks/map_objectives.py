"""What a search on explanations raises: differentiable stand-ins for the measures of agreement, one class each, and one registry."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

# Up to so many positions the order of all pairs is looked at; of more, that of so many pairs an image.
FEW_POSITIONS, PAIRS = 64, 16384
# Width of the soft steps at the beginning and at the end of a search, in standard deviations of the map.
WIDEST, NARROWEST = 0.3, 0.02
_TINY = 1e-12


class ComparedMaps(NamedTuple):
    """What belongs to each image of a search: the flat clean map, the map that is to be shown, and a mask, all (n, positions)."""

    clean: tf.Tensor
    target: tf.Tensor
    mask: tf.Tensor


class Sides(NamedTuple):
    """Height, width and channels of the maps, known when a graph is built or within it, and how many positions are the strongest."""

    height: tf.Tensor
    width: tf.Tensor
    channels: tf.Tensor
    k: int


class Stage(NamedTuple):
    """How far a search is, from 0 to 1, and a number (2,) that draws of this step depend on."""

    progress: tf.Tensor
    seed: tf.Tensor


@dataclass(frozen=True)
class MapObjective(ABC):
    """How far a flat map (n, positions) is from the clean one, as a search sees it; both figures rise the further it is."""

    name: ClassVar[str]

    @abstractmethod
    def value(self, moved: tf.Tensor, maps: ComparedMaps, sides: Sides, stage: Stage) -> tf.Tensor:
        """What is raised (n,), which has a useful gradient."""

    def harm(self, moved: tf.Tensor, maps: ComparedMaps, sides: Sides, value: tf.Tensor) -> tf.Tensor:
        """By which the best iterate is chosen (n,), without a gradient."""
        return value


class Rank(MapObjective):
    """Pairs whose order is reversed, by a soft sign whose width shrinks: a Kendall tau that has a gradient.

    Of large maps pairs are drawn anew in each step, and the best iterate is chosen by the same pairs in all of them.
    """

    name = "rank"

    def value(self, moved: tf.Tensor, maps: ComparedMaps, sides: Sides, stage: Stage) -> tf.Tensor:
        width = WIDEST * (NARROWEST / WIDEST) ** stage.progress
        scale = width * tf.stop_gradient(tf.math.reduce_std(moved, -1))[:, None, None] + _TINY
        before, now = (self._differences(each, stage.seed) for each in (maps.clean, moved))
        return -tf.reduce_mean(tf.sign(before) * tf.tanh(now / scale), (1, 2))

    def harm(self, moved: tf.Tensor, maps: ComparedMaps, sides: Sides, value: tf.Tensor) -> tf.Tensor:
        before, now = (tf.sign(self._differences(each, tf.zeros([2], tf.int64))) for each in (maps.clean, moved))
        scale = tf.sqrt(tf.reduce_sum(before**2, (1, 2)) * tf.reduce_sum(now**2, (1, 2)))
        return -tf.math.divide_no_nan(tf.reduce_sum(before * now, (1, 2)), scale)

    def _differences(self, flat: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Differences (n, m, positions) of each position and m others."""
        positions = flat.shape[-1]
        if positions is not None and positions <= FEW_POSITIONS:
            return flat[:, :, None] - flat[:, None, :]
        count = tf.shape(flat)[-1]
        shifts = tf.random.stateless_uniform([tf.maximum(1, PAIRS // count)], seed, 1, count, tf.int32)
        others = (tf.range(count)[None] + shifts[:, None]) % count
        return flat[:, None] - tf.gather(flat, others, axis=1)


class Correlation(MapObjective):
    """Minus Pearson's correlation with the clean map."""

    name = "correlation"

    def value(self, moved: tf.Tensor, maps: ComparedMaps, sides: Sides, stage: Stage) -> tf.Tensor:
        return -correlation(maps.clean, moved)


class TopK(MapObjective):
    """Minus the share of the map that is at the strongest positions of the clean one (Ghorbani et al. 2019)."""

    name = "top_k"

    def value(self, moved: tf.Tensor, maps: ComparedMaps, sides: Sides, stage: Stage) -> tf.Tensor:
        there = tf.gather(moved, tf.math.top_k(maps.clean, sides.k).indices, batch_dims=1)
        return -tf.math.divide_no_nan(tf.reduce_sum(there, -1), tf.reduce_sum(tf.abs(moved), -1))


class StrongestPositions(MapObjective):
    """The k strongest positions of the clean map that fall behind the k next ones, by a soft sign whose width shrinks."""

    name = "top_k_overlap"

    def value(self, moved: tf.Tensor, maps: ComparedMaps, sides: Sides, stage: Stage) -> tf.Tensor:
        ranked = tf.math.top_k(maps.clean, tf.minimum(2 * sides.k, tf.shape(moved)[-1])).indices
        there = tf.gather(moved, ranked, batch_dims=1)
        width = WIDEST * (NARROWEST / WIDEST) ** stage.progress
        scale = width * tf.stop_gradient(tf.math.reduce_std(moved, -1))[:, None, None] + _TINY
        # Empty where all positions are among the strongest.
        lead = tf.tanh((there[:, : sides.k, None] - there[:, None, sides.k :]) / scale)
        return -tf.math.divide_no_nan(
            tf.reduce_sum(lead, (1, 2)), tf.cast(tf.reduce_prod(tf.shape(lead)[1:]), tf.float32)
        )

    def harm(self, moved: tf.Tensor, maps: ComparedMaps, sides: Sides, value: tf.Tensor) -> tf.Tensor:
        least = tf.math.top_k(moved, sides.k).values[:, -1:]
        there = tf.gather(moved, tf.math.top_k(maps.clean, sides.k).indices, batch_dims=1)
        shared = tf.reduce_mean(tf.cast(there >= least, tf.float32), -1)
        # The soft figure decides among those that share equally many.
        return -shared + 0.1 * value / sides.k


class Centre(MapObjective):
    """How far the centre of mass of the magnitudes has moved (Ghorbani et al. 2019)."""

    name = "centre"

    def value(self, moved: tf.Tensor, maps: ComparedMaps, sides: Sides, stage: Stage) -> tf.Tensor:
        shift = self._centre(moved, sides) - self._centre(maps.clean, sides)
        # A square has a gradient where nothing has moved yet.
        return tf.reduce_sum(shift**2, -1)

    def _centre(self, flat: tf.Tensor, sides: Sides) -> tf.Tensor:
        mass = tf.reshape(tf.abs(flat), [-1, sides.height, sides.width, sides.channels])
        mass = tf.math.divide_no_nan(mass, tf.reduce_sum(mass, (1, 2, 3), keepdims=True))
        row, column = (
            (tf.range(tf.cast(side, tf.float32)) + 0.5) / tf.cast(side, tf.float32)
            for side in (sides.height, sides.width)
        )
        return tf.stack(
            [
                tf.reduce_sum(mass * row[None, :, None, None], (1, 2, 3)),
                tf.reduce_sum(mass * column[None, None, :, None], (1, 2, 3)),
            ],
            -1,
        )


class Target(MapObjective):
    """Minus the mean squared difference from the target map, both brought to mean 0 and variance 1 (Dombrowski et al. 2019)."""

    name = "target"

    def value(self, moved: tf.Tensor, maps: ComparedMaps, sides: Sides, stage: Stage) -> tf.Tensor:
        return 2 * correlation(maps.target, moved) - 2


class Mass(MapObjective):
    """Minus the share of the magnitudes inside of the mask."""

    name = "mass"

    def value(self, moved: tf.Tensor, maps: ComparedMaps, sides: Sides, stage: Stage) -> tf.Tensor:
        mass = tf.abs(moved)
        return -tf.math.divide_no_nan(tf.reduce_sum(mass * maps.mask, -1), tf.reduce_sum(mass, -1))


OBJECTIVES: dict[str, MapObjective] = {
    each.name: each for each in (Rank(), Correlation(), TopK(), StrongestPositions(), Centre(), Target(), Mass())
}


def correlation(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Pearson's correlation (n,) of flat maps (n, positions); 0 where one is constant."""
    one, other = (each - tf.reduce_mean(each, -1, keepdims=True) for each in (one, other))
    # Divided by the largest first: squares of small maps would underflow.
    one, other = (tf.math.divide_no_nan(each, tf.stop_gradient(_largest(each))) for each in (one, other))
    scale = tf.sqrt(tf.maximum(tf.reduce_sum(one**2, -1) * tf.reduce_sum(other**2, -1), np.float32(1e-20)))
    return tf.reduce_sum(one * other, -1) / scale


def _largest(flat: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(tf.abs(flat), -1, keepdims=True)

"""What the Square attack tries at a step (Andriushchenko et al. 2020): squares in an linf ball, moved mass in an l2 ball."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from interp.models.prepared import PreparedModel

# The share of pixels that a square covers is halved after these shares of all steps.
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
# The l2 attack starts at so many tiles a side, and its windows have no fewer pixels a side than the last.
TILES, LEAST_WINDOW = 5, 3


class Surroundings(NamedTuple):
    """What a move needs to know of each image: its ball, and a number of 64 random bits that its draws depend on."""

    limits: tuple[tf.Tensor, ...]
    key: tf.Tensor  # (n,), int64


class Moves(ABC):
    """The moves of one norm. Places are drawn for each step, the same for all images; colours and signs for each image, too.

    A state says where an image is, in the form that moves are cheap in.
    """

    @abstractmethod
    def state(self, points: tf.Tensor, limits: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """The state of given points."""

    @abstractmethod
    def points(self, state: tf.Tensor, limits: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """The points of a state."""

    @abstractmethod
    def tried(self, number: tf.Tensor, state: tf.Tensor, around: Surroundings) -> tf.Tensor:
        """The state to try at a step, from the best so far."""


class Squares(Moves):
    """One square whose pixels go to one end of their range or the other, by channel.

    A state (n, p) says how far from the lower to the upper end each pixel is, in [0, 1].
    """

    def __init__(
        self, forward: PreparedModel, shape: tuple[int, int, int], steps: int, share: float, seed: tf.Tensor
    ) -> None:
        height, width, channels = shape
        sides = square_sides(height, width, steps, share)
        self._sides = tf.constant(sides)
        self._corners = 1 + _corners(sides, (height, width), seed)
        self._masks = _masks(steps, channels, seed)
        # Row and column, counted from 1, and channel of each value of a point; what is added around images is in row 0.
        indices = np.meshgrid(np.arange(height) + 1, np.arange(width) + 1, np.arange(channels), indexing="ij")
        places = [forward.enter(tf.constant(index[None], tf.float32)) for index in indices]
        self._shape = places[0].shape[1:]
        row, column, channel = (tf.reshape(tf.cast(place, tf.int32), [-1]) for place in places)
        self._row, self._column, self._channel = row, column, tf.transpose(tf.one_hot(channel, channels))

    def state(self, points: tf.Tensor, limits: tuple[tf.Tensor, ...]) -> tf.Tensor:
        lower, upper = limits
        return tf.reshape(tf.math.divide_no_nan(points - lower, upper - lower), (-1, self._row.shape[0]))

    def points(self, state: tf.Tensor, limits: tuple[tf.Tensor, ...]) -> tf.Tensor:
        lower, upper = limits
        # Clipped, because the sum may be rounded out of the range.
        return tf.minimum(lower + tf.reshape(state, (-1, *self._shape)) * (upper - lower), upper)

    def tried(self, number: tf.Tensor, state: tf.Tensor, around: Surroundings) -> tf.Tensor:
        first, last = self._corners[number], self._corners[number] + self._sides[number]
        inside = (self._row >= first[0]) & (self._row < last[0])
        inside = tf.cast(inside & (self._column >= first[1]) & (self._column < last[1]), tf.float32)
        # Products with 0 and 1: many times as fast as choosing among booleans of different shapes.
        square = self._channel * inside
        end = tf.cast(_bits(around.key, self._masks[number]), tf.float32)
        there = tf.matmul(state, square, transpose_b=True)
        # A square that is there already would be a wasted query: its opposite is tried.
        new = tf.reduce_any(there != end * tf.cast(self._sides[number] ** 2, tf.float32), -1, keepdims=True)
        return state * (1 - inside) + tf.matmul(tf.where(new, end, 1 - end), square)


class MovedMass(Moves):
    """The mass of one window, and what is left to the radius, goes to another one, on top of a bump there of two opposite halves."""

    def __init__(
        self, shape: tuple[int, int, int], epsilon: tf.Tensor, steps: int, share: float, seed: tf.Tensor
    ) -> None:
        height, width, self._channels = shape
        self._epsilon, self._sizes = epsilon, (height, width)
        sides = square_sides(height, width, steps, share)
        sides = np.minimum(np.maximum(sides, LEAST_WINDOW) // 2 * 2 + 1, min(height, width)).astype(np.int32)
        distinct = np.unique(sides)
        self._sides, self._which = tf.constant(sides), tf.constant(np.searchsorted(distinct, sides), tf.int32)
        self._corners = _corners(sides, (height, width) * 2, seed)
        self._masks = _masks(steps, self._channels + 1, seed)
        bumps = np.zeros((len(distinct), 2, height, width), np.float32)
        for number, side in enumerate(distinct):
            bumps[number, 0, :side, :side] = bump(side)
            bumps[number, 1, :side, :side] = bump(side).T
        self._bumps = tf.constant(bumps)

    def state(self, points: tf.Tensor, limits: tuple[tf.Tensor, ...]) -> tf.Tensor:
        return points

    def points(self, state: tf.Tensor, limits: tuple[tf.Tensor, ...]) -> tf.Tensor:
        return state

    def tried(self, number: tf.Tensor, state: tf.Tensor, around: Surroundings) -> tf.Tensor:
        (centre,) = around.limits
        change, corner = state - centre, self._corners[number]
        here, there = (self._window(first, self._sides[number]) for first in (corner[:2], corner[2:]))
        bits = _bits(around.key, self._masks[number])
        form = tf.gather(self._bumps[self._which[number]], tf.cast(bits[:, -1], tf.int32))
        form = tf.roll(form, corner[:2], (1, 2))[..., None] * _signs(bits[:, None, None, :-1])
        square = change**2
        unused = tf.nn.relu(self._epsilon**2 - tf.reduce_sum(square, (1, 2, 3), keepdims=True))
        size = tf.reduce_sum(square * here, (1, 2), keepdims=True)
        available = tf.reduce_sum(square * tf.maximum(here, there), (1, 2), keepdims=True) + unused / self._channels
        form += tf.math.divide_no_nan(change * here, tf.sqrt(size))
        form *= tf.math.divide_no_nan(tf.sqrt(available), tf.sqrt(tf.reduce_sum(form**2, (1, 2), keepdims=True)))
        return tf.clip_by_value(centre + tf.where(here > 0, form, change * (1 - there)), 0.0, 1.0)

    def _window(self, first: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
        rows, columns = (
            (tf.range(length) >= first[axis]) & (tf.range(length) < first[axis] + side)
            for axis, length in enumerate(self._sizes)
        )
        return tf.cast(rows[:, None] & columns[None], tf.float32)[None, :, :, None]


def draw_keys(count: int, seed: int) -> tf.Tensor:
    """A number of 64 random bits for each image (n,), int64."""
    return _whole_numbers([count], (seed, 1))


def stripes(images: tf.Tensor, epsilon: float, seed: int) -> tf.Tensor:
    """Where the linf attack starts: vertical stripes of +-eps by channel."""
    count, _, width, channels = images.shape
    drawn = tf.random.stateless_uniform((count, 1, width, channels), (seed, 0)) < 0.5
    return tf.clip_by_value(images + epsilon * _signs(drawn), 0.0, 1.0)


def tiles(images: tf.Tensor, epsilon: float, seed: int) -> tf.Tensor:
    """Where the l2 attack starts: bumps beside each other, of a sign by channel each, of length eps together."""
    count, height, width, channels = images.shape
    side = max(min(height, width) // TILES, 1)
    down, across = height // side, width // side
    drawn = _signs(tf.random.stateless_uniform((count, down, across, channels), (seed, 0)) < 0.5)
    drawn = tf.repeat(tf.repeat(drawn, side, axis=1), side, axis=2)
    pattern = np.tile(bump(side), (down, across)).astype(np.float32)[None, :, :, None]
    before = (height - down * side) // 2, (width - across * side) // 2
    pads = [
        (first, length - size * side - first)
        for first, length, size in zip(before, (height, width), (down, across), strict=True)
    ]
    change = tf.pad(drawn * pattern, [(0, 0), *pads, (0, 0)])
    size = tf.sqrt(tf.reduce_sum(change**2, (1, 2, 3), keepdims=True))
    return tf.clip_by_value(images + epsilon * tf.math.divide_no_nan(change, size), 0.0, 1.0)


def bump(side: int) -> np.ndarray:
    """Two hills of opposite signs above each other, (side, side), of length 1; one hill where there is no room for two."""

    def hill(height: int) -> np.ndarray:
        # Squares around the middle, each adding 1 / k^2 where k is half its side.
        row, column = (np.abs(np.arange(length) - length // 2) for length in (height, side))
        terms = 1.0 / np.arange(1, max(height, side) // 2 + 2) ** 2
        return np.cumsum(terms[::-1])[::-1][np.maximum(row[:, None], column[None])]

    if side == 1:
        return np.ones((1, 1), np.float32)
    upper = side // 2
    both = np.concatenate([hill(upper), -hill(side - upper)])
    return (both / np.linalg.norm(both)).astype(np.float32)


def square_sides(height: int, width: int, steps: int, share: float) -> np.ndarray:
    """Sides (steps,) of the squares in pixels."""
    at = np.arange(steps) / steps
    shares = share / 2.0 ** np.searchsorted(HALVINGS, at, side="left")
    sides = np.round(np.sqrt(shares * height * width)).astype(np.int32)
    return np.clip(sides, 1, min(height, width))


def _corners(sides: np.ndarray, sizes: tuple[int, ...], seed: tf.Tensor) -> tf.Tensor:
    """First rows and columns (steps, len(sizes)), drawn uniformly, of squares of these `sides` in images of these `sizes`."""
    ranges = np.asarray(sizes, np.int32)[None] - sides[:, None] + 1
    drawn = tf.random.stateless_uniform(ranges.shape, tf.stack([seed, 2]))
    return tf.minimum(tf.cast(drawn * tf.constant(ranges, tf.float32), tf.int32), ranges - 1)


def _masks(steps: int, count: int, seed: tf.Tensor) -> tf.Tensor:
    return _whole_numbers([steps, count], tf.stack([seed, 3]))


def _whole_numbers(shape: list[int], seed: Any) -> tf.Tensor:
    return tf.random.stateless_uniform(shape, seed, None, None, tf.int64)


def _bits(keys: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
    """Random booleans (n, count) of each key (n,) and mask (count,): whether the bits that both have are odd in number.

    So nothing is stored for the steps to come, and it does not matter which images are left.
    """
    common = tf.raw_ops.PopulationCount(x=keys[:, None] & masks[None])
    return tf.cast(common & 1, tf.bool)


def _signs(up: tf.Tensor) -> tf.Tensor:
    return tf.where(up, 1.0, -1.0)

"""Searches for points whose explanation is another one while the prediction stays: along a gradient, and by squares without one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.attack import numbers, static, structure
from interp.attacks.classification import margin
from interp.attacks.loop import heavy_ball, worse
from interp.attacks.map_objectives import OBJECTIVES, ComparedMaps, Sides, Stage
from interp.attacks.searched_maps import flat, method_key
from interp.attacks.square_moves import MovedMass, Squares, Surroundings
from interp.attributions import Attribution
from interp.attributions.registry import find_attribution
from interp.core.balls import find_ball
from interp.core.compiled import bind_for, run_in_batches
from interp.models.prepared import PreparedModel, prepare

# Steps are a quarter of the radius at first and fall to nothing along a cosine; each keeps so much of the direction before it.
FIRST_STEP, MOMENTUM = 0.25, 0.5
# What losing the class costs: this many times the margin of another one and this lead, in standard deviations of the logits.
PENALTY, LEAD = 10.0, 0.02
# A class that is to be kept must lead by so much, so that rounding does not decide.
LEAST_LEAD = 1e-4
SHARE_OF_SQUARES = 0.3
FREE = -1


class Searched(NamedTuple):
    """The rows of a search: images, the labels whose maps move, the classes to predict (FREE for any), their places among all images.

    `targets` and `masks` are maps of the shape of the explanation's, flat: what is to be shown, and where mass counts.
    """

    images: tf.Tensor
    labels: tf.Tensor
    classes: tf.Tensor
    places: tf.Tensor
    targets: tf.Tensor
    masks: tf.Tensor


@dataclass(frozen=True, kw_only=True)
class MapSearch:
    """What searches on an explanation share: the ball, the explanation, how its maps are read, how many positions are the strongest.

    `magnitude` reads a map as the sum of its magnitudes over the channels, else it is read as it is.
    """

    epsilon: float
    norm: str = static("linf")
    explanation: str | Attribution = static("cam", key=method_key)
    magnitude: bool = static(False)
    k: int = static(8)

    def _call(
        self, search: Any, model: keras.Model, name: str, rows: Searched, arrays: tuple[tf.Tensor, ...], batch_size: int
    ) -> list[np.ndarray]:
        given = (*rows, *arrays)

        def run(*arguments: Any) -> tuple[tf.Tensor, ...]:
            *tensors, scalars = arguments
            return search(model, Searched(*tensors[: len(rows)]), tensors[len(rows) :], scalars)

        compiled = bind_for(model, (name, structure(self)), run, given, numbers(self))
        return [points.numpy() for points in run_in_batches(compiled, given, batch_size)]


@dataclass(frozen=True, kw_only=True)
class GradientSearch(MapSearch):
    """Ascends the objective of each row from a given start; returns each row's best iterate, and the last one."""

    steps: int

    def __call__(
        self, model: keras.Model, rows: Searched, starts: tf.Tensor, which: tf.Tensor, seed: int, batch_size: int
    ) -> list[np.ndarray]:
        """Search (n rows) from `starts`; `which` (n, objectives) is 1 for the objective of a row, in the order of OBJECTIVES, else 0."""
        seeds = tf.fill([len(starts)], tf.constant(seed, tf.int64))
        return self._call(self._search, model, "gradient", rows, (starts, which, seeds), batch_size)

    def _search(
        self, model: keras.Model, rows: Searched, arrays: list[tf.Tensor], numbers: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, ...]:
        starts, which, seeds = arrays
        epsilon, steps, ball = numbers["epsilon"], numbers["steps"], find_ball(self.norm)
        seen = _Seen(self, prepare(model, rearrange=ball.pixelwise), rows)
        project = ball.projection(rows.images, epsilon, seen.model.enter)
        seed = seeds[0]

        def body(step: tf.Tensor, state: _Climb) -> tuple[tf.Tensor, _Climb]:
            progress = tf.cast(step / steps, tf.float32)
            stage = Stage(progress, tf.stack([seed, tf.cast(step, tf.int64)]))
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(state.points)
                value, harm = seen.judge(state.points, which, stage)
            gradient = tape.gradient(value, state.points, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            # Where a map has a kink, its gradient may be none; a network whose gradients are none everywhere is flagged.
            gradient = seen.model.without_margin(tf.where(tf.math.is_finite(gradient), gradient, 0.0))
            worst, most = worse(state.points, harm, state.worst, state.harm)
            velocity = heavy_ball(gradient, state.velocity, MOMENTUM)
            size = FIRST_STEP * epsilon * (1 + tf.cos(np.pi * progress)) / 2
            moved = tf.ensure_shape(project(state.points + size * ball.steepest(velocity)), state.points.shape)
            return step + 1, _Climb(moved, velocity, worst, most)

        start = seen.model.enter(starts)
        none = tf.fill([tf.shape(starts)[0]], starts.dtype.min)
        first = _Climb(start, tf.zeros_like(start), start, none)
        _, last = tf.while_loop(lambda step, _: step < steps, body, (0, first))
        _, harm = seen.judge(last.points, which, Stage(tf.constant(1.0), tf.zeros([2], tf.int64)))
        best, _ = worse(last.points, harm, last.worst, last.harm)
        return seen.model.leave(best), seen.model.leave(last.points)


@dataclass(frozen=True, kw_only=True)
class SquareSearch(MapSearch):
    """The moves of the Square attack, kept where they move the map further: asks for maps and logits, and for no gradient of them."""

    steps: int = static()

    def __call__(
        self,
        model: keras.Model,
        rows: Searched,
        starts: tf.Tensor,
        keys: tf.Tensor,
        which: tf.Tensor,
        seed: int,
        batch_size: int,
    ) -> np.ndarray:
        """Search (n rows) from `starts`, with a number of 64 random bits for each (square_moves.draw_keys)."""
        seeds = tf.fill([len(starts)], tf.constant(seed, tf.int64))
        return self._call(self._search, model, "squares", rows, (starts, keys, which, seeds), batch_size)[0]

    def _search(
        self, model: keras.Model, rows: Searched, arrays: list[tf.Tensor], numbers: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, ...]:
        starts, keys, which, seeds = arrays
        epsilon, ball, shape = numbers["epsilon"], find_ball(self.norm), tuple(rows.images.shape[1:])
        seen = _Seen(self, prepare(model, rearrange=ball.pixelwise), rows, softened=False)
        settings = self.steps, SHARE_OF_SQUARES, seeds[0]
        moves = Squares(seen.model, shape, *settings) if self.norm == "linf" else MovedMass(shape, epsilon, *settings)
        limits = ball.limits(rows.images, epsilon, seen.model.enter)
        stage = Stage(tf.constant(1.0), tf.zeros([2], tf.int64))

        def harm_of(state: tf.Tensor) -> tf.Tensor:
            return seen.judge(moves.points(state, limits), which, stage)[1]

        def body(number: tf.Tensor, state: tf.Tensor, harm: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            tried = tf.ensure_shape(moves.tried(number, state, Surroundings(limits, keys)), state.shape)
            return number + 1, *worse(tried, harm_of(tried), state, harm)

        first = moves.state(seen.model.enter(starts), limits)
        _, state, _ = tf.while_loop(lambda number, *_: number < self.steps, body, (0, first, harm_of(first)))
        return (seen.model.leave(moves.points(state, limits)),)


class _Climb(NamedTuple):
    points: tf.Tensor
    velocity: tf.Tensor
    worst: tf.Tensor
    harm: tf.Tensor


class _Seen:
    """The maps of a batch as a search sees them, for use inside its compiled function."""

    def __init__(self, search: MapSearch, model: PreparedModel, rows: Searched, *, softened: bool = True) -> None:
        method = find_attribution(search.explanation)
        self.model, self._rows, self._magnitude = model, rows, search.magnitude
        entered = model.enter(rows.images)
        maps, logits, _ = method.maps(model, entered, rows.labels[:, None], rows.places)
        self._spread = tf.math.reduce_std(logits, -1) + 1e-12
        self._searched = method.for_search() if softened else method
        clean = read_maps(maps[:, 0], search.magnitude)
        shape = tf.shape(clean)
        self._sides = Sides(shape[1], shape[2], shape[3], search.k)
        self._maps = ComparedMaps(flat(clean[:, None])[:, 0], rows.targets, rows.masks)

    def judge(self, points: tf.Tensor, which: tf.Tensor, stage: Stage) -> tuple[tf.Tensor, tf.Tensor]:
        """What is raised, and the harm (n,), least where another class than the one to keep is predicted."""
        rows = self._rows
        maps, logits, _ = self._searched.maps(self.model, points, rows.labels[:, None], rows.places)
        moved = flat(read_maps(maps[:, 0], self._magnitude)[:, None])[:, 0]
        values = [each.value(moved, self._maps, self._sides, stage) for each in OBJECTIVES.values()]
        harms = [
            each.harm(moved, self._maps, self._sides, value)
            for each, value in zip(OBJECTIVES.values(), values, strict=True)
        ]
        held = rows.classes >= 0
        over = tf.where(held, margin(logits, tf.maximum(rows.classes, 0)) / self._spread, -np.inf)
        # Products with 0 would pass NaN on from objectives that the row does not have.
        value = _chosen(values, which) - PENALTY * tf.nn.relu(over + LEAD)
        # What the measures make nothing of is no success: a map of one value everywhere.
        valid = (over < -LEAST_LEAD) & (tf.reduce_max(moved, -1) > tf.reduce_min(moved, -1))
        return value, tf.where(valid, _chosen(harms, which), np.float32(np.finfo(np.float32).min) / 2)


def read_maps(maps: tf.Tensor, magnitude: bool) -> tf.Tensor:
    """Maps (n, height, width) or with channels as (n, height, width, channels); with `magnitude` one channel of the sum of magnitudes."""
    if maps.shape.rank == 3:
        maps = maps[..., None]
    return tf.reduce_sum(tf.abs(maps), -1, keepdims=True) if magnitude else maps


def _chosen(values: list[tf.Tensor], which: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.where(which > 0, tf.stack(values, -1), 0.0), -1)

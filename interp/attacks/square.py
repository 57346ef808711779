"""The Square attack: random search without gradients (Andriushchenko et al. 2020, arXiv 1912.00049)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from interp.attacks.attack import Batch, PredictionAttack, static
from interp.attacks.goals import Classes
from interp.attacks.loop import choose, until_broken, worse
from interp.core.balls import LinfBall
from interp.core.checks import MOST_STEPS, check_number, check_radius
from interp.core.errors import InputError
from interp.models.prepared import PreparedModel, prepare

# The share of pixels that a square covers is halved after these shares of all steps.
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, kw_only=True)
class Square(PredictionAttack):
    """Random squares of +-`epsilon` per channel, kept where they raise the margin towards the `goal`; black box, in the l_inf ball.

    It starts at vertical stripes of +-eps and asks for `steps` logits an image, fewer once the goal is reached; `share` of the pixels
    are in the first squares. What gradients miss because they are masked, this finds. Raises InputError.
    """

    epsilon: float
    steps: int = static(1000)
    share: float = static(0.8)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_radius("epsilon", self.epsilon)
        check_number("steps", self.steps, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("share", self.share, minimum=0, strict=True)
        if self.share > 1:
            raise InputError(f"share came as {self.share}, expected at most 1")

    def _starts(self, images: tf.Tensor, seed: int) -> Iterator[tuple[tf.Tensor, ...]]:
        count, _, width, channels = images.shape
        # Drawn for all images before they are cut into batches, so that the cut does not change the result.
        stripes = tf.random.stateless_uniform((count, 1, width, channels), (seed, 0))
        squares = tf.random.stateless_uniform((count, self.steps, 2 + channels), (seed, 1))
        yield stripes, squares

    def _run(self, batch: Batch) -> tf.Tensor:
        forward = prepare(batch.model, rearrange=True)
        stripes, squares = batch.draws
        height, width, channels = batch.images.shape[1:]
        entered = forward.enter(batch.images)
        limits = LinfBall().limits(batch.images, batch.numbers["epsilon"], forward.enter)
        sides = tf.constant(square_sides(height, width, self.steps, self.share))
        # Every pixel is at one end of its range or the other, so the search is one over flat arrays of 0 and 1.
        row, column, channel = _places(forward, height, width, channels)

        def picture(ends: tf.Tensor, limits: tuple[tf.Tensor, ...]) -> tf.Tensor:
            lower, upper = limits
            return tf.where(tf.reshape(ends, tf.shape(lower)) > 0.5, upper, lower)

        def harm_at(points: tf.Tensor, classes: Classes) -> tf.Tensor:
            return self.goal.harm(forward.logits(points), classes)

        def step(number: tf.Tensor, rows: _Rows) -> _Rows:
            drawn, side, ends = rows.squares[:, number], sides[number], rows.worst
            inside = _at(_covered(drawn[:, 0], side, height), row) * _at(_covered(drawn[:, 1], side, width), column)
            end = _at(tf.round(drawn[:, 2:]), channel)
            # A square that is there already would be a wasted query: its opposite is tried.
            new = tf.reduce_any(inside * (end - ends) != 0, -1, keepdims=True)
            tried = ends + inside * (tf.where(new, end, 1 - end) - ends)
            worst, harm = worse(tried, harm_at(picture(tried, rows.limits), rows.classes), ends, rows.harm)
            return rows._replace(worst=worst, harm=harm)

        striped = forward.enter(tf.broadcast_to(tf.round(stripes), tf.shape(batch.images)))
        start = tf.reshape(striped, (-1, row.shape[0]))
        clean, first = (harm_at(points, batch.classes) for points in (entered, picture(start, limits)))
        # An image that is there already stays as it is.
        rows = _Rows(batch.classes, limits, squares, start, tf.where(clean < 0, first, clean))
        ends, _ = until_broken(step, rows, self.steps, segment=20)
        return forward.leave(choose(clean < 0, picture(ends, limits), entered))


class _Rows(NamedTuple):
    """What belongs to each image: the limits of its pixels, the squares drawn for it, and at which limit each pixel is at its worst."""

    classes: Classes
    limits: tuple[tf.Tensor, ...]
    squares: tf.Tensor
    worst: tf.Tensor
    harm: tf.Tensor


def square_sides(height: int, width: int, steps: int, share: float) -> np.ndarray:
    """Sides (steps,) of the squares in pixels."""
    at = np.arange(steps) / steps
    shares = share / 2.0 ** np.searchsorted(HALVINGS, at, side="left")
    sides = np.round(np.sqrt(shares * height * width)).astype(np.int32)
    return np.clip(sides, 1, min(height, width))


def _places(forward: PreparedModel, height: int, width: int, channels: int) -> list[tf.Tensor]:
    """Row and column, counted from 1, and channel of each value of flat points (p,); what is added around images is in row 0."""
    indices = np.meshgrid(np.arange(height) + 1, np.arange(width) + 1, np.arange(channels), indexing="ij")
    return [
        tf.cast(tf.reshape(forward.enter(tf.constant(index[None], tf.float32)), [-1]), tf.int32) for index in indices
    ]


def _at(lines: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Values of the lines (n, m) at the places (p,), shape (n, p); gathered along the first axis, which is several times faster."""
    return tf.transpose(tf.gather(tf.transpose(lines), places))


def _covered(position: tf.Tensor, side: tf.Tensor, length: int) -> tf.Tensor:
    """1 for those of lines 0 to `length` that a square covers which starts at the `position` in [0, 1) (n,) of its range from 1 on."""
    first = 1 + tf.cast(position * tf.cast(length - side + 1, tf.float32), tf.int32)[:, None]
    line = tf.range(length + 1)[None]
    return tf.cast((line >= first) & (line < first + side), tf.float32)

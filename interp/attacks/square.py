"""The Square attack: random search without gradients (Andriushchenko et al. 2020, arXiv 1912.00049)."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.attack import Attack
from interp.attacks.classification import margin
from interp.attacks.loop import Rows, until_broken, worse
from interp.core.balls import LinfBall
from interp.core.checks import check_number
from interp.core.errors import InputError
from interp.models.forward import prepare_forward

# The share of pixels that a square covers is halved after these shares of all steps.
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, kw_only=True)
class Square(Attack):
    """Random squares of +-`epsilon` per channel, kept where they raise the margin; black box, in the l_inf ball.

    It starts at vertical stripes of +-eps and asks for `steps` logits an image, fewer once the image is misclassified; `share` of
    the pixels are in the first squares. What gradients miss because they are masked, this finds. Raises InputError.
    """

    epsilon: float
    steps: int = 1000
    share: float = 0.8

    def __post_init__(self) -> None:
        check_number("epsilon", self.epsilon, minimum=0)
        check_number("steps", self.steps, minimum=1, whole=True)
        check_number("share", self.share, minimum=0, strict=True)
        if self.share > 1:
            raise InputError(f"share came as {self.share}, expected at most 1")

    @property
    def _leaves_broken(self) -> bool:
        return True

    def _starts(self, images: tf.Tensor, seed: int) -> Iterator[tuple[tf.Tensor, ...]]:
        count, _, width, channels = images.shape
        # Drawn for all images before they are cut into batches, so that the cut does not change the result.
        stripes = tf.random.stateless_uniform((count, 1, width, channels), (seed, 0))
        squares = tf.random.stateless_uniform((count, self.steps, 2 + channels), (seed, 1))
        yield stripes, squares

    def _structure(self) -> Hashable:
        return self.steps, self.share

    def _numbers(self) -> tuple[float | int, ...]:
        return (float(self.epsilon),)

    def _run(
        self,
        model: keras.Model,
        images: tf.Tensor,
        labels: tf.Tensor,
        draws: tuple[tf.Tensor, ...],
        *numbers: tf.Tensor,
    ) -> tf.Tensor:
        forward = prepare_forward(model, rearrange=True)
        stripes, squares = draws
        height, width = images.shape[1:3]
        lower, upper = LinfBall().limits(images, numbers[0])
        sides = tf.constant(square_sides(height, width, self.steps, self.share))

        def step(number: tf.Tensor, rows: Rows) -> Rows:
            drawn, side = rows["squares"][:, number], sides[number]
            inside_rows = _inside(drawn[:, 0], side, height)[:, :, None, None]
            inside_columns = _inside(drawn[:, 1], side, width)[:, None, :, None]
            value = tf.where(drawn[:, None, None, 2:] < 0.5, rows["lower"], rows["upper"])
            tried = tf.where(inside_rows & inside_columns, value, rows["worst"])
            found = margin(forward.classify(tried), rows["labels"])
            worst, harm = worse(tried, found, rows["worst"], rows["harm"])
            return {**rows, "worst": worst, "harm": harm}

        striped = tf.where(stripes < 0.5, lower, upper)
        # A misclassified image stays as it is.
        clean = margin(forward.classify(images), labels)
        start = tf.where((clean < 0)[:, None, None, None], striped, images)
        harm = tf.where(clean < 0, margin(forward.classify(striped), labels), clean)
        rows = {"labels": labels, "lower": lower, "upper": upper, "squares": squares, "worst": start, "harm": harm}
        return until_broken(step, rows, self.steps, segment=20)[0]


def square_sides(height: int, width: int, steps: int, share: float) -> np.ndarray:
    """Sides (steps,) of the squares in pixels."""
    at = np.arange(steps) / steps
    shares = share / 2.0 ** np.searchsorted(HALVINGS, at, side="left")
    sides = np.round(np.sqrt(shares * height * width)).astype(np.int32)
    return np.clip(sides, 1, min(height, width))


def _inside(position: tf.Tensor, side: tf.Tensor, length: int) -> tf.Tensor:
    """Which of `length` pixels (n, length) a stretch of `side` covers that starts at the `position` in [0, 1) (n,) of its range."""
    first = tf.cast(position * tf.cast(length - side + 1, tf.float32), tf.int32)[:, None]
    pixels = tf.range(length)[None]
    return (pixels >= first) & (pixels < first + side)

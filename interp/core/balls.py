"""Norm balls: random points, steepest steps, projections."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import tensorflow as tf

from interp.core.errors import check_choice

# Keeps the direction of an image whose gradient vanishes at zero instead of 0/0.
_TINY = 1e-30

Rearrange = Callable[[tf.Tensor], tf.Tensor]


def _as_it_is(points: tf.Tensor) -> tf.Tensor:
    return points


class Ball(ABC):
    """A norm ball around each image of a batch (n, height, width, channels); `epsilon` is its radius."""

    pixelwise: ClassVar[bool]

    @abstractmethod
    def random(self, shape: tf.Tensor, epsilon: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Points drawn uniformly from the ball around zero, the same for the same seed (2,)."""

    @abstractmethod
    def steepest(self, gradient: tf.Tensor) -> tf.Tensor:
        """The direction of norm 1 along which a linear function with this gradient grows fastest."""

    @abstractmethod
    def size(self, change: tf.Tensor) -> tf.Tensor:
        """The norm (n,) of each change (n, height, width, channels), in any arrangement of its pixels."""

    @abstractmethod
    def limits(self, centre: tf.Tensor, epsilon: tf.Tensor, layout: Rearrange = _as_it_is) -> tuple[tf.Tensor, ...]:
        """What `inside` needs to know of each image `centre`, which lies in [0, 1], computed once for many projections.

        `layout` says how the points' pixels are arranged: anything for a `pixelwise` ball, which treats every pixel alone.
        """

    @abstractmethod
    def inside(self, points: tf.Tensor, limits: tuple[tf.Tensor, ...], epsilon: tf.Tensor) -> tf.Tensor:
        """Project points onto the ball that the limits are of, and onto [0, 1]."""

    def projection(self, centre: tf.Tensor, epsilon: tf.Tensor, layout: Rearrange = _as_it_is) -> Rearrange:
        """The projection of points onto the ball around `centre` and [0, 1]."""
        limits = self.limits(centre, epsilon, layout)
        return lambda points: self.inside(points, limits, epsilon)

    def random_point(self, images: tf.Tensor, epsilon: float, seed: tuple[int, int]) -> tf.Tensor:
        """A point drawn uniformly from the ball around each image, projected onto [0, 1]."""
        radius = tf.constant(epsilon, tf.float32)
        offset = self.random(tf.shape(images), radius, tf.constant(seed, tf.int64))
        return self.project(images + offset, images, radius)

    def project(self, points: tf.Tensor, centre: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
        """Project `points` once."""
        return self.projection(centre, epsilon)(points)


class LinfBall(Ball):
    """Largest absolute difference."""

    pixelwise = True

    def random(self, shape: tf.Tensor, epsilon: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform(shape, seed, -epsilon, epsilon)

    def steepest(self, gradient: tf.Tensor) -> tf.Tensor:
        return tf.sign(gradient)

    def size(self, change: tf.Tensor) -> tf.Tensor:
        return tf.reduce_max(tf.abs(change), (1, 2, 3))

    def limits(self, centre: tf.Tensor, epsilon: tf.Tensor, layout: Rearrange = _as_it_is) -> tuple[tf.Tensor, ...]:
        return layout(tf.maximum(centre - epsilon, 0.0)), layout(tf.minimum(centre + epsilon, 1.0))

    def inside(self, points: tf.Tensor, limits: tuple[tf.Tensor, ...], epsilon: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(points, *limits)


class L2Ball(Ball):
    """Euclidean distance over all pixels and channels."""

    pixelwise = False

    def random(self, shape: tf.Tensor, epsilon: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        direction = self.steepest(tf.random.stateless_normal(shape, seed))
        dimensions = tf.cast(tf.reduce_prod(shape[1:]), tf.float32)
        volume = tf.random.stateless_uniform([shape[0], 1, 1, 1], seed + 1)
        return epsilon * direction * volume ** (1 / dimensions)

    def steepest(self, gradient: tf.Tensor) -> tf.Tensor:
        # Dividing by the largest entry first keeps the squares of tiny gradients from underflowing.
        largest = tf.reduce_max(tf.abs(gradient), (1, 2, 3), keepdims=True)
        scaled = tf.math.divide_no_nan(gradient, largest)
        return scaled / tf.maximum(_norm(scaled), _TINY)

    def size(self, change: tf.Tensor) -> tf.Tensor:
        return _norm(change)[:, 0, 0, 0]

    def limits(self, centre: tf.Tensor, epsilon: tf.Tensor, layout: Rearrange = _as_it_is) -> tuple[tf.Tensor, ...]:
        return (layout(centre),)

    def inside(self, points: tf.Tensor, limits: tuple[tf.Tensor, ...], epsilon: tf.Tensor) -> tf.Tensor:
        difference = points - limits[0]
        shrink = tf.minimum(1.0, epsilon / tf.maximum(_norm(difference), _TINY))
        # Clipping moves every pixel towards the centre, so the ball is not left again.
        return tf.clip_by_value(limits[0] + shrink * difference, 0.0, 1.0)


BALLS: dict[str, Ball] = {"linf": LinfBall(), "l2": L2Ball()}


def find_ball(norm: str) -> Ball:
    """Return the ball of the norm linf or l2, raising InputError for another name."""
    return BALLS[check_choice("norm", norm, BALLS)]


def _norm(points: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(points**2, (1, 2, 3), keepdims=True))

"""Norm balls: random points, steepest steps, projections."""

from abc import ABC, abstractmethod

import tensorflow as tf

from interp.core.errors import check_choice

# Keeps the direction of an image whose gradient vanishes at zero instead of 0/0.
_TINY = 1e-30


class Ball(ABC):
    """A norm ball around each image of a batch (n, height, width, channels); `epsilon` is its radius."""

    @abstractmethod
    def random(self, shape: tf.Tensor, epsilon: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Points drawn uniformly from the ball around zero, the same for the same seed (2,)."""

    @abstractmethod
    def steepest(self, gradient: tf.Tensor) -> tf.Tensor:
        """The direction of norm 1 along which a linear function with this gradient grows fastest."""

    @abstractmethod
    def project(self, points: tf.Tensor, centre: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
        """Points of the ball around `centre` and of [0, 1]; `centre` lies in [0, 1]."""


class LinfBall(Ball):
    """Largest absolute difference."""

    def random(self, shape: tf.Tensor, epsilon: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform(shape, seed, -epsilon, epsilon)

    def steepest(self, gradient: tf.Tensor) -> tf.Tensor:
        return tf.sign(gradient)

    def project(self, points: tf.Tensor, centre: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(points, tf.maximum(centre - epsilon, 0.0), tf.minimum(centre + epsilon, 1.0))


class L2Ball(Ball):
    """Euclidean distance over all pixels and channels."""

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

    def project(self, points: tf.Tensor, centre: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
        difference = points - centre
        shrink = tf.minimum(1.0, epsilon / tf.maximum(_norm(difference), _TINY))
        # Clipping moves every pixel towards the centre, so the ball is not left again.
        return tf.clip_by_value(centre + shrink * difference, 0.0, 1.0)


BALLS: dict[str, Ball] = {"linf": LinfBall(), "l2": L2Ball()}


def find_ball(norm: str) -> Ball:
    """Return the ball of the norm linf or l2, raising InputError for another name."""
    return BALLS[check_choice("norm", norm, BALLS)]


def _norm(points: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(points**2, (1, 2, 3), keepdims=True))

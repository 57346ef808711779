"""Gradients averaged along straight paths, the integral inside integrated gradients."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from interp.core.errors import check_choice

Score = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def quadrature(rule: str, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions and weights (points,) on [0, 1], float32, of the rule gauss_legendre, midpoint, right or left."""
    check_choice("quadrature rule", rule, ("gauss_legendre", "midpoint", "right", "left"))
    if rule == "gauss_legendre":
        nodes, weights = np.polynomial.legendre.leggauss(points)
        return ((nodes + 1) / 2).astype(np.float32), (weights / 2).astype(np.float32)
    offset = {"midpoint": 0.5, "right": 1.0, "left": 0.0}[rule]
    return ((np.arange(points) + offset) / points).astype(np.float32), np.full(points, 1 / points, np.float32)


def mean_path_gradient(
    score: Score,
    start: tf.Tensor,
    end: tf.Tensor,
    positions: tf.Tensor,
    weights: tf.Tensor,
    chunk_size: int | tf.Tensor,
) -> tf.Tensor:
    """Weighted sum over positions a of the gradient of `score` at start + a (end - start), shape of `start`.

    `score(points, rows)` gives one value per point; rows says which image each point belongs to. A pass holds as many
    positions of all n images as fit into `chunk_size` points, at least one, so memory is bounded by max(n, chunk_size).
    """
    count = tf.shape(start)[0]
    total = tf.shape(positions)[0]
    group = tf.clip_by_value(chunk_size // tf.maximum(count, 1), 1, total)
    direction = end - start

    def add_group(first: tf.Tensor, summed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        here = positions[first : first + group]
        size = tf.shape(here)[0]
        points = start + here[:, None, None, None, None] * direction
        points = tf.reshape(points, tf.concat([[size * count], tf.shape(start)[1:]], 0))
        points.set_shape([None, *start.shape[1:]])
        rows = tf.tile(tf.range(count), [size])
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            values = score(points, rows)
        gradient = tape.gradient(values, points)
        gradient = tf.reshape(gradient, tf.concat([[size], tf.shape(start)], 0))
        return first + group, summed + tf.tensordot(weights[first : first + group], gradient, 1)

    _, summed = tf.while_loop(
        lambda first, _: first < total,
        add_group,
        (tf.constant(0), tf.zeros_like(start)),
        shape_invariants=(tf.TensorShape([]), start.shape),
    )
    return summed

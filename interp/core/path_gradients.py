"""Gradients averaged along straight paths, the integral inside integrated gradients."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from interp.core.errors import InputError, check_choice

RULES = ("gauss_legendre", "midpoint", "right", "left")
Score = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def quadrature(rule: str, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions and weights (points,) on [0, 1], float32, of the rule gauss_legendre, midpoint, right or left."""
    check_choice("quadrature rule", rule, RULES)
    if rule == "gauss_legendre":
        nodes, weights = np.polynomial.legendre.leggauss(points)
        return ((nodes + 1) / 2).astype(np.float32), (weights / 2).astype(np.float32)
    offset = {"midpoint": 0.5, "right": 1.0, "left": 0.0}[rule]
    return ((np.arange(points) + offset) / points).astype(np.float32), np.full(points, 1 / points, np.float32)


def path_gradients(
    scores: Callable[[tf.Tensor, tf.Tensor], Sequence[tf.Tensor]],
    start: tf.Tensor,
    end: tf.Tensor,
    positions: tf.Tensor,
    weights: tf.Tensor,
) -> list[tf.Tensor]:
    """`path_gradient` of several scores that share one forward pass."""
    count, size = tf.shape(start)[0], tf.shape(positions)[0]
    points = start + positions[:, None, None, None, None] * (end - start)
    points = tf.reshape(points, tf.concat([[size * count], tf.shape(start)[1:]], 0))
    points.set_shape([None, *start.shape[1:]])
    rows = tf.tile(tf.range(count), [size])
    summed = []
    for gradient in _gradients(lambda points: scores(points, rows), points):
        each = tf.reshape(gradient, tf.concat([[size], tf.shape(start)], 0))
        summed.append(tf.tensordot(weights, each, 1))
    return summed


def mean_path_gradient(
    score: Score,
    start: tf.Tensor,
    end: tf.Tensor,
    positions: tf.Tensor,
    weights: tf.Tensor,
    *,
    chunk_size: int | tf.Tensor | None = None,
) -> tf.Tensor:
    """Weighted sum over positions a (points,) of the gradient of `score` at start + a (end - start), shape of `end`.

    `score(points, rows)` gives one value per point; rows says which image each point belongs to. The result may be differentiated by
    `start` and `end`. With `chunk_size` no more points than that are in memory at a time, also when differentiating, at the price of
    computing them twice then.
    """
    if chunk_size is None:
        return path_gradients(lambda points, rows: [score(points, rows)], start, end, positions, weights)[0]
    size = tf.shape(positions)[0]
    total = tf.shape(end)[0] * size

    def contributions(begin: tf.Tensor, end: tf.Tensor, rows: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
        """What path points, positions `at` on the ways from `begin` to `end`, add to the sums of their rows."""
        shape = [-1] + [1] * (len(end.shape) - 1)
        between = begin + tf.reshape(tf.gather(positions, at), shape) * (end - begin)
        (gradient,) = _gradients(lambda points: [score(points, rows)], between)
        return gradient * tf.reshape(tf.gather(weights, at), shape)

    def add_up(part: Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]], results: int) -> list[tf.Tensor]:
        """The sums over all path points of the `results` of `part(rows, positions)`, by row."""

        def add(first: tf.Tensor, *summed: tf.Tensor) -> list[tf.Tensor]:
            index = tf.range(first, tf.minimum(first + chunk_size, total))
            rows = index // size
            found = zip(summed, part(rows, index % size), strict=True)
            return [
                first + chunk_size,
                *(tf.tensor_scatter_nd_add(sums, rows[:, None], each) for sums, each in found),
            ]

        # Iterations that run side by side would each hold their chunk.
        zeros = [0, *(tf.zeros_like(end) for _ in range(results))]
        return list(tf.while_loop(lambda first, *_: first < total, add, zeros, parallel_iterations=1)[1:])

    @tf.custom_gradient
    def sums(starts: tf.Tensor, ends: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor, variables: Any = None) -> Any:
            def part(rows: tf.Tensor, at: tf.Tensor) -> list[tf.Tensor]:
                chosen = tf.gather(starts, rows), tf.gather(ends, rows)
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(chosen)
                    added = contributions(*chosen, rows, at)
                    aligned = tf.reduce_sum(added * tf.gather(upstream, rows))
                return tape.gradient(aligned, chosen, unconnected_gradients=tf.UnconnectedGradients.ZERO)

            found = add_up(part, 2)
            # The model's weights are constants here.
            return (found, [None] * len(variables)) if variables is not None else found

        def part(rows: tf.Tensor, at: tf.Tensor) -> list[tf.Tensor]:
            return [contributions(tf.gather(starts, rows), tf.gather(ends, rows), rows, at)]

        return add_up(part, 1)[0], gradient

    return sums(start, end)


def _gradients(scores: Callable[[tf.Tensor], Sequence[tf.Tensor]], points: tf.Tensor) -> list[tf.Tensor]:
    """The gradient of each score by the points. Raises InputError where there is none."""
    if tf.executing_eagerly():
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(points)
            values = scores(points)
        gradients = [tape.gradient(value, points) for value in values]
    else:
        # A tape does not see which gradient an operation of the graph was given.
        gradients = [tf.gradients(value, points)[0] for value in scores(points)]
    if any(gradient is None for gradient in gradients):
        raise InputError(
            "the model's logits do not depend on the images by any differentiable path, so there is no gradient to integrate"
        )
    return gradients

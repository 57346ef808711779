"""Elastic: every pixel moves a little, smoothly."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from interp.attacks.unforeseen import canvas
from interp.attacks.unforeseen.unforeseen import UnforeseenAttack

SIZE, DEVIATION = 25, 3.0


@dataclass(frozen=True, kw_only=True)
class Elastic(UnforeseenAttack):
    """Every pixel moves a little, smoothly (Kang et al. 2019).

    The latents are the flow, smoothed by a Gaussian of 25x25 and standard deviation 3.

    Args:
        epsilon: Largest move of a pixel down or across, in pixels, before the flow is smoothed; above 0.
        steps: Number of steps, at least 1.
        goal: "random_target", as published, lowers the cross-entropy of a class drawn for each image, never its own,
            and returns the last picture; "untargeted", or a Goal such as Targeted(classes), returns the most harmful
            one.
        restarts: Number of random starts, at least 1; the worst result of each image is returned.
        step_size: Size of a step of the latents, above 0 (default: epsilon / sqrt(steps)).

    Raises:
        InputError: A setting is out of its range or unknown; when called, images do not have 1 or 3 channels.
    """

    epsilon: float = 1.0

    def _draw(self, images: tf.Tensor, seed: tf.Tensor, restart: int) -> tuple[tf.Tensor, ...]:
        shape = [len(images), *canvas.sides(images), 2]
        return (self.epsilon * tf.random.stateless_uniform(shape, seed, -1.0, 1.0),)

    def _picture(
        self, images: tf.Tensor, latents: tf.Tensor, fixed: tuple[tf.Tensor, ...], epsilon: tf.Tensor
    ) -> tf.Tensor:
        return elastic_picture(images, latents)

    def _keep(self, latents: tf.Tensor, fixed: tuple[tf.Tensor, ...], epsilon: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(latents, -epsilon, epsilon)


def elastic_picture(images: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    """Images (n, height, width, 3) seen at places moved by the smoothed flow (n, height, width, 2), across and down, in pixels.

    Between pixels bilinear, black outside.
    """
    smooth = _smoothed(flow)
    height, width = images.shape[1:3]
    rows = tf.range(height, dtype=tf.float32)[:, None] + smooth[..., 1]
    columns = tf.range(width, dtype=tf.float32)[None] + smooth[..., 0]
    # A margin of black, on which everything further away is pulled.
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    rows, columns = tf.clip_by_value(rows + 1, 0.0, height + 1.0), tf.clip_by_value(columns + 1, 0.0, width + 1.0)
    top, left = (tf.minimum(tf.floor(place), limit) for place, limit in ((rows, height), (columns, width)))
    down, across = (rows - top)[..., None], (columns - left)[..., None]
    top, left = tf.cast(top, tf.int32), tf.cast(left, tf.int32)

    def at(row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
        return tf.gather_nd(padded, tf.stack([row, column], -1), batch_dims=1)

    upper = at(top, left) * (1 - across) + at(top, left + 1) * across
    lower = at(top + 1, left) * (1 - across) + at(top + 1, left + 1) * across
    return upper * (1 - down) + lower * down


def _smoothed(flow: tf.Tensor) -> tf.Tensor:
    """Flow (n, height, width, 2) through the Gaussian, mirrored at its borders."""
    places = np.arange(SIZE) - SIZE // 2
    weights = np.exp(-(places**2) / (2 * DEVIATION**2))
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (1, 2):
        matrix = _mirrored(weights, flow.shape[axis])
        flow = tf.einsum("nhwc,ih->niwc" if axis == 1 else "nhwc,iw->nhic", flow, matrix)
    return flow


def _mirrored(weights: np.ndarray, side: int) -> np.ndarray:
    """The matrix (side, side) of a filter on a line that goes on as its mirror image, the border not repeated."""
    half = len(weights) // 2
    mirrored = np.pad(np.eye(side, dtype=np.float32), ((half, half), (0, 0)), mode="reflect")
    return sum(weight * mirrored[offset : offset + side] for offset, weight in enumerate(weights))

"""Fog: a diamond-square height map that lies over the image."""

from dataclasses import dataclass

import tensorflow as tf

from interp.attacks.unforeseen import canvas
from interp.attacks.unforeseen.unforeseen import UnforeseenAttack

# The unevenness of the coarsest level; every finer level has half of it.
UNEVENNESS = 100.0


@dataclass(frozen=True, kw_only=True)
class Fog(UnforeseenAttack):
    """Fog, a diamond-square height map that lies over the image (Kang et al. 2019).

    The latents in [0, 1] raise or lower the points of the height map.

    Args:
        epsilon: Thickness of the fog, in 255ths of the brightness; above 0.
        steps: Number of steps, at least 1.
        goal: "random_target", as published, lowers the cross-entropy of a class drawn for each image, never its own,
            and returns the last picture; "untargeted", or a Goal such as Targeted(classes), returns the most harmful
            one.
        restarts: Number of random starts, at least 1; the worst result of each image is returned.
        step_size: Size of a step of the latents, above 0 (default: epsilon / sqrt(steps)).

    Raises:
        InputError: A setting is out of its range or unknown; when called, images do not have 1 or 3 channels.
    """

    epsilon: float = 2048.0

    def _draw(self, images: tf.Tensor, seed: tf.Tensor, restart: int) -> tuple[tf.Tensor, ...]:
        count = 3 * sum(4**level for level in range(_levels(max(canvas.sides(images)))))
        return (tf.random.stateless_uniform([len(images), count], seed),)

    def _picture(
        self, images: tf.Tensor, latents: tf.Tensor, fixed: tuple[tf.Tensor, ...], epsilon: tf.Tensor
    ) -> tf.Tensor:
        height, width = images.shape[1:3]
        levels = _levels(max(height, width))
        heights = height_map(_split(latents, levels))
        top, left = (2**levels - height) // 2, (2**levels - width) // 2
        return fog_picture(images, heights[:, top : top + height, left : left + width], epsilon)

    def _keep(self, latents: tf.Tensor, fixed: tuple[tf.Tensor, ...], epsilon: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(latents, 0.0, 1.0)


def fog_picture(images: tf.Tensor, heights: tf.Tensor, epsilon: tf.Tensor | float) -> tf.Tensor:
    """Images (n, height, width, 3) in [0, 1] under fog of heights (n, height, width) in [0, 1]."""
    thickness = epsilon / 255
    brightest = tf.reduce_max(images, (1, 2), keepdims=True)
    return (images + thickness * heights[..., None]) / (brightest + thickness)


def height_map(latents: list[tuple[tf.Tensor, tf.Tensor, tf.Tensor]]) -> tf.Tensor:
    """The height map (n, 2^levels, 2^levels) in [0, 1] of three latents (n, 2^level, 2^level) for each level from 0."""
    corners = tf.zeros_like(latents[0][0])
    for level, (of_squares, across, down) in enumerate(latents):
        uneven = UNEVENNESS / 2**level
        right, below = tf.roll(corners, -1, 2), tf.roll(corners, -1, 1)
        squares = (corners + right + below + tf.roll(right, -1, 1)) / 4 + uneven * (2 * of_squares - 1)
        # Two squares back, not one, as in the published attack, whose budgets are calibrated to it.
        between = (squares + tf.roll(squares, 2, 1) + corners + right) / 4 + uneven * (2 * across - 1)
        under = (squares + tf.roll(squares, 2, 2) + corners + below) / 4 + uneven * (2 * down - 1)
        corners = _interleaved(corners, between, under, squares)
    lowest = tf.reduce_min(corners, (1, 2), keepdims=True)
    return tf.math.divide_no_nan(corners - lowest, tf.reduce_max(corners, (1, 2), keepdims=True) - lowest)


def _interleaved(corners: tf.Tensor, between: tf.Tensor, under: tf.Tensor, squares: tf.Tensor) -> tf.Tensor:
    """Four grids (n, g, g) as one (n, 2 g, 2 g)."""
    side = corners.shape[1]
    rows = tf.stack([tf.stack([corners, between], -1), tf.stack([under, squares], -1)], 2)
    return tf.reshape(rows, (-1, 2 * side, 2 * side))


def _levels(side: int) -> int:
    """Levels of a map of side 2^(floor(log2 side) + 1)."""
    return side.bit_length()


def _split(latents: tf.Tensor, levels: int) -> list[tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Flat latents as three square grids for each level."""
    sides = [2**level for level in range(levels) for _ in range(3)]
    parts = tf.split(latents, [side**2 for side in sides], 1)
    grids = [tf.reshape(part, (-1, side, side)) for part, side in zip(parts, sides, strict=True)]
    return list(zip(grids[::3], grids[1::3], grids[2::3], strict=True))

"""Snow: flakes on shifted grids, blurred along the way they fall."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from interp.attacks.unforeseen import canvas
from interp.attacks.unforeseen.unforeseen import UnforeseenAttack

GRIDS, PITCH, SIZE = 7, 4, 13
# Intensities start as exp(-uniform / 0.2), whose mean they may not exceed in any region of 8x8 flakes.
MEAN, REGION = 0.2, 8
SMALLEST = 1e-9
GREY = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True, kw_only=True)
class Snow(UnforeseenAttack):
    """Snowfall: flakes on shifted grids, blurred along the way they fall (Kang et al. 2019).

    The latents in (0, 1] are the intensities of flakes, of which each region has only so much.

    Args:
        epsilon: What the layer of flakes is multiplied by before it is added; above 0.
        steps: Number of steps, at least 1.
        goal: "random_target", as published, lowers the cross-entropy of a class drawn for each image, never its own,
            and returns the last picture; "untargeted", or a Goal such as Targeted(classes), returns the most harmful
            one.
        restarts: Number of random starts, at least 1; the worst result of each image is returned.
        step_size: Size of a step of the latents, above 0 (default: epsilon / sqrt(steps)).

    Raises:
        InputError: A setting is out of its range or unknown; when called, images do not have 1 or 3 channels.
    """

    epsilon: float = 2.0

    def _draw(self, images: tf.Tensor, seed: tf.Tensor, restart: int) -> tuple[tf.Tensor, ...]:
        count, (height, width) = len(images), canvas.sides(images)
        seeds = [tf.random.fold_in(seed, place) for place in range(4)]
        drawn = tf.random.stateless_uniform([count, GRIDS, height // PITCH, width // PITCH], seeds[0])
        direction = tf.random.stateless_uniform([count], seeds[1], 0.0, np.pi)
        lengths = tf.random.stateless_uniform([count, GRIDS], seeds[2], 1.5, 5.0)
        widths = tf.random.stateless_uniform([count, GRIDS], seeds[3], 0.7, 1.3)
        return tf.exp(-drawn / MEAN), snow_kernels(direction, lengths, widths)

    def _picture(
        self, images: tf.Tensor, latents: tf.Tensor, fixed: tuple[tf.Tensor, ...], epsilon: tf.Tensor
    ) -> tf.Tensor:
        return snow_picture(images, snow_layer(latents, fixed[0]), epsilon)

    def _keep(self, latents: tf.Tensor, fixed: tuple[tf.Tensor, ...], epsilon: tf.Tensor) -> tf.Tensor:
        return held(tf.clip_by_value(latents, SMALLEST, 1.0))


def snow_picture(images: tf.Tensor, layer: tf.Tensor, epsilon: tf.Tensor | float) -> tf.Tensor:
    """Images (n, height, width, 3) in [0, 1], paler as in snow, plus epsilon times the layer (n, height, width), clipped."""
    grey = tf.reduce_sum(images * tf.constant(GREY), -1, keepdims=True)
    pale = 0.75 * images + 0.25 * tf.maximum(images, 1.5 * grey + 0.5)
    return tf.clip_by_value(pale + epsilon * layer[..., None], 0.0, 1.0)


def snow_layer(intensities: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
    """The layer (n, 4 h, 4 w) of flakes (n, 7, h, w) with kernels (n, 7, 13, 13); grid i < 4 shifts by columns, the others by rows."""
    strong = intensities**4
    height, width = strong.shape[2:]
    # Row and column of the one flake in each 4x4 cell.
    cells = np.zeros((GRIDS, PITCH, PITCH), np.float32)
    for grid in range(GRIDS):
        row, column = (0, grid) if grid < PITCH else (grid - PITCH + 1, 0)
        cells[grid, row, column] = 1
    placed = tf.einsum("nghw,grc->nghrwc", strong, cells)
    return canvas.filtered(tf.reshape(placed, (-1, GRIDS, PITCH * height, PITCH * width)), kernels)


def snow_kernels(direction: tf.Tensor, lengths: tf.Tensor, widths: tf.Tensor) -> tf.Tensor:
    """Kernels (n, 7, 13, 13): blurred line segments in one direction (n,) an image, half as long as `lengths` (n, 7) says twice over."""
    axis = tf.range(SIZE, dtype=tf.float32) - SIZE // 2
    across, down = tf.meshgrid(axis, axis)
    cosine, sine = (part[:, None, None, None] for part in (tf.cos(direction), tf.sin(direction)))
    along, aside = across * cosine + down * sine, down * cosine - across * sine
    beyond = tf.maximum(tf.abs(along) - lengths[..., None, None], 0.0)
    return tf.exp(-(beyond**2 + aside**2) / (2 * widths[..., None, None] ** 2))


def held(intensities: tf.Tensor) -> tf.Tensor:
    """Intensities (n, 7, h, w) scaled down in each region whose mean is above 0.2."""
    height, width = intensities.shape[2:]
    shape = tf.shape(intensities)
    flat = tf.reshape(intensities, (-1, height, width, 1))
    # Margins count as flakes of no intensity; the last regions of odd sizes are smaller.
    total = REGION**2 * tf.nn.avg_pool2d(
        tf.pad(flat, [[0, 0], [0, -height % REGION], [0, -width % REGION], [0, 0]]), REGION, REGION, "VALID"
    )
    ones = np.ones((1, height, width, 1), np.float32)
    places = np.add.reduceat(np.add.reduceat(ones, np.arange(0, height, REGION), 1), np.arange(0, width, REGION), 2)
    scale = tf.minimum(1.0, MEAN * places / tf.maximum(total, SMALLEST))
    spread = tf.repeat(tf.repeat(scale, REGION, 1), REGION, 2)[:, :height, :width]
    return tf.reshape(tf.maximum(flat * spread, SMALLEST), shape)

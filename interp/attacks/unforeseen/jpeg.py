"""JPEG: the quantised coefficients of an image's JPEG code, shifted."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from interp.attacks.attack import static
from interp.attacks.unforeseen import canvas
from interp.attacks.unforeseen.unforeseen import UnforeseenAttack
from interp.core.errors import check_choice

NORMS = ("linf", "l2", "l1")
# Largest shift of a coefficient, twice over, in the norms that do not bound each by themselves.
BOUND = 2.0
# Tables K.1 and K.2 of ITU-T T.81.
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
CHROMINANCE = np.full((8, 8), 99, np.float32)
CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
# From RGB to YCbCr (JFIF).
COLOURS = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)


def _cosines() -> np.ndarray:
    """The orthonormal DCT-II (frequency, place)."""
    frequency, place = np.arange(8)[:, None], np.arange(8)[None]
    matrix = 0.5 * np.cos((2 * place + 1) * frequency * np.pi / 16)
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)


DCT = _cosines()


@dataclass(frozen=True, kw_only=True)
class JPEG(UnforeseenAttack):
    """Shifts of the coefficients of an image's JPEG code (Kang et al. 2019).

    Rounding is left out, so without a shift only the chroma is halved.

    Args:
        epsilon: Largest size of the shifts in the `norm`, in halves of a quantisation step; above 0.
        steps: Number of steps, at least 1.
        goal: "random_target", as published, lowers the cross-entropy of a class drawn for each image, never its own,
            and returns the last picture; "untargeted", or a Goal such as Targeted(classes), returns the most harmful
            one.
        restarts: Number of random starts, at least 1; the worst result of each image is returned.
        step_size: Size of a step of the latents, above 0 (default: epsilon / sqrt(steps)).
        norm: Norm of the shifts: "linf" moves by signs; "l2" by normalised steps, each shift within 2; "l1" by
            Frank-Wolfe, at first from no shift and without a step size: the coefficients of the largest gradient go to
            2 until the budget is spent.

    Raises:
        InputError: A setting is out of its range or unknown; when called, images do not have 1 or 3 channels.
    """

    epsilon: float = 0.25
    norm: str = static("linf")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("norm", self.norm, NORMS)

    def _draw(self, images: tf.Tensor, seed: tf.Tensor, restart: int) -> tuple[tf.Tensor, ...]:
        height, width = canvas.sides(images)
        shape = [len(images), height * width * 3 // 2]
        if self.norm == "linf":
            return (self.epsilon * tf.random.stateless_uniform(shape, seed, -1.0, 1.0),)
        if self.norm == "l1" and restart == 0:
            return (tf.zeros(shape),)
        normal = tf.random.stateless_normal(shape, seed)
        scale = tf.norm(normal, 2 if self.norm == "l2" else 1, axis=1, keepdims=True)
        reach = tf.random.stateless_uniform([len(images), 1], tf.random.fold_in(seed, 7))
        return (self.epsilon * reach * normal / scale,)

    def _picture(
        self, images: tf.Tensor, latents: tf.Tensor, fixed: tuple[tf.Tensor, ...], epsilon: tf.Tensor
    ) -> tf.Tensor:
        return jpeg_picture(images, latents / 2)

    def _keep(self, latents: tf.Tensor, fixed: tuple[tf.Tensor, ...], epsilon: tf.Tensor) -> tf.Tensor:
        if self.norm == "linf":
            return tf.clip_by_value(latents, -epsilon, epsilon)
        latents = tf.clip_by_value(latents, -BOUND, BOUND)
        if self.norm == "l1":
            # Mixtures of valid latents are valid.
            return latents
        length = tf.norm(latents, axis=1, keepdims=True)
        return latents * tf.minimum(1.0, epsilon / tf.maximum(length, 1e-12))

    def _move(
        self, latents: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor, step_size: tf.Tensor, epsilon: tf.Tensor
    ) -> tf.Tensor:
        if self.norm == "linf":
            return super()._move(latents, gradient, step, step_size, epsilon)
        if self.norm == "l2":
            return latents + step_size * tf.math.l2_normalize(gradient, 1, epsilon=1e-30)
        share = 1 / (tf.cast(step, tf.float32) + 1)
        return (1 - share) * latents + share * _spent(gradient, epsilon)


def jpeg_picture(images: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    """Images (n, height, width, 3) in [0, 1], sides multiples of 16, coded with shifts (n, height width 3 / 2) and decoded.

    Shifts are those of the luminance blocks, then of the two chroma planes, in the order (block row, block column, vertical,
    horizontal frequency), in steps of the quantisation.
    """
    height, width = images.shape[1:3]
    size = height * width
    planes = tf.einsum("nhwc,kc->knhw", 255 * images, COLOURS)
    luminance = _coded(planes[0] - 128, LUMINANCE, shifts[:, :size]) + 128
    blue, red = (
        _doubled(_coded(_halved(plane), CHROMINANCE, part))
        for plane, part in zip((planes[1], planes[2]), tf.split(shifts[:, size:], 2, 1), strict=True)
    )
    decoded = [luminance + 1.402 * red, luminance - 0.344136 * blue - 0.714136 * red, luminance + 1.772 * blue]
    return tf.clip_by_value(tf.stack(decoded, -1) / 255, 0.0, 1.0)


def _coded(plane: tf.Tensor, table: np.ndarray, shifts: tf.Tensor) -> tf.Tensor:
    """A plane (n, h, w) with shifted coefficients. Without rounding coding is linear, so only the shifts need a transform."""
    height, width = plane.shape[1:3]
    blocks = tf.reshape(shifts, (-1, height // 8, width // 8, 8, 8)) * table
    moved = tf.einsum("ui,nabuv,vj->naibj", DCT, blocks, DCT)
    return plane + tf.reshape(moved, (-1, height, width))


def _halved(plane: tf.Tensor) -> tf.Tensor:
    return tf.nn.avg_pool2d(plane[..., None], 2, 2, "VALID")[..., 0]


def _doubled(plane: tf.Tensor) -> tf.Tensor:
    return tf.repeat(tf.repeat(plane, 2, 1), 2, 2)


def _spent(gradient: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
    """The latents of l1 norm `epsilon`, each within 2, along which the gradient (n, d) rises most."""
    order = tf.argsort(tf.argsort(tf.abs(gradient), direction="DESCENDING", stable=True), stable=True)
    amounts = tf.clip_by_value(epsilon - BOUND * tf.cast(order, tf.float32), 0.0, BOUND)
    return amounts * tf.sign(gradient)

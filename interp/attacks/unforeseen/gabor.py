"""Gabor noise: sparse impulses seen through a Gabor kernel."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from interp.attacks.unforeseen import canvas
from interp.attacks.unforeseen.unforeseen import UnforeseenAttack

SIZE, DENSITY = 23, 1 / 14
SIDES, SIGMA, LAMBDA, THETA = (1, 10), (0.1, 0.4), (3.0, 5.75), (0.0, np.pi)


@dataclass(frozen=True, kw_only=True)
class Gabor(UnforeseenAttack):
    """Gabor noise: sparse impulses seen through a Gabor kernel (Kang et al. 2019).

    The latents in [-1, 1] are the weights of impulses at drawn places.

    Args:
        epsilon: Strength of the noise, in 255ths of the brightness; above 0.
        steps: Number of steps, at least 1.
        goal: "random_target", as published, lowers the cross-entropy of a class drawn for each image, never its own,
            and returns the last picture; "untargeted", or a Goal such as Targeted(classes), returns the most harmful
            one.
        restarts: Number of random starts, at least 1; the worst result of each image is returned.
        step_size: Size of a step of the latents, above 0 (default: epsilon / sqrt(steps)).

    Raises:
        InputError: A setting is out of its range or unknown; when called, images do not have 1 or 3 channels.
    """

    epsilon: float = 400.0

    def _draw(self, images: tf.Tensor, seed: tf.Tensor, restart: int) -> tuple[tf.Tensor, ...]:
        count, shape = len(images), canvas.sides(images)
        seeds = [tf.random.fold_in(seed, place) for place in range(6)]
        mask = tf.cast(tf.random.stateless_uniform([count, *shape], seeds[0]) < DENSITY, tf.float32)
        latents = tf.random.stateless_uniform([count, *shape], seeds[1], -1.0, 1.0)
        sides = tf.random.stateless_uniform([count], seeds[2], SIDES[0], SIDES[1] + 1, tf.int32)
        drawn = (
            tf.random.stateless_uniform([count], each, *limits)
            for each, limits in zip(seeds[3:], (SIGMA, LAMBDA, THETA), strict=True)
        )
        return latents, mask, gabor_kernels(tf.cast(sides, tf.float32), *drawn)

    def _picture(
        self, images: tf.Tensor, latents: tf.Tensor, fixed: tuple[tf.Tensor, ...], epsilon: tf.Tensor
    ) -> tf.Tensor:
        mask, kernels = fixed
        return gabor_picture(images, gabor_noise(latents * mask, kernels), epsilon)

    def _keep(self, latents: tf.Tensor, fixed: tuple[tf.Tensor, ...], epsilon: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(latents, -1.0, 1.0) * fixed[0]


def gabor_picture(images: tf.Tensor, noise: tf.Tensor, epsilon: tf.Tensor | float) -> tf.Tensor:
    """Images (n, height, width, 3) in [0, 1] plus epsilon / 255 times noise (n, height, width) in [0, 1], clipped."""
    return tf.clip_by_value(images + epsilon / 255 * noise[..., None], 0.0, 1.0)


def gabor_kernels(sides: tf.Tensor, sigma: tf.Tensor, wavelength: tf.Tensor, theta: tf.Tensor) -> tf.Tensor:
    """Kernels (n, 23, 23): waves in `sides` directions from the angle theta on, under a Gaussian; all arguments (n,)."""
    axis = tf.cast(tf.linspace(-0.5, 0.5, SIZE), tf.float32)
    across, down = tf.meshgrid(axis, axis)
    number = tf.range(SIDES[1], dtype=tf.float32)
    angles = theta[:, None] + np.pi * number / sides[:, None]
    along = across * tf.cos(angles)[..., None, None] + down * tf.sin(angles)[..., None, None]
    waves = tf.cos(2 * np.pi * wavelength[:, None, None, None] * along)
    counted = tf.cast(number < sides[:, None], tf.float32)
    width = (sigma + 0.001)[:, None, None]
    return tf.exp(-(across**2 + down**2) / (2 * width**2)) * tf.einsum("ns,nsuv->nuv", counted, waves)


def gabor_noise(impulses: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
    """Noise (n, height, width) in [0, 1] of impulses (n, height, width), its variance equalised; mean and gain have no gradient."""
    noise = canvas.filtered(impulses[:, None], kernels[:, None])
    mean = tf.stop_gradient(tf.reduce_mean(noise, (1, 2), keepdims=True))
    contrast = tf.abs(noise - mean)
    contrast = tf.math.divide_no_nan(contrast, tf.reduce_max(contrast, (1, 2), keepdims=True))
    noise = mean + (noise - mean) * tf.stop_gradient(1.001 / (0.001 + contrast))
    noise -= tf.reduce_min(noise, (1, 2), keepdims=True)
    return tf.math.divide_no_nan(noise, tf.reduce_max(noise, (1, 2), keepdims=True))

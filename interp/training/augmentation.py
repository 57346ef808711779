"""Random changes of training images: crops and flips, or layers of Keras."""

from collections.abc import Callable

import keras
import numpy as np

from interp.core.checks import kind_of
from interp.core.errors import InputError
from interp.training.model_state import draw_from, seed_states

Augmentation = Callable[[np.ndarray, tuple[int, int]], np.ndarray]

PADDING = 4


def crop_and_flip(images: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
    """Return images (n, height, width, channels) shifted by up to 4 pixels, zeros moving in, and half of them mirrored.

    The draw depends on `seed` (training, step) alone.
    """
    generator = np.random.default_rng(seed)
    count, height, width, _ = images.shape
    padded = np.pad(images, [(0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0)])
    top = generator.integers(2 * PADDING + 1, size=(count, 1, 1))
    left = generator.integers(2 * PADDING + 1, size=(count, 1, 1))
    mirrored = generator.random((count, 1, 1)) < 0.5
    rows = top + np.arange(height)[None, :, None]
    columns = np.arange(width)[None, None, :]
    columns = left + np.where(mirrored, width - 1 - columns, columns)
    return padded[np.arange(count)[:, None, None], rows, columns]


def find_augmentation(augment: "bool | keras.layers.Layer") -> Augmentation:
    """A function of images and a seed (training, step): nothing, crops and flips, or a Keras layer in training mode. Raises InputError."""
    if isinstance(augment, bool):
        return crop_and_flip if augment else lambda images, _: images
    if not isinstance(augment, keras.layers.Layer):
        raise InputError(
            f"augment came as {kind_of(augment)}, expected True for crops and flips, or a Keras layer or model of such, for example "
            "keras.Sequential([keras.layers.RandomFlip('horizontal'), keras.layers.RandomRotation(0.05)])"
        )

    def apply(images: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
        if not augment.built:
            augment(images[:1], training=True)
        draw_from(seed_states(augment), seed)
        changed = np.clip(np.asarray(augment(images, training=True), np.float32), 0, 1)
        if changed.shape != images.shape or not np.isfinite(changed).all():
            raise InputError(
                f"augment made images of shape {changed.shape} from {images.shape}, or such that are not finite: give layers that keep the "
                "shape, and scale nothing, as images are in [0, 1]"
            )
        return changed

    return apply

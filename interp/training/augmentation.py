"""Random changes of training images: crops and flips, or layers of Keras."""

from collections.abc import Callable, Iterator

import keras
import numpy as np

from interp.core.checks import kind_of
from interp.core.errors import InputError
from interp.training.model_state import draw_from, drawing_from, seed_states

Augmentation = Callable[[np.ndarray, tuple[int, int]], np.ndarray]

PADDING = 4
# So far outside of [0, 1] are pixels of images, on average, whose range is another one.
MOST_OUTSIDE = 1.0
# Layers that scale images, and what they may change by where others undo it; and layers that give an image the labels of two.
_SCALING, _SCALED_BY = (keras.layers.Rescaling, keras.layers.Normalization), 0.02
_MIXING = (keras.layers.MixUp, keras.layers.CutMix)


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

    _check_layers(augment)
    scaling = [layer.name for layer in _layers(augment) if isinstance(layer, _SCALING)]

    def apply(images: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
        # AugMix chooses its layers by Python's generator.
        drawn = f"{seed[0]} {seed[1]}"
        if not augment.built:
            with drawing_from(drawn):
                augment(images[:1], training=True)
        # Random layers leave images as they are in inference mode.
        if scaling and not np.allclose(augment(images[:1], training=False), images[:1], atol=_SCALED_BY):
            raise InputError(
                f"the layer {scaling[0]} of augment scales images, which come in [0, 1] and must stay there: leave it out; "
                "interp.models.adapt(model, scale=...) makes a model of another range take such images"
            )
        draw_from(seed_states(augment), seed)
        with drawing_from(drawn):
            made = np.asarray(augment(images, training=True), np.float32)
        changed = np.clip(made, 0, 1)
        # Brightness and noise leave the range by a little; what is not finite, or scaled to bytes, by far.
        if changed.shape != images.shape or not np.abs(made - changed).mean() < MOST_OUTSIDE:
            raise InputError(
                f"augment made images of shape {changed.shape} from {images.shape}, or such that are not finite or far outside of [0, 1]: "
                "give layers that keep the shape and the range"
            )
        return changed

    return apply


def _check_layers(augment: keras.layers.Layer) -> None:
    """Raise InputError for a layer, or one inside of it, that takes images in another range than [0, 1], or would change labels."""
    for layer in _layers(augment):
        if isinstance(layer, _MIXING):
            raise InputError(
                f"the layer {layer.name} of augment mixes images of several classes, and each keeps its own label: leave it out"
            )
        low, high = getattr(layer, "value_range", None) or (0, 1)
        if (low, high) != (0, 1):
            raise InputError(
                f"the layer {layer.name} of augment takes images in [{low:g}, {high:g}], and they are in [0, 1]: make it with "
                f"keras.layers.{type(layer).__name__}(..., value_range=(0, 1))"
            )


def _layers(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """A layer and all that it holds, in lists too, from the outside to the inside."""
    waiting, seen = [layer], set[int]()
    while waiting:
        layer = waiting.pop(0)
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        yield layer
        held = [each if isinstance(each, (list, tuple)) else [each] for each in vars(layer).values()]
        waiting += [each for values in held for each in values if isinstance(each, keras.layers.Layer)]

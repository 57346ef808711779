"""RISE (Petsiuk et al. 2018)."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from interp.attributions.attribution import Maps
from interp.attributions.hidden_pixels import OfHiddenPixels
from interp.core.checks import check_finite, check_number
from interp.core.errors import InputError
from interp.models.prepared import PreparedModel


@dataclass(frozen=True, eq=False)
class RISE(OfHiddenPixels):
    """Mean of random masks weighted by the label's score behind each, divided by the share that they show.

    Maps are (n, height, width, 1). A mask is a grid of cells, each shown with a probability, upsampled bilinearly and
    moved by a random part of a cell, as in the code of the paper (Petsiuk et al. 2018). All images see the same masks.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        score: What is asked of the label: "logit" or "probability".
        fill: What a hidden pixel shows: a value in [0, 1], an image (height, width, channels), "mean" (of each image
            and channel) or "blur" (each image after a Gaussian blur).
        mask_count: Number of masks that are drawn, at least 1.
        grid: Number of cells along each side, at least 2.
        probability: Probability that a cell is shown, above 0 and at most 1.
        masks: Instead of drawn ones, masks (k, height, width) in [0, 1], 1 where a pixel is shown; the share is their
            mean then (default: none).
        seed: Seed of the masks.

    Raises:
        InputError: A setting is out of its range or unknown; when called, images and `masks` differ in their sides.

    Example:
        `RISE(model, mask_count=4000, grid=7)(images, labels)`
    """

    mask_count: int = field(default=4000, kw_only=True)
    grid: int = field(default=7, kw_only=True)
    probability: float = field(default=0.5, kw_only=True)
    masks: Any = field(default=None, kw_only=True)
    score: str = field(default="probability", kw_only=True)
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("mask_count", self.mask_count, minimum=1, whole=True, maximum=1_000_000)
        check_number("grid", self.grid, minimum=2, whole=True, maximum=1000)
        check_number("probability", self.probability, minimum=0, strict=True)
        if self.probability > 1:
            raise InputError(f"probability came as {self.probability}, expected at most 1")
        check_number("seed", self.seed, minimum=0, whole=True)
        if self.masks is not None:
            object.__setattr__(self, "masks", _check_masks(self.masks))

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        images = model.leave(points)
        sides = tuple(images.shape[1:3])
        if self.masks is None:
            count, share, masks = self.mask_count, self.probability, self._drawn(sides, images.dtype)
        else:
            if self.masks.shape[1:] != sides:
                raise InputError(
                    f"masks came with shape {self.masks.shape}, the images have {sides[0]}x{sides[1]} pixels: give masks of these sides"
                )
            # Not in the graph, which may hold no more than 2 GiB.
            with tf.init_scope():
                given = tf.constant(self.masks, images.dtype)
            count, share = len(self.masks), float(self.masks.mean(dtype=np.float64))

            def masks(places: tf.Tensor) -> tf.Tensor:
                return tf.gather(given, places)

        scores = self.masked_scores(model, images, labels, lambda _, places: masks(places)[..., None], count)
        chunk = self.points_at_a_time(tuple(images.shape[1:]))

        def add(first: tf.Tensor, summed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            places = tf.range(first, tf.minimum(first + chunk, count))
            return first + chunk, summed + tf.einsum("nm,myx->nyx", tf.gather(scores, places, axis=1), masks(places))

        zero = tf.zeros_like(images[..., 0])
        summed = tf.while_loop(lambda first, _: first < count, add, (0, zero), parallel_iterations=1)[1]
        return Maps((summed / (count * share))[..., None], model.logits(points))

    def _drawn(self, sides: tuple[int, ...], dtype: tf.DType) -> Any:
        """A function from places (m,) among all masks to those masks (m, height, width)."""
        generator = np.random.RandomState(self.seed)
        grids = tf.constant(generator.uniform(size=(self.mask_count, self.grid, self.grid)) < self.probability, dtype)
        moves = generator.uniform(size=(self.mask_count, 2))
        cells = [-(-side // self.grid) for side in sides]
        between = [tf.constant(_upsampling(self.grid, (self.grid + 1) * cell), dtype) for cell in cells]
        first = tf.constant((moves * cells).astype(np.int32))

        def masks(places: tf.Tensor) -> tf.Tensor:
            moved = tf.gather(first, places)
            rows, columns = (
                tf.gather(matrix, moved[:, axis, None] + tf.range(side))
                for axis, (matrix, side) in enumerate(zip(between, sides, strict=True))
            )
            return tf.einsum("mys,mst,mxt->myx", rows, tf.gather(grids, places), columns)

        return masks


def _upsampling(cells: int, side: int) -> np.ndarray:
    """The matrix (side, cells) of bilinear interpolation between centres of cells, mirrored about the outer ones (skimage's reflect)."""
    at = np.abs((np.arange(side) + 0.5) * cells / side - 0.5)
    at = np.where(at > cells - 1, 2 * (cells - 1) - at, at)
    low = np.minimum(at.astype(int), cells - 2)
    matrix = np.zeros((side, cells))
    matrix[np.arange(side), low], matrix[np.arange(side), low + 1] = 1 - (at - low), at - low
    return matrix


def _check_masks(masks: Any) -> np.ndarray:
    array = check_finite("masks", masks)
    array = array[..., 0] if array.ndim == 4 and array.shape[-1] == 1 else array
    if array.ndim != 3 or not array.size:
        raise InputError(f"masks came with shape {array.shape}, expected (k, height, width)")
    if array.min() < 0 or array.max() > 1 or not array.any():
        raise InputError(
            f"masks came with values in [{array.min():.4g}, {array.max():.4g}], expected [0, 1], 1 where a pixel is shown, not all 0"
        )
    return array.astype(np.float32)

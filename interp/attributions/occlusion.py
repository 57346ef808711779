"""Occlusion (Zeiler and Fergus 2014)."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from interp.attributions.attribution import Maps
from interp.attributions.hidden_pixels import OfHiddenPixels, score_of
from interp.core.checks import check_pair
from interp.core.errors import InputError
from interp.models.prepared import PreparedModel

# The usual window: a share of each side, and so many pixels at least. 15 pixels of 224, 4 of 28.
SHARE, LEAST = 15, 4


@dataclass(frozen=True, eq=False)
class Occlusion(OfHiddenPixels):
    """How much the label's score falls where a window hides the pixel (Zeiler and Fergus 2014): (n, height, width, 1).

    The window moves over the image in steps of `stride`, from the upper left corner until it reaches the lower right
    one, where it may be cut; the value of a pixel is the mean fall over the windows that cover it, as in Captum.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        score: What is asked of the label: "logit" or "probability".
        fill: What a hidden pixel shows: a value in [0, 1], an image (height, width, channels), "mean" (of each image
            and channel) or "blur" (each image after a Gaussian blur).
        window: (height, width) in pixels, or one number for both (default: a fifteenth of each side, at least 4
            pixels).
        stride: Steps (down, right) in pixels, at most a window each, or one number for both (default: half a window).

    Raises:
        InputError: A setting is out of its range or unknown; when called, images are smaller than the window.

    Example:
        `Occlusion(model, window=15, stride=8)(images, labels)`
    """

    window: int | tuple[int, int] | None = field(default=None, kw_only=True)
    stride: int | tuple[int, int] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for what in ("window", "stride"):
            object.__setattr__(self, what, check_pair(what, getattr(self, what)))

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        images, logits = model.leave(points), model.logits(points)
        down, right = (tf.constant(each, images.dtype) for each in self._covers(tuple(images.shape[1:3])))
        columns = right.shape[0]

        def shown(_: tf.Tensor, windows: tf.Tensor) -> tf.Tensor:
            hidden = tf.einsum("my,mx->myx", tf.gather(down, windows // columns), tf.gather(right, windows % columns))
            return 1 - hidden[..., None]

        scores = self.masked_scores(model, images, labels, shown, down.shape[0] * columns)
        falls = score_of(logits, labels, self.score)[:, None] - scores
        summed = tf.einsum("nab,ay,bx->nyx", tf.reshape(falls, [-1, *down.shape[:1], columns]), down, right)
        return Maps((summed / tf.einsum("ay,bx->yx", down, right))[..., None], logits)

    def _covers(self, sides: tuple[int, ...]) -> list[np.ndarray]:
        """Of each axis, which pixels (positions of the window, side) are covered. Raises InputError."""
        windows: Any = self.window or tuple(min(side, max(LEAST, round(side / SHARE))) for side in sides)
        strides: Any = self.stride or tuple(-(-window // 2) for window in windows)
        if any(window > side for window, side in zip(windows, sides, strict=True)):
            raise InputError(
                f"window came as {windows}, the images have {sides[0]}x{sides[1]} pixels: give a smaller one"
            )
        if any(stride > window for window, stride in zip(windows, strides, strict=True)):
            raise InputError(
                f"stride came as {strides}, more than the window {windows} of these images: give at most that"
            )
        covers = []
        for side, window, stride in zip(sides, windows, strides, strict=True):
            first = stride * np.arange(-(-(side - window) // stride) + 1)[:, None]
            covers.append((first <= np.arange(side)) & (np.arange(side) < first + window))
        return covers

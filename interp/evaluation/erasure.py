"""Images without the pixels that an explanation calls important, or unimportant."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from interp.core.checks import check_finite, check_number
from interp.core.errors import InputError, check_choice
from interp.data import Dataset

METRICS = ("roar", "kar")


@dataclass(frozen=True)
class Protocol:
    """Which images lose pixels and what fills them.

    `paper` (Hooker et al. 2019): train, validation and test images, the training mean per channel; the ratio of KAR is the fraction
    removed. `whitebox`: training images only, black; the ratio of KAR is the fraction kept.
    """

    name: str
    splits: tuple[str, ...]
    fills_mean: bool
    kar_keeps: bool

    def __str__(self) -> str:
        fill = "training mean" if self.fills_mean else "0"
        kar = "kept" if self.kar_keeps else "removed"
        return f"{self.name} protocol: {', '.join(self.splits)} images erased, filled with {fill}, ratio of KAR = fraction {kar}"


PROTOCOLS = {
    "paper": Protocol("paper", ("train", "validation", "test"), fills_mean=True, kar_keeps=False),
    "whitebox": Protocol("whitebox", ("train",), fills_mean=False, kar_keeps=True),
}


def find_protocol(name: str) -> Protocol:
    """Return the protocol paper or whitebox. Raises InputError."""
    return PROTOCOLS[check_choice("protocol of ROAR and KAR", name, PROTOCOLS)]


def check_ratio(ratio: Any) -> None:
    """Check a fraction of pixels.

    Args:
        ratio: The fraction.

    Raises:
        InputError: It does not lie strictly between 0 and 1.
    """
    check_number("ratio", ratio, minimum=0, strict=True)
    if ratio >= 1:
        raise InputError(f"ratio came as {ratio}, expected a fraction between 0 and 1, such as 0.5")


def pixel_ranks(scores: np.ndarray, *, seed: int | Sequence[int] = 0) -> np.ndarray:
    """Ranks (n, height * width) of pixel scores (n, height, width), 0 the largest; ties are broken by a draw per image.

    A tie broken by position would erase the same corner of every image, and many maps are 0 over half of it. Raises InputError.
    """
    scores = check_finite("scores", scores)
    if scores.ndim != 3:
        raise InputError(f"scores came with shape {scores.shape}, expected (n, height, width)")
    flat = scores.reshape(len(scores), -1)
    kind = np.uint16 if flat.shape[1] <= 2**16 else np.uint32
    draws = np.random.default_rng(seed)
    ranks = np.empty(flat.shape, kind)
    places = np.arange(flat.shape[1], dtype=kind)
    for row, values in enumerate(flat):
        order = np.lexsort((draws.random(len(values), np.float32), -values))
        ranks[row, order] = places
    return ranks


def erase(data: Dataset, ranks: np.ndarray, metric: str, ratio: float, protocol: Protocol, mean: np.ndarray) -> Dataset:
    """Return `data` without the top (roar) or bottom (kar) pixels by `ranks` (n, height * width); `mean` (channels,) may fill them.

    Raises InputError.
    """
    check_choice("metric", metric, METRICS)
    check_ratio(ratio)
    ranks, mean = check_finite("ranks", ranks), check_finite("the mean", mean)
    images = np.asarray(data.images)
    pixels = images.shape[1] * images.shape[2]
    if ranks.shape != (len(images), pixels):
        raise InputError(f"ranks came with shape {ranks.shape}, expected ({len(images)}, {pixels})")
    if metric == "roar":
        gone = ranks < round(ratio * pixels)
    else:
        removed = 1 - ratio if protocol.kar_keeps else ratio
        gone = ranks >= pixels - round(removed * pixels)
    fill = mean if protocol.fills_mean else np.zeros_like(mean)
    erased = np.where(gone.reshape(*images.shape[:3], 1), fill.astype(np.float32), images)
    return replace(data, images=np.clip(erased, 0, 1).astype(np.float32))

"""Images and maps beside each other as one small picture, for a gallery of many."""

from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np

from interp.core.checks import check_finite

# An image (height, width, channels) in [0, 1] with a signed map (h, w) over it, or None.
Tile = tuple[np.ndarray, np.ndarray | None]
# Pixels of a tile's longer side, at least, and between tiles.
SIDE, GAP = 112, 4
# How much of the picture a map lets through.
OPACITY = 0.6
# A page holds hundreds of strips, which would be ten times larger as PNG.
QUALITY = 80


def map_strip(tiles: Sequence[Tile], *, shared_scale: bool = True, largest: int | None = None) -> bytes:
    """Return a small picture of images beside each other, with maps over them: for a gallery of many.

    Red speaks for the class, blue against it.

    Args:
        tiles: Pairs of an image (height, width, channels) in [0, 1] and a signed map (h, w), or None.
        shared_scale: Whether all maps share one colour scale; False is for maps of different methods, which have
            different units.
        largest: Pixels that no side of a tile is longer than (default: no bound).

    Returns:
        The bytes of a WebP file.

    Raises:
        InputError: A map is not finite.
    """
    pixels = _strip(tiles, shared_scale, largest)
    return cv2.imencode(".webp", pixels[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1].tobytes()


def png_of_strips(rows: Sequence[Sequence[Tile]]) -> bytes:
    """A PNG picture of strips below each other, each map on its own scale; no side of a tile is longer than SIDE."""
    strips = [_strip(row, shared_scale=False, largest=SIDE) for row in rows]
    gap = np.full((GAP, strips[0].shape[1], 3), 255, np.uint8)
    parts = [part for strip in strips for part in (strip, gap)][:-1]
    return cv2.imencode(".png", np.concatenate(parts)[..., ::-1])[1].tobytes()


def _strip(tiles: Sequence[Tile], shared_scale: bool, largest: int | None) -> np.ndarray:
    """Pixels (height, width, 3) of 0..255."""
    for _, map_ in tiles:
        if map_ is not None:
            check_finite("maps", map_)
    scales = [0.0 if map_ is None else float(np.abs(map_).max()) for _, map_ in tiles]
    if shared_scale:
        scales = [max(scales, default=0.0)] * len(tiles)
    pictures = [
        _tile(image, None if map_ is None else map_ / (scale or 1.0), largest)
        for (image, map_), scale in zip(tiles, scales, strict=True)
    ]
    gap = np.ones((pictures[0].shape[0], GAP, 3), np.float32)
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    return np.round(255 * np.concatenate(parts, 1)).astype(np.uint8)


def _tile(image: np.ndarray, map_: np.ndarray | None, largest: int | None) -> np.ndarray:
    height, width = image.shape[:2]
    times: float = max(1, -(-SIDE // max(height, width)))
    enlarging = cv2.INTER_NEAREST
    if largest is not None and times * max(height, width) > largest:
        times, enlarging = largest / max(height, width), cv2.INTER_AREA
    size = (max(1, round(times * width)), max(1, round(times * height)))
    shown = np.repeat(image.mean(-1, keepdims=True), 3, -1) if map_ is not None or image.shape[-1] != 3 else image
    shown = cv2.resize(np.clip(shown, 0, 1).astype(np.float32), size, interpolation=enlarging)
    if map_ is None:
        return shown
    smooth = cv2.resize(map_.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    colours = matplotlib.colormaps["seismic"](0.5 + smooth / 2)[..., :3]
    return OPACITY * colours.astype(np.float32) + (1 - OPACITY) * shown

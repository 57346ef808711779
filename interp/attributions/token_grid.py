"""Tokens of a transformer as a map: where on the image each one stands."""

from math import isqrt

import tensorflow as tf

from interp.core.errors import InputError

Grid = tuple[int, int]


def tokens_as_maps(tokens: tf.Tensor, grid: Grid | None, layer: str) -> tf.Tensor:
    """Tokens (n, tokens, channels) of a `layer` as (n, height, width, channels), rows first; a class token before them is left out.

    Without a `grid` (height, width) the map is square. Raises InputError where the number of tokens fits none.
    """
    count = tokens.shape[1]
    side = isqrt(count or 0)
    square = side * side == count or side * side + 1 == count
    height, width = grid or (side, side)
    extra = -1 if count is None or (grid is None and not square) else count - height * width
    if extra not in (0, 1):
        told = "an unknown number of" if count is None else count
        fits = (
            f"grid={grid} has {height * width} places"
            if grid
            else "they are no square, with or without one class token"
        )
        raise InputError(
            f"layer {layer!r} gives {told} tokens, and {fits}: give grid=(height, width) of the patches, whose product is the number of "
            "tokens, or one less where a class token comes first"
        )
    return tf.reshape(tokens[:, extra:], [-1, height, width, tokens.shape[2]])

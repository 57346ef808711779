"""One score a pixel: what maps are ranked by."""

from typing import Any

import numpy as np

from interp.core.checks import check_finite
from interp.core.errors import InputError, check_choice
from interp.core.names import RANKINGS


def pixel_scores(maps: Any, ranking: str = "signed") -> np.ndarray:
    """Return one score a pixel, by which maps are ranked.

    Args:
        maps: (n, height, width, channels).
        ranking: How pixels are ranked: "signed", by the sum over the channels, so what speaks for the class comes first
            and what speaks against it last, or "magnitude", by that of magnitudes, so both come first.

    Returns:
        float32 (n, height, width).

    Raises:
        InputError: The maps are not finite numbers of such a shape, or the ranking is unknown.
    """
    check_choice("ranking", ranking, RANKINGS)
    array = check_finite("maps", maps).astype(np.float32)
    if array.ndim != 4:
        raise InputError(f"maps came with shape {array.shape}, expected (n, height, width, channels)")
    return (np.abs(array) if ranking == "magnitude" else array).sum(-1)

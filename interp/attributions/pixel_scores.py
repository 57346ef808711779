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
        ranking: "signed" sums the channels, so what speaks for the class comes first and what speaks against it last;
            "magnitude" sums their magnitudes, so both come first.

    Returns:
        Scores (n, height, width), float32.

    Raises:
        InputError: For maps of another shape or that are not finite, and for another ranking.
    """
    check_choice("ranking", ranking, RANKINGS)
    array = check_finite("maps", maps).astype(np.float32)
    if array.ndim != 4:
        raise InputError(f"maps came with shape {array.shape}, expected (n, height, width, channels)")
    return (np.abs(array) if ranking == "magnitude" else array).sum(-1)

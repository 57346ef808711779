"""One score a pixel: what maps are ranked by."""

from typing import Any

import numpy as np

from interp.core.checks import check_finite
from interp.core.errors import InputError, check_choice
from interp.core.names import RANKINGS


def pixel_scores(maps: Any, ranking: str = "signed") -> np.ndarray:
    """Scores (n, height, width) of maps (n, height, width, channels), float32: the sum over the channels, or of magnitudes.

    `signed` ranks what speaks for the class first and what speaks against it last, `magnitude` ranks both first. Raises InputError.
    """
    check_choice("ranking", ranking, RANKINGS)
    array = check_finite("maps", maps).astype(np.float32)
    if array.ndim != 4:
        raise InputError(f"maps came with shape {array.shape}, expected (n, height, width, channels)")
    return (np.abs(array) if ranking == "magnitude" else array).sum(-1)

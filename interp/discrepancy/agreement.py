"""How much two maps agree: rank correlation, linear correlation, shared strongest positions."""

from typing import Any

import numpy as np
from scipy import stats

from interp.core.checks import check_finite, check_number
from interp.core.errors import InputError
from interp.core.tables import counted


def kendall_tau(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b of each pair of flat maps.

    Args:
        first: Flat maps (n, positions).
        second: Flat maps of the same shape, which are compared with them.

    Returns:
        float64 (n,); NaN where a map is constant.

    Raises:
        InputError: The maps are not finite numbers of such a shape.
    """
    first, second = _flat(first, second)
    if first.shape[-1] < 2:
        return np.full(len(first), np.nan)
    return np.array([stats.kendalltau(one, other).statistic for one, other in zip(first, second, strict=True)])


def pearson_r(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of each pair of flat maps.

    Args:
        first: Flat maps (n, positions).
        second: Flat maps of the same shape, which are compared with them.

    Returns:
        float64 (n,); NaN where a map is constant.

    Raises:
        InputError: The maps are not finite numbers of such a shape.
    """
    first, second = _flat(first, second)
    centred = [maps - maps.mean(-1, keepdims=True) for maps in (np.float64(first), np.float64(second))]
    scale = np.sqrt((centred[0] ** 2).sum(-1) * (centred[1] ** 2).sum(-1))
    # The mean of equal numbers may be rounded, and what is left of them is no map.
    defined = varies(first) & varies(second) & (scale > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(defined, (centred[0] * centred[1]).sum(-1) / scale, np.nan)


def spearman_r(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation of each pair of flat maps.

    Args:
        first: Flat maps (n, positions).
        second: Flat maps of the same shape, which are compared with them.

    Returns:
        float64 (n,); NaN where a map is constant.

    Raises:
        InputError: The maps are not finite numbers of such a shape.
    """
    first, second = _flat(first, second)
    return pearson_r(stats.rankdata(first, axis=-1), stats.rankdata(second, axis=-1))


def top_k_overlap(first: np.ndarray, second: np.ndarray, k: int) -> np.ndarray:
    """Return the share of the strongest positions that each pair of flat maps has in common.

    Args:
        first: Flat maps (n, positions).
        second: Flat maps of the same shape, which are compared with them.
        k: Number of strongest positions that are compared, from 1 to those of the maps.

    Returns:
        float64 (n,), in [0, 1]; NaN where a map is constant: of equal positions none is the strongest.

    Raises:
        InputError: The maps are not finite numbers of such a shape, or k is out of its range.
    """
    first, second = _flat(first, second)
    check_number("k", k, minimum=1, whole=True)
    if k > first.shape[-1]:
        raise InputError(f"k came as {k}, the maps have {counted(first.shape[-1], 'position')}: choose a smaller k")
    shared = (strongest(first, k) & strongest(second, k)).sum(-1) / k
    return np.where(varies(first) & varies(second), shared, np.nan)


def strongest(maps: np.ndarray, k: int) -> np.ndarray:
    """The k strongest positions of flat maps as booleans (n, positions); of equal ones the first."""
    chosen = np.zeros(maps.shape, bool)
    np.put_along_axis(chosen, np.argsort(-maps, -1, kind="stable")[:, :k], True, -1)
    return chosen


def varies(maps: np.ndarray) -> np.ndarray:
    """Which flat maps (n, positions) have positions that differ, (n,)."""
    return np.ptp(maps, -1) > 0


def as_floats(maps: Any) -> np.ndarray:
    """Finite maps as floats: numbers without a sign cannot be turned round, nor booleans subtracted. Raises InputError."""
    array = check_finite("maps", maps)
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float64)


def _flat(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = as_floats(first), as_floats(second)
    if first.shape != second.shape or first.ndim != 2:
        raise InputError(f"maps came with shapes {first.shape} and {second.shape}, expected two of (n, positions)")
    return first, second

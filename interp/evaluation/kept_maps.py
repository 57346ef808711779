"""Maps of many images on disk, computed once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from interp.attributions import Attribution
from interp.core.errors import InputError
from interp.core.kept_arrays import read_arrays, write_arrays
from interp.data import Dataset
from interp.evaluation.predictions import same_logits

# Images between two ticks of the progress bar.
BLOCK = 500


def kept_maps(
    path: Path | None,
    method: Attribution,
    data: Dataset,
    made_of: str,
    logits: np.ndarray | None,
    report: Callable[[int], None] = lambda _: None,
) -> np.ndarray:
    """Return maps (n, height, width, channels) of the labels of `data`, from the .npz file `path` if it holds those `made_of` the same.

    They are of the same model if its `logits` of a few images are those that were kept; without logits this is not asked.
    Otherwise they are computed, `report` is called with the number of images done, and the file is written, complete or not at all.
    Without a path nothing is kept. Raises InputError.
    """
    kept = None if path is None else _read(path, made_of, len(data), logits)
    if kept is not None:
        report(len(data))
        return kept
    parts = []
    images = np.asarray(data.images)
    for first in range(0, len(data), BLOCK):
        block = slice(first, first + BLOCK)
        parts.append(method.explain(images[block], data.labels[block], first=first).maps)
        report(len(parts[-1]))
    maps = np.concatenate(parts)
    if path is not None:
        write_arrays(path, made_of, maps=maps, **({} if logits is None else {"logits": logits}))
    return maps


def _read(path: Path, made_of: str, count: int, logits: np.ndarray | None) -> np.ndarray | None:
    """The maps in a file; None if there is none, if it is damaged or if its maps are others."""
    try:
        arrays = read_arrays(path, made_of) or {}
        maps, same = arrays["maps"], logits is None or same_logits(logits, arrays["logits"])
        return maps if same and len(maps) == count and np.isfinite(maps).all() else None
    except (InputError, KeyError, TypeError):
        return None

"""Finished blocks of one method under one measure on disk, from which a stopped comparison goes on."""

import hashlib
import json
import warnings
from pathlib import Path

import keras
import numpy as np

from interp.attributions import Attribution
from interp.core.digest import digest
from interp.core.errors import InputError
from interp.core.kept_arrays import read_arrays, write_arrays
from interp.core.provenance import describe_code
from interp.evaluation.faithfulness.measure import Measure, Measured
from interp.models.model_digest import identify_model

# Another number for other contents of the files, or for measures that give other values.
KEPT_FORMAT = 1


class KeptMeasures:
    """Values on disk, each block in a file named after everything that determines it; without a folder nothing is kept."""

    def __init__(self, folder: Path | None, model: keras.Model, seed: int) -> None:
        self._folder = folder
        if folder is not None:
            self._made_of = {"format": KEPT_FORMAT, "model": identify_model(model), "seed": seed, **describe_code()}

    def read(self, method: Attribution, measure: Measure, first: int, data: str, count: int) -> Measured | None:
        """The block of `count` images that starts at image `first`; None where there is none, or a damaged file, which is told."""
        if self._folder is None:
            return None
        path, made_of = self._file(self._folder, method, measure, first, data)
        try:
            arrays = read_arrays(path, made_of)
            return None if arrays is None else _checked(arrays, count, len(measure.shares))
        except (InputError, KeyError):
            warnings.warn(f"{path} is damaged, it is measured again", stacklevel=3)
            return None

    def write(self, method: Attribution, measure: Measure, first: int, data: str, found: Measured) -> None:
        """Keep a block."""
        if self._folder is not None:
            path, made_of = self._file(self._folder, method, measure, first, data)
            curve = {} if found.curve is None else {"curve": found.curve}
            write_arrays(path, made_of, values=found.values, **curve)

    def _file(self, folder: Path, method: Attribution, measure: Measure, first: int, data: str) -> tuple[Path, str]:
        told = {"method": method.describe(), "measure": repr(measure), "first": first, "data": data}
        made_of = json.dumps({**self._made_of, **told}, sort_keys=True)
        return folder / f"{type(measure).__name__}_{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.npz", made_of


def identify_block(images: np.ndarray, labels: np.ndarray, masks: np.ndarray | None) -> str:
    """Which images a block is of."""
    return digest([images, labels, *([] if masks is None else [masks])])


def _checked(arrays: dict[str, np.ndarray], count: int, points: int) -> Measured:
    values, curve = arrays["values"], arrays.get("curve")
    shapes = values.shape == (count,) and (curve.shape == (points, count) if curve is not None else not points)
    numbers = all(each.dtype == np.float64 for each in arrays.values())
    if not shapes or not numbers:
        raise InputError("a kept block is of another shape")
    return Measured(values, curve)

"""Finished blocks of one method under one measure on disk, from which a stopped comparison goes on."""

import hashlib
import json
import warnings
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from interp.attributions import Attribution
from interp.core.digest import code_digest, digest
from interp.core.errors import InputError
from interp.core.kept_arrays import read_arrays, write_arrays
from interp.core.provenance import describe_code
from interp.evaluation.faithfulness.measure import Measure, Measured
from interp.evaluation.predictions import predict, same_logits
from interp.models.model_digest import identify_model

# Another number for other contents of the files, or for measures that give other values.
KEPT_FORMAT = 2


class Block(NamedTuple):
    """Images that are measured together: the place of the first, a digest of them, and the logits (n, K) that the model gives them."""

    first: int
    data: str
    logits: np.ndarray


class KeptMeasures:
    """Values on disk, each block in a file named after everything that determines it; without a folder nothing is kept."""

    def __init__(self, folder: Path | None, model: keras.Model, seed: int) -> None:
        self._folder, self._model = folder, model
        if folder is not None:
            self._made_of = {"format": KEPT_FORMAT, "model": identify_model(model), "seed": seed, **describe_code()}

    def block(self, first: int, images: np.ndarray, labels: np.ndarray, masks: np.ndarray | None) -> Block | None:
        """What tells the block that starts at image `first` from others; None where nothing is kept."""
        if self._folder is None:
            return None
        data = digest([images, labels, *([] if masks is None else [masks])])
        return Block(first, data, predict(self._model, images))

    def read(self, method: Attribution, measure: Measure, block: Block | None) -> Measured | None:
        """What was measured of a block; None where there is nothing, or a damaged file, which is told."""
        if self._folder is None or block is None:
            return None
        path, made_of = self._file(self._folder, method, measure, block)
        try:
            arrays = read_arrays(path, made_of)
            if arrays is None or not same_logits(block.logits, arrays.pop("logits")):
                return None
            return _checked(arrays, len(block.logits), len(measure.shares))
        except (InputError, KeyError, TypeError):
            warnings.warn(f"{path} is damaged, it is measured again", stacklevel=3)
            return None

    def write(self, method: Attribution, measure: Measure, block: Block | None, found: Measured) -> None:
        """Keep what was measured of a block."""
        if self._folder is not None and block is not None:
            path, made_of = self._file(self._folder, method, measure, block)
            curve = {} if found.curve is None else {"curve": found.curve}
            write_arrays(path, made_of, values=found.values, logits=block.logits, **curve)

    def _file(self, folder: Path, method: Attribution, measure: Measure, block: Block) -> tuple[Path, str]:
        told = {"method": method.describe(), "measure": repr(measure), "first": block.first, "data": block.data}
        made_of = json.dumps({**self._made_of, **told, **code_digest(method, measure)}, sort_keys=True)
        return folder / f"{type(measure).__name__}_{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.npz", made_of


def _checked(arrays: dict[str, np.ndarray], count: int, points: int) -> Measured:
    values, curve = arrays["values"], arrays.get("curve")
    shapes = values.shape == (count,) and (curve.shape == (points, count) if curve is not None else not points)
    numbers = all(each.dtype == np.float64 for each in arrays.values())
    if not shapes or not numbers:
        raise InputError("a kept block is of another shape")
    return Measured(values, curve)

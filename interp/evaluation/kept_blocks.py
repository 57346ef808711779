"""Finished blocks of images on disk, from which a stopped run of the strong protocol goes on."""

import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from interp.core.digest import digest
from interp.core.errors import InputError
from interp.core.kept_arrays import read_arrays, write_arrays
from interp.core.provenance import describe_code
from interp.evaluation.outcomes import Outcomes
from interp.evaluation.predictions import predict, same_logits
from interp.evaluation.protocol import StrongProtocol
from interp.models.model_digest import identify_model

# Another number for other contents of the files, or for attacks that find others.
BLOCK_FORMAT = 2


class KeptBlocks:
    """Blocks on disk, each in a file that is named after everything that determines it; without a folder nothing is kept."""

    def __init__(
        self, folder: Path | None, model: keras.Model, radii: Sequence[float], protocol: StrongProtocol, seed: int
    ) -> None:
        self._folder, self._model = folder, model
        if folder is not None:
            made_of = {"model": identify_model(model), "protocol": repr(protocol), "seed": seed}
            self._made_of = {"format": BLOCK_FORMAT, **made_of, "epsilons": list(radii), **describe_code()}

    def read(self, first: int, images: np.ndarray, labels: np.ndarray) -> Outcomes | None:
        """The block that starts at image `first`; None where it is not kept, or where a damaged file, which is told, is to be replaced."""
        if self._folder is None:
            return None
        path, made_of = self._file(self._folder, first, images, labels)
        try:
            arrays = read_arrays(path, made_of)
            found = None if arrays is None else Outcomes.from_arrays(arrays)
        except (InputError, KeyError, ValueError, TypeError):
            warnings.warn(f"{path} is damaged, its images are attacked again", stacklevel=3)
            return None
        return found if found is not None and same_logits(predict(self._model, images), found.logits) else None

    def write(self, first: int, images: np.ndarray, labels: np.ndarray, found: Outcomes) -> None:
        """Keep a block, unless the model draws: it would not be found again."""
        if self._folder is not None and not found.draws:
            path, made_of = self._file(self._folder, first, images, labels)
            write_arrays(path, made_of, **found.to_arrays())

    def _file(self, folder: Path, first: int, images: np.ndarray, labels: np.ndarray) -> tuple[Path, str]:
        made_of = json.dumps({**self._made_of, "first": first, "data": digest([images, labels])}, sort_keys=True)
        return folder / f"{first:06d}_{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.npz", made_of

"""Images with their maps, which a measure looks at, and the model and method that they come from; all of it goes to a worker."""

import pickle
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from interp.attributions import Attribution, pixel_scores
from interp.evaluation.erasure import pixel_ranks
from interp.evaluation.faithfulness.label_scores import LabelScores


class Subject:
    """A model and a method of it, None where there are only maps, with the graphs compiled for them.

    A worker process unpickles a subject once, however many jobs it belongs to, so graphs are compiled there once, too.
    """

    def __init__(self, scores: LabelScores, method: Attribution | None) -> None:
        self.scores, self.method = scores, method

    @cached_property
    def _pickled(self) -> bytes:
        return pickle.dumps((self.scores, self.method))

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        return _unpickled, (self._pickled,)


@lru_cache(maxsize=1)
def _unpickled(subject: bytes) -> Subject:
    # Bytes that the process which started this worker has made; none of them come from a file.
    return Subject(*pickle.loads(subject))


@dataclass(frozen=True, eq=False)
class Explained:
    """Images (n, height, width, channels), labels (n,), maps (n, height, width, channels or 1), and object masks (n, height, width).

    `first` is the place of the first image among all images: draws depend on `seed` and place, never on batches.
    """

    subject: Subject
    images: np.ndarray
    labels: np.ndarray
    maps: np.ndarray
    masks: np.ndarray | None = None
    seed: int = 0
    first: int = 0

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.images.shape[1], self.images.shape[2]

    def scores(self, ranking: str) -> np.ndarray:
        """One score a pixel, (n, height, width)."""
        return pixel_scores(self.maps, ranking)

    def generators(self) -> list[np.random.Generator]:
        """A source of random numbers for each image."""
        return [np.random.default_rng((self.seed, self.first + row)) for row in range(len(self.images))]

    def ranks(self, scores: np.ndarray) -> np.ndarray:
        """Ranks (n, units) of the scores (n, units) of each image, 0 the largest; ties are broken by a draw."""
        rows = (pixel_ranks(row[None, None], seed=(self.seed, self.first + place)) for place, row in enumerate(scores))
        return np.concatenate(list(rows))

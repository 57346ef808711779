"""Images with their maps, which a measure looks at, and the model and method that they come from; all of it goes to a worker."""

from dataclasses import dataclass

import numpy as np

from interp.attributions import Attribution, pixel_scores
from interp.core.sent_once import SentOnce
from interp.evaluation.erasure import pixel_ranks
from interp.evaluation.faithfulness.label_scores import LabelScores


class Subject(SentOnce):
    """A model and a method of it, None where there are only maps; graphs are kept with the model."""

    def __init__(self, scores: LabelScores, method: Attribution | None) -> None:
        super().__init__(scores, method)
        self.scores, self.method = scores, method


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

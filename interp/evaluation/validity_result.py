"""What the strong protocol returns: accuracies under each of its attacks, the worst case, and flags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from interp.core.errors import InputError
from interp.core.json_fields import Count, Number, Share
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell, Table, counted
from interp.evaluation.flags import Flag, at_radius
from interp.evaluation.older_records import completed_validity
from interp.evaluation.statistics import EPS, IMAGES, binomial_error, wilson_interval

# The norms of radii as leaderboards write them.
THREAT_MODELS = {"linf": "Linf", "l2": "L2"}


@dataclass(frozen=True)
class StrongAccuracy:
    """Accuracies under the attacks of the strong protocol at one radius.

    "PGD" and "random starts" are accuracies under that attack alone; "any iterate" counts every iterate of PGD, "more steps" goes on
    from there; each "then" attacks what all gradient attacks before it left standing, here and at smaller radii. Each "ensemble" is a
    member of AutoAttack, on what nothing before it broke. Records of earlier versions lack the last two fields.

    Attributes:
        epsilon: Radius of the ball, for images in [0, 1].
        count: Number of images.
        accuracies: Accuracy under each attack, by its name.
        worst_case: Share of the images that no attack broke at this radius or a smaller one.
        flags: Reasons not to trust the figures.
        broken_by: What broke each image first: the name of an attack, "clean" where it is wrong without one, "" where nothing did.
        seconds: Seconds that each attack took, at the first radius with its compiling, by its name.
    """

    epsilon: float = field(metadata=EPS)
    count: Count = field(metadata=IMAGES)
    accuracies: Mapping[str, Share]
    worst_case: Share
    flags: tuple[Flag, ...]
    broken_by: tuple[str, ...] = field(default=(), repr=False)
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False, repr=False)

    def right(self) -> np.ndarray:
        """Which images (n,) nothing broke. Raises InputError where a record of an earlier version does not say."""
        if len(self.broken_by) != self.count:
            raise InputError(
                f"what broke each of the {self.count} images is not in the record, which is of an earlier version: measure again"
            )
        return np.array([name == "" for name in self.broken_by])

    def accuracy_under(self, name: str) -> float:
        """Accuracy under an attack of that name, at this radius or another one.

        One that is not among `accuracies` had nothing to do here: at radius 0, or where nothing was left, which is the worst case.
        """
        return self.accuracies.get(name, self.accuracies["PGD"] if self.epsilon == 0 else self.worst_case)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of 95% of the worst case."""
        return wilson_interval(self.worst_case, self.count)

    @property
    def standard_error(self) -> float:
        """Binomial standard error of the worst case."""
        return binomial_error(self.worst_case, self.count)


@dataclass(frozen=True)
class Validity(Result):
    """Accuracies under the strong protocol, and flags of figures that cannot be trusted.

    Attributes:
        protocol: How the images were attacked, in words.
        rows: A StrongAccuracy for each radius; empty for a model that cannot be attacked.
        flags: Reasons not to trust the figures, as far as they are of the model.
        count: Number of images.
        norm: Norm of the ball, "linf" or "l2".
        labels: The true classes; empty in records of earlier versions.
        predictions: The classes predicted without an attack; empty in records of earlier versions.

    Raises:
        InputError: The fields do not fit each other.
    """

    protocol: str
    rows: tuple[StrongAccuracy, ...] = field(metadata={"json": "by_radius"})
    flags: tuple[Flag, ...]
    count: Count = field(metadata=IMAGES)
    norm: str = "linf"
    labels: tuple[Number, ...] = field(default=(), repr=False)
    predictions: tuple[Number, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        self._expect(all("PGD" in row.accuracies for row in self.rows), "an accuracy under PGD at each radius")
        self._expect(self.norm in THREAT_MODELS, "a norm of linf or l2")
        self._expect(len(self.labels) == len(self.predictions), "a prediction for each label")

    @property
    def flagged(self) -> bool:
        """Whether anything was flagged at all."""
        return bool(self.flags or any(row.flags for row in self.rows))

    @property
    def clean_accuracy(self) -> float | None:
        """Accuracy without an attack; None where a record of an earlier version does not say it."""
        for row in self.rows:
            if row.broken_by:
                return float(np.mean([name != "clean" for name in row.broken_by]))
            if row.epsilon == 0:
                return row.worst_case
        return None

    def leaderboard(self, **known: Cell) -> list[dict[str, Cell]]:
        """A row for each radius in the form of RobustBench: accuracies in percent, radii as they are.

        Args:
            known: what the result does not know, by column, such as model_name and dataset; it comes first.

        Returns:
            Rows by column: what is known, threat_model (Linf or L2), eps, n (images), clean_acc, robust_acc (the worst case), the 95%
            interval of Wilson of that (robust_acc_low, robust_acc_high), the accuracy after each attack by its name in the table,
            seconds (of all attacks at that radius) and flags. What a record of an earlier version does not say is None.
        """
        attacks = dict.fromkeys(name for row in self.rows for name in row.accuracies)
        return [
            {
                **known,
                "threat_model": THREAT_MODELS[self.norm],
                "eps": row.epsilon,
                "n": row.count,
                "clean_acc": _percent(self.clean_accuracy),
                "robust_acc": _percent(row.worst_case),
                "robust_acc_low": _percent(row.interval[0]),
                "robust_acc_high": _percent(row.interval[1]),
                **{name: _percent(row.accuracy_under(name)) for name in attacks},
                "seconds": round(sum(row.seconds.values(), 0.0), 3) if row.seconds or row.broken_by else None,
                "flags": ", ".join(flag.kind for flag in (*self.flags, *row.flags)),
            }
            for row in self.rows
        ]

    def image_table(self, indices: Sequence[int], **known: Cell) -> Table:
        """What broke each image: a row an image, with its index, label and prediction, and a column for each radius.

        Args:
            indices: the number of each image in the set that it was drawn from.
            known: further columns of one value, such as data and seed, which say what that set is.

        Returns:
            A table; an attack is named as in the accuracies, "clean" is an image that is wrong without one, "" one that nothing broke.

        Raises:
            InputError: for a record of an earlier version, and for another number of indices.
        """
        if len(indices) != self.count:
            raise InputError(
                f"{counted(len(indices), 'index', 'indices')} came for {counted(self.count, 'image')}: give one for each"
            )
        broken = [row.broken_by for row in self.rows if row.right().size]
        return Table(
            ("index", "label", "prediction", *(f"eps {row.epsilon:g}" for row in self.rows), *known),
            tuple(
                (int(index), *cells, *known.values())
                for index, *cells in zip(indices, self.labels, self.predictions, *broken, strict=True)
            ),
            self.caption,
        )

    def columns(self) -> dict[str, list[Cell]]:
        """Radii down, attacks across, and the kinds of the flags; one row without accuracies where there are none."""
        kinds = [", ".join(flag.kind for flag in (*self.flags, *row.flags)) or NOTHING for row in self.rows]
        if not self.rows:
            kinds = [", ".join(flag.kind for flag in self.flags)]
        newer, intervals = any(row.broken_by for row in self.rows), [row.interval for row in self.rows]
        attacks = dict.fromkeys(name for row in self.rows for name in row.accuracies)
        return {
            "eps": [row.epsilon for row in self.rows] or [NOTHING],
            # Tables of earlier versions stay as they are in their records.
            **({"images": [row.count for row in self.rows]} if newer else {}),
            **{name: [row.accuracy_under(name) for row in self.rows] for name in attacks},
            "worst case": [row.worst_case for row in self.rows] or [None],
            "standard error": [row.standard_error for row in self.rows] or [NOTHING],
            **({"95% from": [low for low, _ in intervals], "to": [high for _, high in intervals]} if newer else {}),
            "flags": [*kinds],
        }

    @property
    def caption(self) -> str:
        """How many images there were, and the protocol."""
        return f"{counted(self.count, 'image')}; {self.protocol}"

    def _derived(self) -> dict[str, Any]:
        found = (*self.flags, *(flag for row in self.rows for flag in at_radius(row.flags, row.epsilon)))
        return {"flagged": self.flagged, "flags": found}

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return completed_validity(values)


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 4)

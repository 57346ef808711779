"""What the strong protocol returns: accuracies under each of its attacks, the worst case, and flags."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from interp.core.errors import InputError
from interp.core.json_fields import Count, Share
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell
from interp.evaluation.flags import Flag, at_radius
from interp.evaluation.older_records import completed_validity
from interp.evaluation.statistics import EPS, IMAGES, binomial_error, wilson_interval


@dataclass(frozen=True)
class StrongAccuracy:
    """Accuracies on `count` images at one radius, and the worst case per image over all attacks, carried from smaller radii.

    "PGD" and "random starts" are accuracies under that attack alone; "any iterate" counts every iterate of PGD, "more steps" goes on
    from there; each "then" attacks what all gradient attacks before it left standing, here and at smaller radii. Each "ensemble" is a
    member of AutoAttack, on what nothing before it broke. `broken_by` names for each image what broke it first at this radius or a
    smaller one: "" where nothing did, "clean" where the network was wrong without an attack. Records of earlier versions lack it.
    """

    epsilon: float = field(metadata=EPS)
    count: Count = field(metadata=IMAGES)
    accuracies: Mapping[str, Share]
    worst_case: Share
    flags: tuple[Flag, ...]
    broken_by: tuple[str, ...] = field(default=(), repr=False)

    def right(self) -> np.ndarray:
        """Which images (n,) nothing broke. Raises InputError where a record of an earlier version does not say."""
        if len(self.broken_by) != self.count:
            raise InputError(
                f"what broke each of the {self.count} images is not in the record, which is of an earlier version: measure again"
            )
        return np.array([name == "" for name in self.broken_by])

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
    """What the strong protocol found on `count` images: an accuracy per radius, and flags of the network.

    There are no accuracies of a network that cannot be attacked.
    """

    protocol: str
    rows: tuple[StrongAccuracy, ...] = field(metadata={"json": "by_radius"})
    flags: tuple[Flag, ...]
    count: Count = field(metadata=IMAGES)

    def __post_init__(self) -> None:
        self._expect(all("PGD" in row.accuracies for row in self.rows), "an accuracy under PGD at each radius")

    @property
    def flagged(self) -> bool:
        """Whether anything was flagged at all."""
        return bool(self.flags or any(row.flags for row in self.rows))

    def columns(self) -> dict[str, list[Cell]]:
        """Radii down, attacks across, and the kinds of the flags; one row without accuracies where there are none."""
        kinds = [", ".join(flag.kind for flag in (*self.flags, *row.flags)) or NOTHING for row in self.rows]
        if not self.rows:
            kinds = [", ".join(flag.kind for flag in self.flags)]
        newer, intervals = any(row.broken_by for row in self.rows), [row.interval for row in self.rows]
        attacks = dict.fromkeys(name for row in self.rows for name in row.accuracies)
        return {
            "eps": [row.epsilon for row in self.rows] or [NOTHING],
            # Without an attack, at eps 0, there is one accuracy.
            **{name: [row.accuracies.get(name, row.accuracies["PGD"]) for row in self.rows] for name in attacks},
            "worst case": [row.worst_case for row in self.rows] or [None],
            "standard error": [row.standard_error for row in self.rows] or [NOTHING],
            # Tables of earlier versions stay as they are in their records.
            **({"95% from": [low for low, _ in intervals], "to": [high for _, high in intervals]} if newer else {}),
            "flags": [*kinds],
        }

    @property
    def caption(self) -> str:
        """How many images there were, and the protocol."""
        return f"{self.count} images; {self.protocol}"

    def _derived(self) -> dict[str, Any]:
        found = (*self.flags, *(flag for row in self.rows for flag in at_radius(row.flags, row.epsilon)))
        return {"flagged": self.flagged, "flags": found}

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return completed_validity(values)

"""What the strong protocol for explanations returns: for each radius and measure how far the maps can be moved, and flags."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from interp.core.errors import InputError
from interp.core.json_fields import Count
from interp.core.names import THREAT_NORMS
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell
from interp.evaluation.flags import Flag, at_radius
from interp.evaluation.older_records import without_flags_of_radii
from interp.evaluation.statistics import EPS, IMAGES, Mean


@dataclass(frozen=True)
class MovedMaps:
    """How far maps moved by one `measure`: the worst case of each image, over all searches and what was carried from smaller radii.

    `worst_case` is their mean, `noise` and `corner_noise` that of the worst of as many draws of noise as there were random starts.
    `by_search` holds the means of what each kind of search found alone, `values` the worst case of each image, None where the measure is
    not defined, and `found_by` the search that found it ("clean": nothing moved the map, "carried": a smaller radius did).
    """

    measure: str
    worst_case: Mean
    noise: Mean
    corner_noise: Mean
    by_search: Mapping[str, Mean]
    values: tuple[float | None, ...] = field(repr=False)
    found_by: tuple[str, ...] = field(repr=False)
    flags: tuple[Flag, ...] = ()

    @property
    def most_found_by(self) -> str:
        """What found the worst case of the most images."""
        return Counter(self.found_by).most_common(1)[0][0] if self.found_by else NOTHING


@dataclass(frozen=True)
class ExplanationsAtRadius:
    """What was found at one radius, by every measure."""

    epsilon: float = field(metadata=EPS)
    measures: tuple[MovedMaps, ...]

    @property
    def flags(self) -> tuple[Flag, ...]:
        """The flags of all measures."""
        return tuple(flag for moved in self.measures for flag in moved.flags)


@dataclass(frozen=True)
class ExplanationValidity(Result):
    """How far explanations can be moved while the prediction stays, against the radius of the attack.

    Attributes:
        protocol: How the maps were attacked, in words.
        explanation: Name of the explanation method.
        rows: The result at each radius: its `epsilon`, and in `measures` the worst case, the noise and the flags of each measure.
        flags: Reasons not to trust the figures, as far as they are of the model or of all radii.
        count: Number of images that were attacked, those classified right.
        sampled: Number of images that were given.
        places: The places of the attacked images among those that were given.
        norm: Norm of the ball, "linf" or "l2".

    Raises:
        InputError: The fields do not fit each other.
    """

    protocol: str
    explanation: str
    rows: tuple[ExplanationsAtRadius, ...] = field(metadata={"json": "by_radius"})
    flags: tuple[Flag, ...]
    count: Count = field(metadata=IMAGES)
    sampled: Count
    places: tuple[int, ...] = field(default=(), repr=False)
    norm: str = "linf"

    def __post_init__(self) -> None:
        self._expect(self.norm in THREAT_NORMS, "a norm of linf or l2")
        lengths = {len(moved.values) for row in self.rows for moved in row.measures}
        self._expect(lengths <= {self.count}, "a value of each measure for each image")

    @property
    def flagged(self) -> bool:
        """Whether anything was flagged at all."""
        return bool(self.flags or any(row.flags for row in self.rows))

    def values(self, epsilon: float, measure: str) -> np.ndarray:
        """The worst case (n,) of each image at a radius by a measure's title; NaN where it is not defined. Raises InputError."""
        there = {(row.epsilon, moved.measure): moved for row in self.rows for moved in row.measures}
        if (epsilon, measure) not in there:
            known = ", ".join(f"{radius:g} {title}" for radius, title in there)
            raise InputError(f"nothing is known of {measure} at {epsilon:g}: choose among {known}")
        found = there[epsilon, measure]
        return np.array([np.nan if value is None else value for value in found.values])

    def columns(self) -> dict[str, list[Cell]]:
        """A radius and measure a row: what noise and what the strongest attack does, and the kinds of the flags."""
        pairs = [(row, moved) for row in self.rows for moved in row.measures]
        kinds = [", ".join(flag.kind for flag in (*self.flags, *moved.flags)) or NOTHING for _, moved in pairs]
        return {
            "eps": [row.epsilon for row, _ in pairs],
            "measure": [moved.measure for _, moved in pairs],
            "images": [moved.worst_case.count for _, moved in pairs],
            "noise": [moved.noise.value for _, moved in pairs],
            "corner noise": [moved.corner_noise.value for _, moved in pairs],
            "strongest attack": [moved.worst_case.value for _, moved in pairs],
            "standard error": [moved.worst_case.cells[1] for _, moved in pairs],
            "mostly found by": [moved.most_found_by for _, moved in pairs],
            "flags": [*kinds],
        }

    @property
    def caption(self) -> str:
        """Of how many images, and the protocol."""
        return f"{self.count} of {self.sampled} images, those classified right; {self.explanation}; {self.protocol}"

    def _derived(self) -> dict[str, Any]:
        found = (*self.flags, *(flag for row in self.rows for flag in at_radius(row.flags, row.epsilon)))
        return {"flagged": self.flagged, "flags": found}

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        # The record of a task counts the images that were given.
        places = values.get("places")
        counted = {"images": len(places)} if isinstance(places, list) and places else {}
        # Records of before the field have the norm in the words of their protocol.
        norm = "l2" if "measure in l2," in str(values.get("protocol")) else "linf"
        return without_flags_of_radii({"norm": norm, **values, **counted})

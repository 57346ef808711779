"""Figures that go with pictures of maps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from interp.attributions import Explanation
from interp.core.json_fields import Count, Places, Share
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell
from interp.evaluation.statistics import IMAGES


@dataclass(frozen=True)
class AttackedAccuracy(Result):
    """Accuracy of `count` images, clean and attacked at the radius `epsilon`."""

    count: Count = field(metadata=IMAGES)
    epsilon: float
    clean: Share
    attacked: Share
    protocol: str

    @property
    def caption(self) -> str:
        """The maps and the attack."""
        return self.protocol

    def columns(self) -> dict[str, list[Cell]]:
        """One row."""
        return {
            "images": [self.count],
            "eps": [self.epsilon],
            "clean accuracy": [self.clean],
            "attacked accuracy": [self.attacked],
        }


@dataclass(frozen=True)
class SneakedImages(Result):
    """The `qualified` (q,) of `count` images, attacked at the first penalty: their classes, radii and discrepancies, each (q,)."""

    count: Count = field(metadata=IMAGES)
    qualified: Places
    true_classes: tuple[str, ...]
    targets: tuple[str, ...]
    epsilons: np.ndarray
    discrepancies: np.ndarray
    protocol: str

    def __post_init__(self) -> None:
        values = (self.qualified, self.true_classes, self.targets, self.epsilons, self.discrepancies)
        self._expect(len({len(each) for each in values}) == 1, "a value of each kind for each qualified image")

    @property
    def caption(self) -> str:
        """How many images there were, and the protocol."""
        return f"{self.count} images, {len(self.qualified)} qualified; {self.protocol}"

    def columns(self) -> dict[str, list[Cell]]:
        """An image a row; one without figures where none qualified."""
        columns: dict[str, list[Cell]] = {
            "image": self.qualified.tolist(),
            "true class": list(self.true_classes),
            "target": list(self.targets),
            "eps": self.epsilons.tolist(),
            "discrepancy": self.discrepancies.tolist(),
        }
        return columns if len(self.qualified) else {name: [None] for name in columns}


@dataclass(frozen=True)
class MapSummary(Result):
    """Of the maps of each method: the layer, the mean largest magnitude, the share below 0 and the mean completeness gap."""

    count: Count = field(metadata=IMAGES)
    methods: tuple[str, ...]
    layers: tuple[str | None, ...]
    magnitudes: tuple[float, ...]
    negative: tuple[Share, ...]
    gaps: tuple[float | None, ...]
    settings: str = ""

    @classmethod
    def of(cls, found: Mapping[str, Explanation], *, settings: str = "") -> Self:
        """The summary of what attributions explained of the same images, by name."""
        maps = [np.asarray(each.maps) for each in found.values()]
        gaps = [each.values.get("gap") for each in found.values()]
        return cls(
            len(maps[0]),
            tuple(found),
            tuple(each.layer for each in found.values()),
            tuple(float(np.abs(each).max((1, 2, 3)).mean()) for each in maps),
            tuple(float((each < 0).mean()) for each in maps),
            tuple(None if gap is None else float(gap.mean()) for gap in gaps),
            settings,
        )

    def __post_init__(self) -> None:
        lengths = {len(each) for each in (self.methods, self.layers, self.magnitudes, self.negative, self.gaps)}
        self._expect(len(lengths) == 1 and bool(self.methods), "a value of each kind for each method")

    @property
    def caption(self) -> str:
        """How many images there were, and the settings."""
        return "; ".join(filter(None, (f"{self.count} images", self.settings)))

    def columns(self) -> dict[str, list[Cell]]:
        """A method a row."""
        return {
            "method": list(self.methods),
            "layer": [NOTHING if layer is None else layer for layer in self.layers],
            "images": [self.count] * len(self.methods),
            "mean largest magnitude": list(self.magnitudes),
            "share below 0": list(self.negative),
            "completeness gap": [NOTHING if gap is None else gap for gap in self.gaps],
        }

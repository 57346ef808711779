"""Figures that go with pictures of maps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from interp.attributions import Explanation
from interp.core.checks import check_named
from interp.core.json_fields import Count, Places, Share
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell, counted
from interp.evaluation.statistics import IMAGES


@dataclass(frozen=True)
class AttackedAccuracy(Result):
    """Accuracy of images whose maps are shown, clean and under an attack.

    Attributes:
        count: Number of images.
        epsilon: Radius of the ball, for images in [0, 1].
        clean: Accuracy without an attack.
        attacked: Accuracy under the attack.
        protocol: Which maps are shown and how the images were attacked, in words.
    """

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
    """Images of a sneaking attack at its first penalty, whose maps are shown.

    Attributes:
        count: Number of images.
        qualified: Integers (q,), the places of the images on which the attack succeeded; the four below are of these.
        true_classes: Names of the true classes.
        targets: Names of the target classes.
        epsilons: Radius of the ball (q,), for images in [0, 1].
        discrepancies: Discrepancy (q,) of the clean and the attacked map.
        protocol: How the maps were attacked, in words.

    Raises:
        InputError: The fields do not fit each other.
    """

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
        return f"{counted(self.count, 'image')}, {len(self.qualified)} qualified; {self.protocol}"

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
    """Figures of the maps of several methods.

    Attributes:
        count: Number of images.
        methods: Names of the methods.
        layers: Name of the layer that each method looked at; None for methods that look at none.
        magnitudes: Largest magnitude of a map, mean over the images, of each method.
        negative: Share of the values of the maps that are below 0, of each method.
        gaps: Mean completeness gap of each method; None for methods without one.
        settings: How the maps were made, in words.

    Raises:
        InputError: The fields do not fit each other.
    """

    count: Count = field(metadata=IMAGES)
    methods: tuple[str, ...]
    layers: tuple[str | None, ...]
    magnitudes: tuple[float, ...]
    negative: tuple[Share, ...]
    gaps: tuple[float | None, ...]
    settings: str = ""

    @classmethod
    def of(cls, found: Mapping[str, Explanation], *, settings: str = "") -> Self:
        """Sum up explanations of the same images.

        Args:
            found: The Explanation of each method, by name.
            settings: How the maps were made, in words.

        Returns:
            A MapSummary.

        Raises:
            InputError: There is no explanation, or one is no Explanation.
        """
        check_named("explanations", found, Explanation, "VanillaGradient(model).explain(images, labels)")
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
        return "; ".join(filter(None, (counted(self.count, "image"), self.settings)))

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

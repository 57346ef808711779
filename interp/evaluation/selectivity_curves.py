"""Selectivity of several methods beside each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from interp.core.checks import check_named
from interp.core.errors import InputError
from interp.core.json_fields import Count, Number, Share
from interp.core.results import Result
from interp.core.tables import Cell, counted
from interp.evaluation.older_saliency_records import completed_selectivity
from interp.evaluation.selectivity import Selectivity
from interp.evaluation.statistics import IMAGES


@dataclass(frozen=True)
class SelectivityCurves(Result):
    """Selectivity of several methods beside each other: means over the images against the number of erased patches.

    Attributes:
        curves: Mean probability of the label, before any patch is erased and after each, by method.
        accuracies: Accuracy at the same points, by method.
        count: Number of images.
        patch: Side of a patch in pixels.
        pixels: Number of pixels of an image; 0 where it is not known.
        settings: How the maps were made, in words.
        fill: Value that erased pixels took.

    Raises:
        InputError: The fields do not fit each other.
    """

    curves: Mapping[str, tuple[float, ...]]
    accuracies: Mapping[str, tuple[Share, ...]]
    count: Count = field(metadata=IMAGES)
    patch: Count = 1
    pixels: Number = 0
    settings: str = ""
    fill: Share = 0.0

    def __post_init__(self) -> None:
        lengths = {len(curve) for curve in (*self.curves.values(), *self.accuracies.values())}
        fits = self.curves.keys() == self.accuracies.keys() and len(lengths) == 1 and min(lengths) > 0
        self._expect(fits, "both curves of each method, all of one length")

    @classmethod
    def of(cls, found: Mapping[str, Selectivity], *, settings: str = "") -> "SelectivityCurves":
        """Make the curves of several methods.

        Args:
            found: What `selectivity` returned for each method, by name.
            settings: How the maps were made, in words.

        Returns:
            A SelectivityCurves.

        Raises:
            InputError: There is no result, one is no Selectivity, or they are of different numbers of images, patches or fills.
        """
        check_named("results", found, Selectivity, "selectivity(VanillaGradient(model), images, labels)")
        first = next(iter(found.values()))
        for name, result in found.items():
            for what, one, other in (
                ("images", first.right.shape[1], result.right.shape[1]),
                ("steps", len(first.right) - 1, len(result.right) - 1),
                ("pixels a side of a patch", first.patch, result.patch),
                ("fill", first.fill, result.fill),
            ):
                if one != other:
                    raise InputError(
                        f"the results are not of one measurement ({what}): {next(iter(found))} has {one}, {name} {other}; measure all alike"
                    )
        return cls(
            {name: tuple(map(float, result.mean_probability)) for name, result in found.items()},
            {name: tuple(map(float, result.accuracy)) for name, result in found.items()},
            first.right.shape[1],
            first.patch,
            int(np.prod(first.erased.shape[1:])),
            settings,
            first.fill,
        )

    @property
    def steps(self) -> int:
        """How many patches were erased."""
        return len(next(iter(self.curves.values()))) - 1

    def columns(self) -> dict[str, list[Cell]]:
        """A method a row: the area, the probability before, half-way and at the end, and the accuracy at the end."""
        curves, steps = self.curves.values(), self.steps
        return {
            "method": [*self.curves],
            "area": [float(np.mean(curve)) for curve in curves],
            **{f"p after {at}": [curve[at] for curve in curves] for at in (0, steps // 2, steps)},
            f"accuracy after {steps}": [accuracies[-1] for accuracies in self.accuracies.values()],
        }

    @property
    def caption(self) -> str:
        """How many images there were, what was erased at a step, and the settings."""
        share = f" ({100 * self.patch**2 / self.pixels:.1f}% of the image)" if self.pixels else ""
        step = "one pixel" if self.patch == 1 else f"a patch of {self.patch} x {self.patch} pixels{share}"
        told = (
            f"{counted(self.count, 'image')}, {step} a step, set to {self.fill:g}, maps computed anew; p: probability of the class; area: "
            "its mean over the curve, the smaller the more selective"
        )
        return "; ".join(filter(None, (told, self.settings)))

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return completed_selectivity(values)

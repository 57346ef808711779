"""What an interpretation gives up against the radius, image by image, for several class selections."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from interp.attributions import find_attribution
from interp.attributions.interpretation_maps import maps_batch
from interp.core.errors import InputError
from interp.core.json_fields import Count
from interp.core.names import SELECTIONS
from interp.core.results import Result
from interp.core.tables import Cell, counted
from interp.evaluation.flags import Flag
from interp.evaluation.sneaking import Sneaking
from interp.evaluation.statistics import IMAGES

COLUMNS = ("image", "classes", "penalty", "eps", "discrepancy")


@dataclass(frozen=True)
class Tradeoff(Result):
    """Discrepancy against the radius, image by image, for several selections of classes.

    Attributes:
        curves: A Sneaking for each class selection, or for the representation, by name.
        count: Number of images.
        protocol: How the maps were attacked, in words.
    """

    curves: Mapping[str, Sneaking]
    count: Count = field(metadata=IMAGES)
    protocol: str = ""

    @property
    def flags(self) -> tuple[Flag, ...]:
        """Reasons not to trust the figures: those of all curves, each once."""
        return tuple(dict.fromkeys(flag for found in self.curves.values() for flag in found.flags))

    def columns(self) -> dict[str, list[Cell]]:
        """A row for each selection, qualified image and penalty; one without figures where no image qualified."""
        rows = [
            (int(image), name, penalty, float(found.epsilons[point, index]), float(found.discrepancies[point, index]))
            for name, found in self.curves.items()
            for index, image in enumerate(found.qualified)
            for point, penalty in enumerate(found.penalties)
        ]
        figures = zip(*rows, strict=True) if rows else ([None],) * len(COLUMNS)
        return dict(zip(COLUMNS, map(list, figures), strict=True))

    @property
    def caption(self) -> str:
        """How many images there were, and the protocol."""
        return f"{counted(self.count, 'image')}; {self.protocol}"

    def _derived(self) -> dict[str, Any]:
        return {"flags": self.flags}


def selections_of(
    method: str, classes: int, image_shape: tuple[int, int, int]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The class selections whose maps are compared, by the names of their curves, and a note on one that is left out."""
    # Feature maps are the same for all classes.
    if method == "representation":
        return {"representation": "one_class"}, ()
    names = {name: name for name in SELECTIONS}
    try:
        maps_batch(find_attribution(method), classes, image_shape, 1)
    except InputError as error:
        del names["all_class"]
        return names, (f"all_class left out: {str(error).partition(':')[0]}",)
    return names, ()

"""Do explanations look at the object, and do methods agree with each other?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from interp.attributions.pixel_scores import pixel_scores
from interp.core.checks import check_finite, check_number, kind_of
from interp.core.errors import InputError
from interp.core.json_fields import Count, Share
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell, counted
from interp.discrepancy.agreement import spearman_r
from interp.evaluation.older_saliency_records import completed_coherence
from interp.evaluation.roar_kar_result import RANDOM
from interp.evaluation.statistics import IMAGES, Mean, mean_of


@dataclass(frozen=True)
class Coherence(Result):
    """How far the maps of several methods lie on the object, and how far they agree.

    Attributes:
        methods: Names of the methods.
        count: Number of images.
        on_object: Mean share of a map's magnitude that lies on the object, one for each method; None without masks.
        object_share: Share of the pixels that belong to the object, which a uniform map comes to; None without masks.
        agreement: Mean rank correlation (Spearman) of each two methods' pixel scores, (methods, methods), NaN where it is not defined.
        settings: How the maps were made, in words.

    Raises:
        InputError: The fields do not fit each other.
    """

    methods: tuple[str, ...]
    count: Count = field(metadata=IMAGES)
    on_object: tuple[Mean, ...] | None
    object_share: Share | None
    agreement: np.ndarray
    settings: str = ""

    def __post_init__(self) -> None:
        methods = len(self.methods)
        fits = self.agreement.shape == (methods, methods) and (self.on_object is None or len(self.on_object) == methods)
        self._expect(fits, "an agreement for each pair of methods, and a share for each method or none")

    def columns(self) -> dict[str, list[Cell]]:
        """A method a row; agreement is with the others, without the random baseline."""
        nothing: list[Cell] = [NOTHING] * len(self.methods)
        return {
            "method": [*self.methods],
            "share on object": nothing if self.on_object is None else [mean.value for mean in self.on_object],
            "standard error": nothing if self.on_object is None else [_error(mean) for mean in self.on_object],
            "mean agreement": [self._with_others(place) for place in range(len(self.methods))],
        }

    def _with_others(self, place: int) -> Cell:
        left_out = {place, *(other for other, name in enumerate(self.methods) if name == RANDOM)}
        others = np.delete(self.agreement[place], sorted(left_out))
        return mean_of(others).value if len(others) else NOTHING

    @property
    def caption(self) -> str:
        """How many images there were, how large their objects are, and the settings."""
        covered = "" if self.object_share is None else f"; the object covers {self.object_share:.3f} of the pixels"
        told = f"{counted(self.count, 'image')}{covered}; agreement: rank correlation with the other methods, without the random baseline"
        return "; ".join(filter(None, (told, self.settings)))

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return completed_coherence(values)


def coherence(
    maps: Mapping[str, np.ndarray], objects: np.ndarray | None = None, *, ranking: str = "signed"
) -> Coherence:
    """Measure how far maps of the same images lie on the object, and how far the methods agree.

    A map that is 0 everywhere has no share on the object and does not count there.

    Args:
        maps: Maps (n, height, width, channels) by the names of their methods.
        objects: Masks (n, height, width), not 0 where the object is (default: none, and no shares are measured).
        ranking: How pixels are ranked to compare methods: "signed", by the sum over the channels, or "magnitude", by that of magnitudes.

    Returns:
        A Coherence.

    Raises:
        InputError: The maps or masks are not finite numbers of such shapes, or the ranking is unknown.
    """
    if not isinstance(maps, Mapping) or not maps:
        came = "nothing" if isinstance(maps, Mapping) else kind_of(maps)
        raise InputError(f"maps came as {came}, expected those of one method at least, by name")
    scores = {name: pixel_scores(each, ranking) for name, each in maps.items()}
    shapes = {values.shape for values in scores.values()}
    if len(shapes) > 1:
        raise InputError(f"maps came with shapes {sorted(shapes)}, expected those of the same images")
    shape = shapes.pop()
    flat = [values.reshape(len(values), -1) for values in scores.values()]
    agreement = np.eye(len(flat))
    for row in range(len(flat)):
        for column in range(row):
            mean = mean_of(spearman_r(flat[row], flat[column])).value
            agreement[row, column] = agreement[column, row] = np.nan if mean is None else mean
    if objects is None:
        return Coherence(tuple(maps), shape[0], None, None, agreement)
    masks = check_finite("masks", objects).astype(bool)
    if masks.shape != shape:
        raise InputError(f"masks came with shape {masks.shape}, expected {shape} like the maps")
    shares = []
    for each in maps.values():
        magnitudes = pixel_scores(each, "magnitude").astype(np.float64)
        total = magnitudes.sum((1, 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            shares.append(mean_of(np.where(total > 0, (magnitudes * masks).sum((1, 2)) / total, np.nan)))
    return Coherence(tuple(maps), shape[0], tuple(shares), float(masks.mean()), agreement)


def ink(images: np.ndarray, threshold: float = 0.1) -> np.ndarray:
    """Find what is drawn on black: the pixels brighter than a threshold in any channel.

    Args:
        images: (n, height, width, channels) in [0, 1].
        threshold: Brightness above which a pixel belongs to the drawing.

    Returns:
        Boolean masks (n, height, width).

    Raises:
        InputError: The images are not finite numbers of such a shape, or the threshold is no number of at least 0.
    """
    check_number("threshold", threshold, minimum=0)
    pixels = check_finite("images", images)
    if pixels.ndim != 4:
        raise InputError(f"images came with shape {pixels.shape}, expected (n, height, width, channels)")
    return pixels.max(-1) > threshold


def _error(mean: Mean) -> Cell:
    """The standard error in a table: undefined where the mean is, and nothing to state of one image."""
    return None if mean.value is None else mean.cells[1]

"""Reasons not to believe how far explanations were moved: of the searches, of the network, or of its maps."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from interp.attacks import ExplanationAttackResult
from interp.attacks.explanation_searches import CONTROLS, CORNERS, NOISE, SQUARES
from interp.attacks.map_comparison import CLEAN
from interp.attacks.map_search import FIRST_STEP
from interp.core.tables import counted
from interp.discrepancy.measures import MapMeasure
from interp.evaluation.flags import Flag
from interp.evaluation.statistics import clear_gain

# A gain of the measure up to this is not flagged.
GAIN = 0.02
# Of the images, and of what an attack found.
FEW, HALF = 0.02, 0.5
# A smaller change of a measure is rounding.
UNMOVED = 1e-6


def searches_by_kind(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of searches by their kinds: a gradient search has a number for each of its random starts."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(kind_of_search(name), []).append(name)
    return kinds


def kind_of_search(name: str) -> str:
    """The name of a search without the number of its random start."""
    return name if name in CONTROLS else name.rpartition(" ")[0]


def worst_of(measure: MapMeasure, values: Sequence[np.ndarray]) -> np.ndarray:
    """The worst (n,) of the values of several searches."""
    stacked = np.stack(values)
    best = np.argmax(np.stack([measure.loss(each) for each in values]), 0)
    return np.take_along_axis(stacked, best[None], 0)[0]


def flags_at_radius(found: ExplanationAttackResult, measure: MapMeasure, restarts: int) -> list[Flag]:
    title, by_search = measure.title, {name: each[measure.title] for name, each in found.by_search.items()}
    clean, worst = by_search[CLEAN], found.values[title]
    gradient = [name for name in by_search if name not in CONTROLS]
    by_gradient = worst_of(measure, [clean, *(by_search[name] for name in gradient)])
    flags = []
    fewer = [by_search[name] for name in gradient if not name.endswith(f" {restarts}")]
    if restarts > 1:
        before = worst_of(measure, [clean, *fewer])
        flags += _gain(
            "restarts",
            f"the last of {restarts} random starts moves the maps",
            measure,
            before,
            by_gradient,
            "more restarts may move them further still",
        )
    if SQUARES in by_search:
        both = worst_of(measure, [by_gradient, by_search[SQUARES]])
        flags += _gain(
            "black box",
            "a search without gradients moves the maps",
            measure,
            by_gradient,
            both,
            "the gradients of these maps mislead",
        )
    noise = worst_of(measure, [by_search[name] for name in (CLEAN, NOISE, CORNERS)])
    by_noise, by_all = (_change(measure, clean, each) for each in (noise, worst))
    if len(by_all) and by_all.mean() > GAIN and by_noise.mean() > HALF * by_all.mean():
        flags.append(
            Flag(
                "noise",
                f"random noise moves the maps by {by_noise.mean():.3f} in {title}, the strongest attack by {by_all.mean():.3f}: most of "
                "what moves them at this radius is noise",
            )
        )
    if len(by_all) and by_all.max() < UNMOVED and not found.moved.any():
        flags.append(
            Flag(
                "unmoved",
                f"the maps are the same at all points tried ({title}): they do not depend on the image there, as the gradient of a linear "
                "network does not, which is no sign of robust training",
            )
        )
    return flags


def _gain(kind: str, what: str, measure: MapMeasure, before: np.ndarray, after: np.ndarray, meaning: str) -> list[Flag]:
    """A flag where the measure got worse from `before` to `after` (n,) of the same images by more than chance explains."""
    gain = clear_gain(_change(measure, before, after), GAIN)
    if gain is None:
        return []
    told = f"{gain[0]:.3f} in {measure.title} (standard error {gain[1]:.3f})"
    return [Flag(kind, f"{what} further by {told}: {meaning}")]


def _change(measure: MapMeasure, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """By how much the measure got worse, of those images of which it is defined."""
    defined = np.isfinite(before) & np.isfinite(after)
    return measure.loss(after[defined]) - measure.loss(before[defined])


def weak_searches(steps: int) -> list[Flag]:
    """The flag of gradient searches whose steps, a quarter of the radius at first and falling along a cosine, do not cross a radius."""
    reach = FIRST_STEP * (steps + 1) / 2
    if reach >= 1:
        return []
    return [
        Flag(
            "weak attack",
            f"{counted(steps, 'step')} of a search {'comes' if steps == 1 else 'come'} {reach:.2g} of a radius far at most: the searches "
            f"are weak, which says nothing of the network; take {math.ceil(2 / FIRST_STEP) - 1} steps or more",
        )
    ]


def without_gradient(gradients: np.ndarray) -> list[Flag]:
    share = float(((gradients == 0) | ~np.isfinite(gradients)).mean())
    if share <= FEW:
        return []
    return [
        Flag(
            "no gradient",
            f"the maps have no gradient at all on {100 * share:.0f}% of the images, so searches that follow it cannot move them: only "
            "noise and the search without gradients count there",
        )
    ]


def constant_maps(found: ExplanationAttackResult) -> list[Flag]:
    share = float(found.constant.mean())
    if share <= FEW:
        return []
    return [
        Flag(
            "constant map",
            f"the clean map has one value everywhere on {100 * share:.0f}% of the images: most measures are not defined there, and those "
            "images do not count",
        )
    ]

"""How little an interpretation moves when the prediction is fooled: ISA against the radius (Boopathy et al. 2020, section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from interp.attacks import InterpretabilitySneaking, MinimumEpsilon, MinimumEpsilonResult
from interp.attributions import InterpretationMaps
from interp.core.checks import check_images, check_instance, check_labels, check_listed, check_number
from interp.core.errors import InputError
from interp.discrepancy import class_discrepancy, kendall_tau, pearson_r, select_classes
from interp.evaluation.flags import Flag, weak_search
from interp.evaluation.predictions import predict
from interp.evaluation.statistics import Mean, mean_of
from interp.models.model_check import check_model


@dataclass(frozen=True)
class Sneaking:
    """ISA of `count` images at `penalties` (p,) times the smallest radius of each.

    Of the `qualified` (q,) images, those whose clean prediction prefers the true class to the target and on which the attack
    succeeded: radii, discrepancies normalised by the range of the clean map, rank and linear correlations of the maps, each (p, q).
    A larger ball may reuse a smaller ball's attack, so discrepancies do not rise with the radius. `flags` say where a search was too weak.
    """

    count: int
    broken: int
    preferring: int
    penalties: tuple[float, ...]
    qualified: np.ndarray
    epsilons: np.ndarray
    discrepancies: np.ndarray
    kendall_taus: np.ndarray
    pearson_rs: np.ndarray
    adversarial: np.ndarray
    flags: tuple[Flag, ...] = ()

    @property
    def discrepancy(self) -> Mean:
        """Mean normalised discrepancy over penalties and images."""
        return mean_of(self.discrepancies.mean(0)) if len(self.qualified) else mean_of([])

    @property
    def slope(self) -> Mean:
        """Mean normalised slope (D_first - D_last) eps_first / ((eps_last - eps_first) D_first)."""
        if not len(self.qualified):
            return mean_of([])
        radii, distances = self.epsilons, self.discrepancies
        with np.errstate(divide="ignore", invalid="ignore"):
            return mean_of((distances[0] - distances[-1]) * radii[0] / ((radii[-1] - radii[0]) * distances[0]))

    def at(self, values: np.ndarray) -> list[Mean]:
        """A mean for each penalty."""
        return [mean_of(row) for row in values]


def sneaking(
    model: keras.Model,
    images: Any,
    labels: Any,
    targets: Any,
    attack: InterpretabilitySneaking,
    minimum: MinimumEpsilon,
    penalties: Sequence[float],
    *,
    smallest: MinimumEpsilonResult | None = None,
    seed: int = 0,
    batch_size: int = 250,
) -> Sneaking:
    """Search the smallest radii (or take them), attack at each penalty times them, and measure. Raises InputError.

    `penalties` are at least 1: below, no attack was found at all.
    """
    factors = check_penalties(penalties)
    check_instance("the attack", attack, InterpretabilitySneaking, "InterpretabilitySneaking()")
    check_instance("the search of the smallest radius", minimum, MinimumEpsilon, "MinimumEpsilon()")
    batch = check_images(images)
    count = check_model(model, batch)
    labels, targets = (check_labels(each, batch, count).numpy() for each in (labels, targets))
    images = batch.numpy()
    maps = InterpretationMaps(name=attack.interpretation, layer=attack.layer)
    maps.check(model, images)
    given, smallest = smallest, smallest or minimum(model, images, targets, seed=seed, batch_size=batch_size)
    logits = predict(model, images, batch_size=batch_size)
    rows = np.arange(len(images))
    preferring = logits[rows, targets] >= logits[rows, labels]
    radii = np.outer(factors, np.where(preferring, np.nan, smallest.epsilons)).astype(np.float32)
    # A ball of a radius above 1 is the whole cube of images.
    balls = np.minimum(radii, np.float32(1))
    found = attack(model, images, labels, targets, balls, start=smallest.adversarial, batch_size=batch_size)
    qualified = np.flatnonzero(found.succeeded[0])
    searches = {(attack.steps, attack.direction), *([] if given else [(minimum.steps, minimum.direction)])}
    flags = tuple(flag for search in sorted(searches) for flag in weak_search(*search))
    counts = len(images), int(smallest.broken.sum()), int(preferring.sum())
    if not len(qualified):
        nothing = np.zeros((len(factors), 0))
        return Sneaking(
            *counts, factors, qualified, nothing, nothing, nothing, nothing, found.adversarial[:, qualified], flags
        )
    shown = np.asarray(select_classes(attack.classes, labels[qualified], targets[qualified], logits.shape[-1]))
    clean = maps.flat(model, images[qualified], shown)
    distances = np.full((len(factors), len(qualified)), np.inf)
    taus, correlations = np.full(distances.shape, np.nan), np.full(distances.shape, np.nan)
    adversarial = found.adversarial[:, qualified]
    for point in range(len(factors)):
        moved = maps.flat(model, adversarial[point], shown)
        measured = class_discrepancy(clean, moved, attack.norm, normalised=True).numpy()
        distances[point] = np.where(found.succeeded[point][qualified], measured, np.inf)
        pairs = clean.reshape(-1, clean.shape[-1]), moved.reshape(-1, clean.shape[-1])
        taus[point] = _mean_over_classes(kendall_tau(*pairs), len(qualified))
        correlations[point] = _mean_over_classes(pearson_r(*pairs), len(qualified))
        if point:
            worse = distances[point] > distances[point - 1]
            for values in (distances, taus, correlations, adversarial):
                values[point, worse] = values[point - 1, worse]
    return Sneaking(*counts, factors, qualified, radii[:, qualified], distances, taus, correlations, adversarial, flags)


def check_penalties(penalties: Sequence[float]) -> tuple[float, ...]:
    """Return the penalties in rising order; raises InputError for one below 1."""
    check_listed("penalties", penalties, "[1.25, 1.5]")
    for penalty in penalties:
        check_number("a penalty", penalty, minimum=0)
        if not 1 <= penalty < 1e6:
            raise InputError(
                f"a penalty came as {penalty}, expected at least 1: below the smallest radius no attack succeeds"
            )
    return tuple(sorted(set(map(float, penalties))))


def _mean_over_classes(values: np.ndarray, count: int) -> np.ndarray:
    # NaN, where a map is constant, does not count; NaN where all are.
    rows = values.reshape(count, -1)
    known = np.isfinite(rows)
    with np.errstate(invalid="ignore"):
        return np.where(known, rows, 0).sum(-1) / np.where(known.any(-1), known.sum(-1), np.nan)

"""How little an interpretation moves when the prediction is fooled: ISA against the radius (Boopathy et al. 2020, section 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from interp.attacks import InterpretabilitySneaking, MinimumEpsilon, MinimumEpsilonResult
from interp.attacks.goals import check_targets
from interp.attributions import InterpretationMaps
from interp.attributions.interpretation_maps import maps_batch
from interp.attributions.registry import shown_name
from interp.core.checks import check_images, check_instance, check_labels, check_number, check_penalties
from interp.core.errors import InputError
from interp.core.json_fields import Count, Number, Places
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell, counted
from interp.discrepancy import class_discrepancy, kendall_tau, pearson_r, select_classes
from interp.evaluation.bound import discrepancy_bounds
from interp.evaluation.flags import Flag, weak_search
from interp.evaluation.older_records import completed_sneaking
from interp.evaluation.predictions import predict
from interp.evaluation.statistics import IMAGES, Mean, mean_of, mean_of_points
from interp.models.model_check import check_model

# By how much a point may lie outside of its radius.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Sneaking(Result):
    """Interpretability sneaking attacks (ISA) at multiples of the smallest radius of each image (Boopathy et al. 2020).

    Images qualify whose clean prediction prefers the true class to the target, and on which the attack at the first penalty succeeded. A
    larger ball may reuse the attack of a smaller one, so discrepancies do not rise with the radius.

    Attributes:
        count: Number of images.
        broken: Number of images for which a smallest radius was found.
        preferring: Number of images whose clean prediction prefers the target.
        penalties: Multiples (p,) of the smallest radius, in rising order.
        qualified: Integers (q,), the places of the images that qualify.
        epsilons: Penalty times smallest radius (p, q), for images in [0, 1]; where that is above 1, the ball holds all images.
        discrepancies: Discrepancy (p, q) of the clean and the attacked map, divided by the range of the clean one.
        kendall_taus: Kendall tau (p, q) of the two maps, mean over the classes compared.
        pearson_rs: Pearson correlation (p, q) of the two maps, mean over the classes compared.
        adversarial: Attacked images (p, q, height, width, channels); empty in a result that was read from a record.
        flags: Reasons not to trust the figures: a search too weak for its radii.
        protocol: How the maps were attacked, in words.
        bounds: Lower bound (q,) of the discrepancy of any attack that reaches the target (proposition 1 of the paper); None where there is
            no such bound.

    Raises:
        InputError: The fields do not fit each other.
    """

    count: Count = field(metadata=IMAGES)
    broken: Number
    preferring: Number
    penalties: tuple[float, ...]
    qualified: Places
    epsilons: np.ndarray
    discrepancies: np.ndarray
    kendall_taus: np.ndarray
    pearson_rs: np.ndarray
    adversarial: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 0, 0, 0, 0), np.float32), metadata={"json": False}
    )
    flags: tuple[Flag, ...] = ()
    protocol: str = ""
    bounds: np.ndarray | None = None

    def __post_init__(self) -> None:
        shapes = {each.shape for each in (self.epsilons, self.discrepancies, self.kendall_taus, self.pearson_rs)}
        fits = (
            self.qualified.ndim == 1 and shapes == {(len(self.penalties), len(self.qualified))} and len(self.penalties)
        )
        self._expect(bool(fits), "figures (penalties, qualified), and a penalty at least")
        fits = self.bounds is None or self.bounds.shape == self.qualified.shape
        self._expect(fits, "a bound for each qualified image")

    @property
    def discrepancy(self) -> Mean:
        """Mean normalised discrepancy over penalties and images."""
        return mean_of_points(self.discrepancies)

    @property
    def slope(self) -> Mean:
        """Mean normalised slope (D_first - D_last) eps_first / ((eps_last - eps_first) D_first)."""
        # In double precision, whatever they were measured in, so that a record says the same.
        radii, distances = self.epsilons.astype(np.float64), self.discrepancies
        with np.errstate(divide="ignore", invalid="ignore"):
            return mean_of((distances[0] - distances[-1]) * radii[0] / ((radii[-1] - radii[0]) * distances[0]))

    @property
    def bound(self) -> Mean:
        """Mean bound."""
        return mean_of([] if self.bounds is None else self.bounds)

    @property
    def above_bound(self) -> list[float | None]:
        """By which share the mean discrepancy is above the mean bound, at each penalty and over all; None where either is unknown or 0."""
        means, bound = [*self.at(self.discrepancies), self.discrepancy], self.bound.value
        return [mean.value / bound - 1 if mean.value is not None and bound else None for mean in means]

    def at(self, values: np.ndarray) -> list[Mean]:
        """Return the mean at each penalty.

        Args:
            values: An array (p, q) of this result, such as `discrepancies`.

        Returns:
            A Mean for each penalty.
        """
        return [mean_of(row) for row in values]

    def columns(self) -> dict[str, list[Cell]]:
        """A penalty a row, and one over all of them."""
        rows = len(self.penalties) + 1

        def means(values: np.ndarray, overall: Cell) -> list[Cell]:
            return [*(mean.value for mean in self.at(values)), overall]

        return {
            "penalty": [*(f"{penalty:g}" for penalty in self.penalties), "all"],
            "images": [self.count] * rows,
            "broken": [self.broken] * rows,
            "qualified": [len(self.qualified)] * rows,
            "mean eps": means(self.epsilons, NOTHING),
            "discrepancy": means(self.discrepancies, self.discrepancy.value),
            **self._bound_columns(rows),
            "Kendall tau": means(self.kendall_taus, mean_of_points(self.kendall_taus).value),
            "Pearson r": means(self.pearson_rs, mean_of_points(self.pearson_rs).value),
            "slope": [*([NOTHING] * (rows - 1)), self.slope.value],
        }

    def _bound_columns(self, rows: int) -> dict[str, list[Cell]]:
        if self.bounds is None:
            return {}
        return {
            "lower bound": [self.bound.value] * rows,
            "share above bound": [*self.above_bound],
        }

    @property
    def caption(self) -> str:
        """How many images qualified, and the protocol."""
        return (
            f"{counted(self.count, 'image')}, of which {self.preferring} prefer their target when clean, {self.broken} were broken and "
            f"{len(self.qualified)} qualified; {self.protocol}"
        )

    def _derived(self) -> dict[str, Any]:
        return {"standard_error": self.discrepancy.standard_error}

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return completed_sneaking(values)


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
    """Attack each image at multiples of its smallest radius so that the prediction changes and the map hardly does (Boopathy et al. 2020).

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: Integers (n,), the true classes.
        targets: Integers (n,), the target classes.
        attack: The sneaking attack.
        minimum: The search for the smallest radius, in linf.
        penalties: Multiples of the smallest radius, at least 1: below it no attack succeeds.
        smallest: What `minimum` found of these images and targets before (default: it searches now).
        seed: Seed of all random draws.
        batch_size: Number of images processed at a time; random draws do not depend on it.

    Returns:
        A Sneaking.

    Raises:
        InputError: The model, images, labels, targets or penalties cannot be used, a target is the label of its image, the model does not
            have such maps, `minimum` is in another norm than linf, or `smallest` is not of these images.
    """
    factors = check_penalties(penalties)
    check_instance("the attack", attack, InterpretabilitySneaking, "InterpretabilitySneaking()")
    check_instance("the search of the smallest radius", minimum, MinimumEpsilon, "MinimumEpsilon()")
    if minimum.norm != "linf":
        raise InputError(
            f"the smallest radii are searched in {minimum.norm}, sneaking attacks take those in linf: give MinimumEpsilon()"
        )
    check_number("batch_size", batch_size, minimum=1, whole=True)
    batch = check_images(images)
    count = check_model(model, batch)
    labels = check_labels(labels, batch, count).numpy()
    targets = check_labels(targets, batch, count, what="target class").numpy()
    check_targets(labels, targets)
    images = batch.numpy()
    if smallest is not None:
        _check_smallest(smallest, images)
    maps = InterpretationMaps(name=attack.interpretation, layer=attack.layer)
    maps.check(model, images)
    maps_batch(maps.method, count if attack.classes == "all_class" else 2, tuple(batch.shape[1:]), batch_size)
    given, smallest = smallest, smallest or minimum(model, images, targets, seed=seed, batch_size=batch_size)
    logits = predict(model, images, batch_size=batch_size)
    rows = np.arange(len(images))
    preferring = logits[rows, targets] >= logits[rows, labels]
    radii = np.outer(factors, np.where(preferring, np.nan, smallest.epsilons)).astype(np.float32)
    # A ball of a radius above 1 is the whole cube of images.
    balls = np.minimum(radii, np.float32(1))
    found = attack(model, images, labels, targets, balls, start=smallest.adversarial, seed=seed, batch_size=batch_size)
    qualified = np.flatnonzero(found.succeeded[0])
    searches = {(attack.steps, attack.direction), *([] if given else [(minimum.steps, minimum.direction)])}
    flags = tuple(flag for search in sorted(searches) for flag in weak_search(*search))
    told = f"{shown_name(attack.interpretation)}, {attack.classes}, {attack.discrepancy_norm}, direction {attack.direction}"
    told = f"{told}, {counted(attack.steps, 'step')} a round"
    if attack.protocol == "strong":
        told = f"{told}, then {counted(attack.search_steps, 'step')} with momentum, random starts: {attack.restarts}"
    counts = len(images), int(smallest.broken.sum()), int(preferring.sum())
    if not len(qualified):
        nothing = np.zeros((len(factors), 0))
        empty = nothing, nothing, nothing, nothing
        return Sneaking(*counts, factors, qualified, *empty, found.adversarial[:, qualified], flags, told)
    shown = np.asarray(select_classes(attack.classes, labels[qualified], targets[qualified], logits.shape[-1]))
    # Random draws of a map are those that the attack saw.
    clean = maps.flat(model, images[qualified], shown, places=qualified)
    distances = np.full((len(factors), len(qualified)), np.inf)
    taus, correlations = np.full(distances.shape, np.nan), np.full(distances.shape, np.nan)
    adversarial = found.adversarial[:, qualified]
    for point in range(len(factors)):
        moved = maps.flat(model, adversarial[point], shown, places=qualified)
        measured = class_discrepancy(clean, moved, attack.discrepancy_norm, normalised=True).numpy()
        distances[point] = np.where(found.succeeded[point][qualified], measured, np.inf)
        pairs = clean.reshape(-1, clean.shape[-1]), moved.reshape(-1, clean.shape[-1])
        taus[point] = _mean_over_classes(kendall_tau(*pairs), len(qualified))
        correlations[point] = _mean_over_classes(pearson_r(*pairs), len(qualified))
        if point:
            worse = distances[point] > distances[point - 1]
            for values in (distances, taus, correlations, adversarial):
                values[point, worse] = values[point - 1, worse]
    figures = radii[:, qualified], distances, taus, correlations
    margins = (logits[qualified, labels[qualified]] - logits[qualified, targets[qualified]]) / 2
    bounds = discrepancy_bounds(maps.method, margins, clean, attack.classes, attack.discrepancy_norm)
    return Sneaking(*counts, factors, qualified, *figures, adversarial, flags, told, bounds)


def _check_smallest(smallest: MinimumEpsilonResult, images: np.ndarray) -> None:
    """Raise InputError where smallest radii that were given are not those of these images in linf."""
    check_instance("smallest", smallest, MinimumEpsilonResult, "MinimumEpsilon()(model, images, targets)")
    shapes = {name: np.shape(getattr(smallest, name)) for name in ("adversarial", "epsilons", "broken")}
    wanted = {"adversarial": images.shape, "epsilons": (len(images),), "broken": (len(images),)}
    for name, shape in shapes.items():
        if shape != wanted[name]:
            raise InputError(
                f"smallest came with {name} of shape {shape}, expected {wanted[name]}: search these images"
            )
    reached = np.flatnonzero(smallest.broken)
    distances = np.abs(smallest.adversarial[reached] - images[reached]).max((1, 2, 3), initial=0)
    beyond = ~(distances <= smallest.epsilons[reached] + ROUNDING)
    if beyond.any():
        first = int(np.argmax(beyond))
        raise InputError(
            f"smallest came with a point {distances[first]:.4g} from image {reached[first]} in linf and a radius of "
            f"{smallest.epsilons[reached[first]]:.4g}: give what MinimumEpsilon() in linf found of these images"
        )


def _mean_over_classes(values: np.ndarray, count: int) -> np.ndarray:
    # NaN, where a map is constant, does not count; NaN where all are.
    rows = values.reshape(count, -1)
    known = np.isfinite(rows)
    with np.errstate(invalid="ignore"):
        return np.where(known, rows, 0).sum(-1) / np.where(known.any(-1), known.sum(-1), np.nan)

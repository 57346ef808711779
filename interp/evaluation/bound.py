"""The margin and the discrepancy at the smallest radius: the bound of Boopathy et al. 2020, proposition 1."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from interp.attacks import MinimumEpsilon
from interp.attacks.goals import check_targets
from interp.attributions import CAM, Attribution, IntegratedGradients, InterpretationMaps
from interp.attributions.interpretation_maps import maps_batch
from interp.attributions.registry import shown_name
from interp.core.checks import check_images, check_instance, check_labels, check_number
from interp.core.errors import check_choice
from interp.core.json_fields import Count, Places
from interp.core.names import NORMS, SELECTIONS
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell, counted
from interp.discrepancy import class_discrepancy, select_classes
from interp.evaluation.flags import Flag, weak_search
from interp.evaluation.older_records import with_images
from interp.evaluation.predictions import predict
from interp.evaluation.statistics import IMAGES, Mean, mean_of
from interp.models.model_check import check_model


@dataclass(frozen=True)
class BoundCheck(Result):
    """Discrepancy of maps and margin of logits at the smallest radius that reaches a target (Boopathy et al. 2020, proposition 1).

    The margin is (f_t - f_t') / 2 of the clean image, with the logits f of the true class t and the target t'.

    Attributes:
        count: Number of images.
        broken: Integers (q,), the places of the images whose target was reached; the three arrays below are of these.
        epsilons: Smallest radius found (q,).
        margins: Margin (q,).
        discrepancies: Discrepancy (q,) of the clean map and that at the smallest radius.
        bounded: Whether the bound applies: to the two-class discrepancy in l1 of CAM, or of integrated gradients without softplus whose
            baseline does not depend on the image.
        flags: Reasons not to trust the figures: a search too weak for its radii.
        protocol: How radii were searched and maps compared, in words.

    Raises:
        InputError: The fields do not fit each other.
    """

    count: Count = field(metadata=IMAGES)
    broken: Places
    epsilons: np.ndarray
    margins: np.ndarray
    discrepancies: np.ndarray
    bounded: bool = True
    flags: tuple[Flag, ...] = ()
    protocol: str = ""

    def __post_init__(self) -> None:
        shapes = {each.shape for each in (self.broken, self.epsilons, self.margins, self.discrepancies)}
        self._expect(shapes == {(len(self.broken),)}, "a radius, a margin and a discrepancy for each broken image")

    @property
    def epsilon(self) -> Mean:
        """Mean smallest radius."""
        return mean_of(self.epsilons)

    @property
    def margin(self) -> Mean:
        """Mean margin."""
        return mean_of(self.margins)

    @property
    def discrepancy(self) -> Mean:
        """Mean discrepancy."""
        return mean_of(self.discrepancies)

    @property
    def below_margin(self) -> int | None:
        """On how many images the discrepancy is below the margin, where the bound says on none; None where it says nothing."""
        if not self.bounded:
            return None
        # In double precision, whatever they were measured in, so that a record says the same.
        margins = self.margins.astype(np.float64)
        return int((self.discrepancies < margins - 1e-4 * (1 + np.abs(margins))).sum())

    def columns(self) -> dict[str, list[Cell]]:
        """One row."""
        below = self.below_margin
        return {
            "images": [self.count],
            "broken": [len(self.broken)],
            "mean eps": [self.epsilon.value],
            "mean margin": [self.margin.value],
            "mean discrepancy": [self.discrepancy.value],
            "discrepancy below margin": [NOTHING if below is None else below],
        }

    @property
    def caption(self) -> str:
        """How many images there were, and the protocol."""
        return f"{counted(self.count, 'image')}; {self.protocol}"

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return with_images(values)


def bound_check(
    model: keras.Model,
    images: Any,
    labels: Any,
    targets: Any,
    attack: MinimumEpsilon,
    *,
    interpretation: str | Attribution = "cam",
    classes: str = "two_class",
    discrepancy_norm: str = "l1",
    seed: int = 0,
    batch_size: int = 250,
) -> BoundCheck:
    """Search the smallest radius of each image and compare margin and discrepancy there (Boopathy et al. 2020, proposition 1).

    Maps whose mean is the logit are divided by their number of positions, so that margins and discrepancies have one scale; the sum of
    integrated gradients is the logit already.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: Integers (n,), the true classes.
        targets: Integers (n,), the target classes.
        attack: The search for the smallest radius; radii are in its norm.
        interpretation: Explanation method, by name or as an object.
        classes: Classes whose maps are compared: "one_class", "two_class" or "all_class".
        discrepancy_norm: Norm of a difference of maps, "l1" or "l2".
        seed: Seed of all random draws.
        batch_size: Number of images processed at a time; random draws do not depend on it.

    Returns:
        A BoundCheck.

    Raises:
        InputError: The model, images, labels or targets cannot be used, a target is the label of its image, `classes` or the norm is
            unknown, or the model does not have such maps.
    """
    check_instance("the attack", attack, MinimumEpsilon, "MinimumEpsilon()")
    check_choice("class selection", classes, SELECTIONS)
    check_choice("discrepancy norm", discrepancy_norm, NORMS)
    check_number("batch_size", batch_size, minimum=1, whole=True)
    batch = check_images(images)
    count = check_model(model, batch)
    labels = check_labels(labels, batch, count).numpy()
    targets = check_labels(targets, batch, count, what="target class").numpy()
    check_targets(labels, targets)
    images = batch.numpy()
    maps = InterpretationMaps(name=interpretation)
    maps.check(model, images)
    maps_batch(maps.method, count if classes == "all_class" else 2, tuple(batch.shape[1:]), batch_size)
    smallest = attack(model, images, targets, seed=seed, batch_size=batch_size)
    broken = np.flatnonzero(smallest.broken)
    bounded = (classes, discrepancy_norm) == ("two_class", "l1") and _adds_up(maps.method)
    flags = weak_search(attack.steps, attack.direction)
    radii = "" if attack.norm == "linf" else f"radii in {attack.norm}, "
    search = f"{radii}direction {attack.direction}, {counted(attack.steps, 'step')} a round"
    protocol = f"{shown_name(interpretation)}, {classes}, {discrepancy_norm}, {search}"
    if not len(broken):
        nothing = np.zeros(0)
        return BoundCheck(len(images), broken, nothing, nothing, nothing, bounded, flags, protocol)
    logits = predict(model, images[broken], batch_size=batch_size)
    rows = np.arange(len(broken))
    margins = (logits[rows, labels[broken]] - logits[rows, targets[broken]]) / 2
    shown = np.asarray(select_classes(classes, labels[broken], targets[broken], logits.shape[-1]))
    clean = maps(model, images[broken], shown)
    positions = 1 if isinstance(maps.method, IntegratedGradients) else clean.shape[2] * clean.shape[3]
    moved = maps.flat(model, smallest.adversarial[broken], shown)
    distances = class_discrepancy(clean.reshape(moved.shape) / positions, moved / positions, discrepancy_norm).numpy()
    return BoundCheck(len(images), broken, smallest.epsilons[broken], margins, distances, bounded, flags, protocol)


def discrepancy_bounds(
    method: Attribution, margins: np.ndarray, clean: np.ndarray, classes: str, discrepancy_norm: str
) -> np.ndarray | None:
    """Return what no normalised discrepancy of images at their target is below, (n,); None where nothing says so.

    Where the target is predicted, the logits of the true class and the target have changed by 2 margins together, and so have the means
    (CAM) or the sums (integrated gradients, up to their completeness gap) of their maps. A map whose sum changes by s is at least |s| away
    in l1 and |s| / sqrt(positions) in l2, which is divided by the range of its clean map. One class alone need not change at all.

    Args:
        method: the explanation.
        margins: 1/2 (f_t - f_t') of the clean images, (n,), at least 0.
        clean: their flat maps (n, m, positions), of the true class, the target, and all others where `classes` is all_class.
        classes: one_class, two_class or all_class.
        discrepancy_norm: l1 or l2.
    """
    if classes == "one_class" or not _adds_up(method):
        return None
    count, positions = clean.shape[1:]
    change = margins * (1 if isinstance(method, IntegratedGradients) else positions)
    least = change if discrepancy_norm == "l1" else change / np.sqrt(positions)
    ranges = np.ptp(clean, -1)
    # Of a map without a range no change is counted.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(ranges.min(-1) > 0, 2 * least / (count * ranges.max(-1)), 0)


def _adds_up(method: Attribution) -> bool:
    """Whether the mean or the sum of a map is the logit of its class, up to a constant that all images share."""
    if not isinstance(method, IntegratedGradients):
        return method == CAM()
    # Softplus's derivative is not the gradient of the logits, and where the baseline moves with the image, so does its logit.
    return method.softplus is None and not isinstance(method.baseline, str)

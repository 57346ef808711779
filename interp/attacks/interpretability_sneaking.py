"""The interpretability sneaking attack, ISA: fool the prediction and leave the interpretation (Boopathy et al. 2020, section 3)."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.attack import numbers, static, structure
from interp.attacks.classification import target_margin
from interp.attacks.goals import check_targets
from interp.attacks.loop import Evaluation
from interp.attacks.searched_maps import SearchedMaps, attacked_method, method_key
from interp.attacks.strong_sneaking import StrongSneaking
from interp.attacks.targeted import REFERENCE_SCALE, TargetedSteps, Trial, at_target, bisect
from interp.attributions import Attribution, InterpretationMaps, check_maps
from interp.attributions.cam import LAST_LAYER
from interp.attributions.interpretation_maps import maps_batch
from interp.core.balls import LinfBall
from interp.core.checks import (
    MOST_STEPS,
    check_images,
    check_instance,
    check_labels,
    check_number,
    check_radius,
    kind_of,
)
from interp.core.compiled import bind_for, keep_for, run_in_batches
from interp.core.errors import InputError, check_choice
from interp.core.names import DIRECTIONS, NORMS, SEARCHES, SELECTIONS
from interp.core.results import Tabular
from interp.core.tables import Cell, cells_of, counted
from interp.discrepancy.class_discrepancy import class_distances, select_classes
from interp.models.model_check import check_model_once
from interp.models.prepared import prepare

FIRST_WEIGHT = 5e-5


@dataclasses.dataclass(frozen=True)
class InterpretabilitySneakingResult(Tabular):
    """What was found for each of n images; one for which no weight led to the target is returned as it came.

    With p radii an image both have a first axis of p.

    Attributes:
        adversarial: The images, float32 (n, height, width, channels) in [0, 1].
        succeeded: Booleans (n,), for which of them the target is predicted.
    """

    adversarial: np.ndarray
    succeeded: np.ndarray

    def columns(self) -> dict[str, list[Cell]]:
        """A row an image."""
        return {"image": cells_of(np.arange(len(self.succeeded))), "succeeded": cells_of(self.succeeded)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class InterpretabilitySneaking:
    """ISA: fool the prediction and leave the interpretation (Boopathy et al. 2020, section 3).

    `attack(model, images, labels, targets, epsilons)` lowers target margin + weight * discrepancy in a linf ball. The
    weight is bisected per image in [0, 1], towards the largest with which the target is still reached; of all weights
    the least discrepancy at the target is returned. The radii that MinimumEpsilon finds in linf are natural `epsilons`.
    By sign, every other weight starts at `start`, and the iterate of least discrepancy counts of those at the target.

    Args:
        interpretation: Explanation method that a gradient can follow, by name or as an object, such as "cam",
            "gradient" or GradCAM(layer="conv").
        classes: Whose maps are compared: "one_class" (the true one), "two_class" (true and target) or "all_class".
        discrepancy_norm: "l1" or "l2" of the difference of two maps; the bisection squares l2.
        rounds: Number of weights that are tried for each image, at least 1.
        steps: Number of steps with each weight, at least 1.
        direction: "sign" steps along the gradient's sign; "reference" steps as the paper's code does, by the clipped
            gradient.
        layer: Number of the layer that "representation" looks at, from 0, or from -2 backwards; -1 is the last feature
            maps before average pooling. A Representation(index=0) says it itself.
        protocol: "reference" is the bisection alone. "strong" goes on from what it found, towards the least discrepancy
            as figures report it (divided by the range of the clean map), and is never above it.
        search_steps: Number of steps of the strong search from each start, at least 1.
        restarts: Number of random starts of the strong search beside what the bisection found, 0 or more.

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    interpretation: str | Attribution = static("cam", key=method_key)
    classes: str = static("two_class")
    discrepancy_norm: str = static("l1")
    rounds: int = 10
    steps: int = 20
    direction: str = static("sign")
    layer: int = static(LAST_LAYER)
    protocol: str = static("reference")
    search_steps: int = 200
    restarts: int = 1

    def __post_init__(self) -> None:
        attacked_method(self.interpretation)
        check_instance("layer", self.layer, (int, np.integer), "-1")
        check_choice("class selection", self.classes, SELECTIONS)
        check_choice("discrepancy norm", self.discrepancy_norm, NORMS)
        check_number("rounds", self.rounds, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("steps", self.steps, minimum=1, whole=True, maximum=MOST_STEPS)
        check_choice("direction", self.direction, DIRECTIONS)
        check_choice("protocol", self.protocol, SEARCHES)
        check_number("search_steps", self.search_steps, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("restarts", self.restarts, minimum=0, whole=True, maximum=MOST_STEPS)

    def __call__(
        self,
        model: keras.Model,
        images: Any,
        labels: Any,
        targets: Any,
        epsilons: Any,
        *,
        start: Any = None,
        seed: int = 0,
        batch_size: int = 250,
    ) -> InterpretabilitySneakingResult:
        """Attack each image within its radius.

        Args:
            model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
            images: float32 (n, height, width, channels) in [0, 1].
            labels: Integers (n,), the true classes.
            targets: Integers (n,), the target classes, never the label of the image.
            epsilons: The radius of each image in linf, (n,), from 0 to 1; an image whose radius is NaN is not attacked.
                Several radii an image, (p, n), are attacked in one go.
            start: Adversarial images of smaller radii, shape of the images (default: the images).
            seed: Seed of all random draws.
            batch_size: Number of images processed at a time; random draws do not depend on it.

        Returns:
            An InterpretabilitySneakingResult.

        Raises:
            InputError: An argument cannot be used, the model does not have such maps, or logits, maps or gradients are
                NaN or infinite under attack.
        """
        check_number("seed", seed, minimum=0, whole=True)
        check_number("batch_size", batch_size, minimum=1, whole=True)
        originals = check_images(images)
        count = check_model_once(model, originals)
        keep_for(
            model,
            ("checked", self.method.graph_key(), tuple(originals.shape[1:])),
            lambda: check_maps(self.method, model, originals),
        )
        truth = check_labels(labels, originals, count)
        wanted = check_labels(targets, originals, count, what="target class")
        check_targets(truth, wanted)
        radii = _as_radii(epsilons)
        if radii.ndim not in (1, 2) or radii.shape[-1] != len(originals) or (radii < 0).any() or np.isinf(radii).any():
            raise InputError(
                f"epsilons came with shape {radii.shape}, expected a finite radius of at least 0 (or NaN) for each of "
                f"{counted(len(originals), 'image')}"
            )
        if np.isfinite(radii).any():
            check_radius("the largest of epsilons", np.nanmax(radii))
        begin = originals if start is None else check_images(start, tuple(originals.shape[1:]))
        if begin.shape != originals.shape:
            raise InputError(f"start came with shape {tuple(begin.shape)}, the images have {tuple(originals.shape)}")
        adversarial = np.broadcast_to(originals.numpy(), (*radii.shape, *originals.shape[1:])).copy()
        succeeded = np.zeros(radii.shape, bool)
        places = np.nonzero(np.isfinite(radii))
        if len(places[-1]):
            chosen = (
                tf.gather(each, places[-1]) for each in (originals, truth, wanted, begin, tf.range(len(originals)))
            )
            arrays = *chosen, tf.constant(radii[places])
            scalars = {**numbers(self), "scale": REFERENCE_SCALE / len(originals), "seed": np.int64(seed)}
            search = partial(self._search, model, count)
            attack = bind_for(model, structure(self), search, arrays, scalars)
            looked_at = count if self.classes == "all_class" else 2
            together = maps_batch(self.method, looked_at, tuple(originals.shape[1:]), batch_size)
            found, least = (part.numpy() for part in run_in_batches(attack, arrays, together))
            if np.isnan(least).any():
                raise InputError(
                    "logits, maps or their gradients are NaN or infinite on some of the images under attack, so they cannot be attacked"
                )
            adversarial[places], succeeded[places] = found, np.isfinite(least)
        return InterpretabilitySneakingResult(adversarial, succeeded)

    @property
    def method(self) -> Attribution:
        """What is not to move."""
        return InterpretationMaps(name=self.interpretation, layer=self.layer).method

    def _search(
        self,
        model: keras.Model,
        count: int,
        images: tf.Tensor,
        labels: tf.Tensor,
        targets: tf.Tensor,
        begin: tf.Tensor,
        rows: tf.Tensor,
        radius: tf.Tensor,
        numbers: Mapping[str, tf.Tensor],
    ) -> tuple[tf.Tensor, tf.Tensor]:
        targeted = TargetedSteps(self.direction, numbers["steps"], numbers["scale"])
        forward = prepare(model, rearrange=True)
        searched = SearchedMaps(self.method.for_search(), forward, rows)
        shown = select_classes(self.classes, labels, targets, count)
        clean, before = forward.enter(images), forward.enter(begin)
        clean_maps, _ = searched(clean, shown)
        limits = LinfBall().limits(images, radius[:, None, None, None], forward.enter)
        within = LinfBall().inside(before, limits, radius)

        def measure(points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            maps, logits = searched(points, shown)
            distances = class_distances(maps - clean_maps, self.discrepancy_norm, squared=True)
            return target_margin(logits, targets), distances

        def try_weight(number: tf.Tensor, weight: tf.Tensor) -> Trial:
            def objective(points: tf.Tensor) -> Evaluation:
                margins, distances = measure(points)
                # Points at the target come first, among them those of least discrepancy.
                harm = tf.where(margins < 0, 1 / (1 + distances), -margins)
                return Evaluation(-(margins + weight * distances), harm)

            start = tf.where(number % 2 == 0, within, clean) if targeted.by_sign else clean
            found = targeted.run(objective, start, radius, limits)
            margins, distances = measure(found)
            return Trial(found, at_target(margins, distances), margins < 0)

        best, least = bisect(try_weight, tf.zeros_like(radius) + FIRST_WEIGHT, clean, numbers["rounds"])
        if self.protocol == "strong":
            judged = SearchedMaps(self.method, forward, rows)
            strong = StrongSneaking(searched, judged, shown, targets, self.discrepancy_norm)
            best, least = strong.improve(clean, best, least, limits, radius, numbers)
        return forward.leave(best), least


def _as_radii(epsilons: Any) -> np.ndarray:
    try:
        return np.asarray(epsilons, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"epsilons came as {kind_of(epsilons)}, expected a finite radius of at least 0 (or NaN) for each image"
        ) from error

"""How far explanations can be moved while the prediction stays, by the strongest of several searches, and reasons not to believe it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks import ExplanationAttack, ExplanationAttackResult
from interp.attacks.explanation_attack import CONTROLS, CORNERS, NOISE, SQUARES
from interp.attacks.map_comparison import CLEAN
from interp.attacks.searched_maps import NEAR, attacked_method, largest_gradients
from interp.attributions.registry import shown_name
from interp.core.checks import check_images, check_instance, check_labels
from interp.core.errors import InputError
from interp.discrepancy.measures import MapMeasure
from interp.evaluation.accuracy_curve import check_epsilons
from interp.evaluation.explanation_validity_result import ExplanationsAtRadius, ExplanationValidity, MovedMaps
from interp.evaluation.flags import Flag, chance_accuracy
from interp.evaluation.predictions import predict
from interp.evaluation.statistics import mean_of
from interp.models.model_check import check_model

# A gain is flagged above both: so much of the measure, and so many standard errors of the difference.
GAIN, STANDARD_ERRORS = 0.02, 2.0
# Of the images, and of what an attack found.
FEW, HALF = 0.02, 0.5
# A smaller change of a measure is rounding.
UNMOVED = 1e-6


def explanation_validity(
    model: keras.Model,
    images: Any,
    labels: Any,
    explanation: Any,
    epsilons: Sequence[float],
    attack: ExplanationAttack | None = None,
    *,
    seed: int = 0,
    batch_size: int = 250,
    report: Callable[[], None] = lambda: None,
) -> ExplanationValidity:
    """Move the explanations of images that are classified right as far as they go in balls of several radii.

    Args:
        model: any Keras model that returns logits and has the explanation.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: integers (n,), the classes whose maps are moved and that stay predicted.
        explanation: a method that depends on the image, by name or as an object.
        epsilons: the radii; what is found at one counts at the larger ones, too.
        attack: the settings of the searches; its own radius and explanation do not matter.
        seed: of all draws.
        batch_size: bounds memory.
        report: is called after each part of the searches at each radius.

    Returns:
        an ExplanationValidity.

    Raises:
        InputError: for bad input, where the model has no such maps, and where it classifies no image right.

    Example:
        found = explanation_validity(model, images, labels, "grad_cam", [2 / 255, 8 / 255])
        print(found.caption, found.flags)
    """
    return validity_with_images(
        model, images, labels, explanation, epsilons, attack, seed=seed, batch_size=batch_size, report=report
    )[0]


def validity_with_images(
    model: keras.Model,
    images: Any,
    labels: Any,
    explanation: Any,
    epsilons: Sequence[float],
    attack: ExplanationAttack | None,
    *,
    seed: int,
    batch_size: int,
    report: Callable[[], None] = lambda: None,
) -> tuple[ExplanationValidity, ExplanationAttackResult | None]:
    """The same, and what was found at the largest radius, None where there was no radius."""
    attack = ExplanationAttack(epsilon=0.0) if attack is None else attack
    check_instance("the attack", attack, ExplanationAttack, "ExplanationAttack(epsilon=0.1)")
    radii = check_epsilons(epsilons, attack.norm)
    batch = check_images(images)
    classes = check_model(model, batch)
    truth = check_labels(labels, batch, classes).numpy()
    right = np.argmax(predict(model, batch, batch_size=batch_size), -1) == truth
    rows = np.flatnonzero(right)
    if not len(rows):
        raise InputError(f"the model classifies none of the {len(right)} images right, so no explanation can be judged")
    chosen = batch.numpy()[rows]
    attack = replace(attack, explanation=explanation, measures=[each.take(rows, len(right)) for each in attack.chosen])
    method = attacked_method(explanation)
    smallest = min((radius for radius in radii if radius), default=0.0) if attack.norm == "linf" else NEAR
    gradients = largest_gradients(
        method, model, tf.constant(chosen), tf.constant(truth[rows]), radius=min(smallest, NEAR), batch_size=batch_size
    )
    flags = [*chance_accuracy(right, truth, classes), *(_without_gradient(gradients) if max(radii) else [])]
    found, carried = [], None
    for epsilon in radii:
        carried = replace(attack, epsilon=epsilon).run(
            model, chosen, truth[rows], carried=carried, seed=seed, batch_size=batch_size, report=report
        )
        found.append(_at_radius(epsilon, carried, attack))
    flags += _constant(carried) if carried else []
    result = ExplanationValidity(
        describe(attack),
        shown_name(explanation),
        tuple(found),
        tuple(flags),
        len(rows),
        len(right),
        tuple(rows.tolist()),
    )
    return result, carried


def describe(attack: ExplanationAttack) -> str:
    """The protocol in words, for the caption of a table."""
    kept = "prediction kept" if attack.prediction == "kept" else "the prediction may change"
    black_box = f", a search without gradients of {attack.queries} queries" if attack.queries else ""
    searches = ", ".join(f"{name} from {count}" for name, count in attack.searches.items())
    return (
        f"worst case per image and measure in {attack.norm}, {kept}, {attack.ranking} maps, over gradient searches of {attack.steps} steps "
        f"and their random starts ({searches}){black_box} and {2 * attack.restarts} draws of noise; found points carried to larger eps"
    )


def _at_radius(epsilon: float, found: ExplanationAttackResult, attack: ExplanationAttack) -> ExplanationsAtRadius:
    moved = []
    for measure in attack.chosen:
        title, clean = measure.title, found.by_search[CLEAN][measure.title]
        searches = {
            kind: _worst(measure, [clean, *(found.by_search[name][title] for name in names)])
            for kind, names in _kinds(found.by_search).items()
        }
        moved.append(
            MovedMaps(
                title,
                mean_of(found.values[title]),
                mean_of(searches.get(NOISE, clean)),
                mean_of(searches.get(CORNERS, clean)),
                {kind: mean_of(values) for kind, values in searches.items()},
                tuple(None if np.isnan(value) else float(value) for value in found.values[title]),
                tuple(kind_of_search(name) for name in found.found_by[title]),
                tuple(_radius_flags(found, measure, attack.restarts) if epsilon else ()),
            )
        )
    return ExplanationsAtRadius(float(epsilon), tuple(moved))


def _kinds(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of searches by their kinds: a gradient search has a number for each of its random starts."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(kind_of_search(name), []).append(name)
    return kinds


def kind_of_search(name: str) -> str:
    """The name of a search without the number of its random start."""
    return name if name in CONTROLS else name.rpartition(" ")[0]


def _worst(measure: MapMeasure, values: Sequence[np.ndarray]) -> np.ndarray:
    """The worst (n,) of the values of several searches."""
    stacked = np.stack(values)
    best = np.argmax(np.stack([measure.loss(each) for each in values]), 0)
    return np.take_along_axis(stacked, best[None], 0)[0]


def _radius_flags(found: ExplanationAttackResult, measure: MapMeasure, restarts: int) -> list[Flag]:
    title, by_search = measure.title, {name: each[measure.title] for name, each in found.by_search.items()}
    clean, worst = by_search[CLEAN], found.values[title]
    gradient = [name for name in by_search if name not in CONTROLS]
    by_gradient = _worst(measure, [clean, *(by_search[name] for name in gradient)])
    flags = []
    fewer = [by_search[name] for name in gradient if not name.endswith(f" {restarts}")]
    if restarts > 1:
        before = _worst(measure, [clean, *fewer])
        flags += _gain(
            "restarts",
            f"the last of {restarts} random starts moves the maps",
            measure,
            before,
            by_gradient,
            "more restarts may move them further still",
        )
    if SQUARES in by_search:
        both = _worst(measure, [by_gradient, by_search[SQUARES]])
        flags += _gain(
            "black box",
            "a search without gradients moves the maps",
            measure,
            by_gradient,
            both,
            "the gradients of these maps mislead",
        )
    noise = _worst(measure, [by_search[name] for name in (CLEAN, NOISE, CORNERS)])
    by_noise, by_all = (_change(measure, clean, each) for each in (noise, worst))
    if len(by_all) and by_all.mean() > GAIN and by_noise.mean() > HALF * by_all.mean():
        flags.append(
            Flag(
                "noise",
                f"random noise moves the maps by {by_noise.mean():.3f} in {title}, the strongest attack by {by_all.mean():.3f}: the "
                "explanation is unstable rather than attacked",
            )
        )
    if len(by_all) and by_all.max() < UNMOVED:
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
    difference = _change(measure, before, after)
    if not len(difference):
        return []
    gain, error = float(difference.mean()), float(difference.std() / np.sqrt(len(difference)))
    if gain <= GAIN or gain <= STANDARD_ERRORS * error:
        return []
    return [Flag(kind, f"{what} further by {gain:.3f} in {measure.title} (standard error {error:.3f}): {meaning}")]


def _change(measure: MapMeasure, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """By how much the measure got worse, of those images of which it is defined."""
    defined = np.isfinite(before) & np.isfinite(after)
    return measure.loss(after[defined]) - measure.loss(before[defined])


def _without_gradient(gradients: np.ndarray) -> list[Flag]:
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


def _constant(found: ExplanationAttackResult) -> list[Flag]:
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

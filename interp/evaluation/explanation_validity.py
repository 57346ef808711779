"""How far explanations can be moved while the prediction stays, by the strongest of several searches, and reasons not to believe it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks import ExplanationAttack, ExplanationAttackResult
from interp.attacks.explanation_searches import CORNERS, NOISE
from interp.attacks.map_comparison import CLEAN
from interp.attacks.searched_maps import NEAR, attacked_method, largest_gradients
from interp.attributions.registry import shown_name
from interp.core.checks import check_images, check_instance, check_labels, check_number
from interp.core.tables import counted
from interp.evaluation.accuracy_curve import check_epsilons
from interp.evaluation.explanation_flags import (
    constant_maps,
    flags_at_radius,
    kind_of_search,
    searches_by_kind,
    weak_searches,
    without_gradient,
    worst_of,
)
from interp.evaluation.explanation_validity_result import ExplanationsAtRadius, ExplanationValidity, MovedMaps
from interp.evaluation.flags import chance_accuracy, random_output
from interp.evaluation.predictions import repeated_calls, rightly_classified
from interp.evaluation.statistics import mean_of
from interp.models.model_check import check_model


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
    """Move the explanations of images as far as they go, and flag figures that cannot be trusted.

    Images that are classified right are attacked in balls of several radii by several searches, beside draws of random noise.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid, and has the explanation.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: Integers (n,), the true classes, whose maps are moved.
        explanation: Explanation method that depends on the image, by name or as an object.
        epsilons: Radii of the ball, for images in [0, 1]; what is found at one counts at the larger ones, too.
        attack: The searches (default: those of ExplanationAttack); its own radius and explanation are not used.
        seed: Seed of all random draws.
        batch_size: Number of images processed at a time; random draws do not depend on it.
        report: Called after each part of the searches at each radius.

    Returns:
        An ExplanationValidity, its radii in rising order.

    Raises:
        InputError: The model, images, labels or radii cannot be used, the model does not have such maps, or it classifies no image right.

    Example:
        ```python
        found = explanation_validity(model, images, labels, "grad_cam", [2 / 255, 8 / 255])
        print(found.caption, found.flags)
        ```
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
    check_number("batch_size", batch_size, minimum=1, whole=True)
    batch = check_images(images)
    classes = check_model(model, batch)
    truth = check_labels(labels, batch, classes).numpy()
    right = rightly_classified(model, batch, truth, batch_size=batch_size)
    rows = np.flatnonzero(right)
    chosen = batch.numpy()[rows]
    attack = replace(attack, explanation=explanation, measures=[each.take(rows, len(right)) for each in attack.chosen])
    method = attacked_method(explanation)
    smallest = min((radius for radius in radii if radius), default=0.0) if attack.norm == "linf" else NEAR
    gradients = largest_gradients(
        method, model, tf.constant(chosen), tf.constant(truth[rows]), radius=min(smallest, NEAR), batch_size=batch_size
    )
    drawn = random_output(*repeated_calls(model, batch[:batch_size]))
    flags = [*chance_accuracy(right, truth, classes), *drawn]
    flags += [*weak_searches(attack.steps), *without_gradient(gradients)] if max(radii) else []
    found, carried = [], None
    for epsilon in radii:
        carried = replace(attack, epsilon=epsilon).run(
            model, chosen, truth[rows], carried=carried, seed=seed, batch_size=batch_size, report=report
        )
        found.append(_at_radius(epsilon, carried, attack))
    flags += constant_maps(carried) if carried else []
    result = ExplanationValidity(
        describe(attack),
        shown_name(explanation),
        tuple(found),
        tuple(flags),
        len(rows),
        len(right),
        tuple(rows.tolist()),
        attack.norm,
    )
    return result, carried


def describe(attack: ExplanationAttack) -> str:
    """The protocol in words, for the caption of a table."""
    kept = "prediction kept" if attack.prediction == "kept" else "the prediction may change"
    black_box = (
        f", a search without gradients of {counted(attack.queries, 'query', 'queries')}" if attack.queries else ""
    )
    searches = ", ".join(f"{name} from {count}" for name, count in attack.searches.items())
    return (
        f"worst case per image and measure in {attack.norm}, {kept}, {attack.ranking} maps, over gradient searches of "
        f"{counted(attack.steps, 'step')} and their random starts ({searches}){black_box} and {2 * attack.restarts} draws of noise; "
        "found points carried to larger eps"
    )


def _at_radius(epsilon: float, found: ExplanationAttackResult, attack: ExplanationAttack) -> ExplanationsAtRadius:
    moved = []
    for measure in attack.chosen:
        title, clean = measure.title, found.by_search[CLEAN][measure.title]
        searches = {
            kind: worst_of(measure, [clean, *(found.by_search[name][title] for name in names)])
            for kind, names in searches_by_kind(found.by_search).items()
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
                tuple(flags_at_radius(found, measure, attack.restarts) if epsilon else ()),
            )
        )
    return ExplanationsAtRadius(float(epsilon), tuple(moved))

"""The training methods, a row each: the loss that is minimised and what the inner attack maximises."""

from dataclasses import dataclass, replace
from typing import Protocol

import keras
import tensorflow as tf

from interp.attacks.searched_maps import attacked_method, check_attackable
from interp.attributions import CAM, Attribution, IntegratedGradients, VanillaGradient
from interp.attributions.gradients import OfGradients
from interp.core.checks import check_instance, check_number
from interp.core.errors import InputError, check_choice
from interp.core.names import OBJECTIVE_TITLES
from interp.models.model_check import find_facts
from interp.models.network import Network
from interp.training import terms
from interp.training.terms import Term, penalised


@dataclass(frozen=True)
class Objective:
    """A training method: the loss that is minimised, and what the inner attack maximises.

    Args:
        tag: Its name in files and on command lines, such as "int".
        title: Its name in tables, such as "Int".
        loss: Term that is minimised: a function from a pair of clean and attacked views to a value (n,).
        attack: Term that the inner attack maximises; None without an inner attack.
        penalty_weight: Usual weight of the second term of the loss (lambda or beta); None where there is none.
        citation: The paper.
        explanation: Explanation method whose maps the terms compare; None where they compare none.
        near: Whether the second view, without an inner attack, is of a random point of the ball.
        distance_weight: What the squared distance of maps counts against half their cosine distance, where the second term has both
            (LGA); None elsewhere.
    """

    tag: str
    title: str
    loss: Term
    attack: Term | None
    penalty_weight: float | None
    citation: str
    explanation: Attribution | None = None
    near: bool = False
    distance_weight: float | None = None

    @property
    def is_robust(self) -> bool:
        """Whether it looks at more than the loss on clean images."""
        return self.attack is not None or self.penalty_weight is not None

    @property
    def uses_ball(self) -> bool:
        """Whether it looks at other points of the ball, which an inner attack finds or noise draws; without, its radius changes nothing."""
        return self.attack is not None or self.near


MADRY = "Madry et al. 2018, arXiv 1706.06083"
ZHANG = "Zhang et al. 2019, arXiv 1901.08573"
CHEN = "Chen et al. 2019, arXiv 1905.09957"
BOOPATHY = "Boopathy et al. 2020, arXiv 2006.14748"
JOO = "Joo et al. 2023, AAAI"
DOMBROWSKI = "Dombrowski et al. 2022, Pattern Recognition 121"
R2ET = "Chen et al. 2024, NeurIPS"
WANG = "Wang and Kong 2022, arXiv 2205.07279"
SINGH = "Singh et al. 2020, ECCV, arXiv 1911.13073"
WONG = "Wong et al. 2020, ICLR, arXiv 2001.03994"
GOWAL = "Gowal et al. 2020, arXiv 2010.03593"

_clean, _adversarial = terms.clean_cross_entropy, terms.adversarial_cross_entropy
_against = terms.adversarial_log_odds
_int_adv = penalised(_adversarial, terms.map_discrepancy)
_ig_norm, _ig_sum_norm = (penalised(part, terms.loss_attribution) for part in (_clean, _adversarial))
_int_ig, _int_ig_adv = (penalised(part, terms.logit_attribution) for part in (_clean, _adversarial))


def _named(
    tag: str,
    loss: Term,
    attack: Term | None,
    penalty_weight: float | None,
    citation: str,
    explanation: Attribution | None = None,
    *,
    near: bool = False,
) -> Objective:
    return Objective(tag, OBJECTIVE_TITLES[tag], loss, attack, penalty_weight, citation, explanation, near)


def _aligned(distance_weight: float) -> Term:
    """The loss of LGA."""
    return penalised(_clean, terms.local_alignment(distance_weight))


OBJECTIVES = {
    row.tag: row
    for row in (
        _named("normal", _clean, None, None, "empirical risk minimisation"),
        _named("adv", _adversarial, _against, None, MADRY),
        _named("trades", penalised(_clean, terms.kl_divergence), terms.kl_divergence, 1.0, ZHANG),
        _named("int", penalised(_clean, terms.map_discrepancy), terms.map_discrepancy, 0.01, BOOPATHY, CAM()),
        _named(
            "intone",
            penalised(_clean, terms.true_class_map_discrepancy),
            terms.true_class_map_discrepancy,
            0.01,
            BOOPATHY,
            CAM(),
        ),
        _named("intadv", _int_adv, _int_adv, 0.01, BOOPATHY, CAM()),
        _named("int2", penalised(_clean, terms.map_discrepancy), _against, 0.01, BOOPATHY, CAM()),
        _named("int2adv", _int_adv, _against, 0.01, BOOPATHY, CAM()),
        _named("ig", _ig_norm, _ig_norm, 1.0, CHEN),
        _named("igsum", _ig_sum_norm, _ig_sum_norm, 1.0, CHEN),
        _named("intig", _int_ig, _int_ig, 0.01, BOOPATHY),
        _named("intigadv", _int_ig_adv, _int_ig_adv, 0.01, BOOPATHY),
        replace(
            _named("lga", _aligned(terms.DISTANCE_WEIGHT), None, 0.3, JOO, VanillaGradient(), near=True),
            distance_weight=terms.DISTANCE_WEIGHT,
        ),
        _named("hessian", penalised(_clean, terms.curvature), None, 0.03, DOMBROWSKI, VanillaGradient()),
        _named("r2et", penalised(_clean, terms.rank_gap), None, 0.3, R2ET, VanillaGradient()),
        _named("igr", penalised(_adversarial, terms.map_cosine_distance), _against, 0.1, WANG, IntegratedGradients()),
        _named(
            "art",
            penalised(_adversarial, terms.attributional_margin),
            terms.attributional_margin,
            0.5,
            SINGH,
            VanillaGradient(),
        ),
        _named("trades6", penalised(_clean, terms.kl_divergence), terms.kl_divergence, 6.0, ZHANG),
        _named("fast", _adversarial, _against, None, WONG),
    )
}


def find_objective(objective: str | Objective) -> Objective:
    """Find a training method.

    Args:
        objective: A training method or its name, such as "adv", "trades" or "int".

    Returns:
        The Objective.

    Raises:
        InputError: The name is unknown, or it is neither.
    """
    if isinstance(objective, str):
        return OBJECTIVES[check_choice("training method", objective, OBJECTIVES)]
    check_instance(
        "the objective", objective, Objective, f"OBJECTIVES['int'], or one of the names {', '.join(OBJECTIVES)}"
    )
    return objective


def with_explanation(objective: str | Objective, explanation: str | Attribution) -> Objective:
    """Let a training method compare the maps of another explanation.

    Loss and attack compute it as attacks search: gradients of ReLU networks are softened, integrated gradients have five points; batch
    normalisation is in inference mode in all maps but CAM.

    Args:
        objective: A training method that compares maps, or its name.
        explanation: Explanation method that depends on the image, by name or as an object.

    Returns:
        The Objective.

    Raises:
        InputError: The method compares no maps, or the explanation is unknown or cannot be attacked.
    """
    objective = find_objective(objective)
    if objective.explanation is None:
        known = ", ".join(tag for tag, row in OBJECTIVES.items() if row.explanation is not None)
        raise InputError(
            f"an explanation came for {objective.title}, which compares no maps: leave it out, or choose one of {known}"
        )
    return replace(objective, explanation=attacked_method(explanation))


def with_softplus(objective: str | Objective, steepness: float) -> Objective:
    """Let a training method that compares gradients take a softplus of another steepness behind ReLU.

    Args:
        objective: A training method that compares gradients, or its name.
        steepness: Steepness of the softplus whose derivative stands in for that of ReLU.

    Returns:
        The Objective.

    Raises:
        InputError: The method compares no gradients, or the steepness is out of its range.
    """
    objective = find_objective(objective)
    if not isinstance(objective.explanation, OfGradients):
        maps = (
            "no maps"
            if objective.explanation is None
            else f"maps of {objective.explanation.name}, which need no softplus"
        )
        raise InputError(f"a softplus came for {objective.title}, which compares {maps}: leave it out")
    return replace(objective, explanation=replace(objective.explanation, softplus=steepness))


def with_distance_weight(objective: str | Objective, distance_weight: float) -> Objective:
    """Let local gradient alignment weigh the squared distance of maps otherwise against half their cosine distance.

    Args:
        objective: LGA, or its name.
        distance_weight: Weight of the squared distance, at least 0; half the cosine distance counts 1, and `penalty_weight` weighs the sum.

    Returns:
        The Objective.

    Raises:
        InputError: The method has no such weight, or it is negative.
    """
    objective = find_objective(objective)
    if objective.distance_weight is None:
        raise InputError(
            f"a distance weight came for {objective.title}, whose loss has no squared distance of maps: leave it out"
        )
    check_number("distance weight", distance_weight, minimum=0)
    return replace(objective, loss=_aligned(distance_weight), distance_weight=distance_weight)


def with_cross_entropy_attack(objective: str | Objective) -> Objective:
    """Let the inner attack of a training method raise the cross-entropy, in place of the term of the method (Gowal et al. 2020).

    One or two steps find more by it than by a divergence, whose gradient at a start near the image says little.

    Args:
        objective: A training method whose inner attack raises another term, or its name.

    Returns:
        The Objective.

    Raises:
        InputError: The method has no inner attack, or its attack raises the cross-entropy already.
    """
    objective = find_objective(objective)
    if objective.attack is None:
        raise InputError(
            f"an attack on the cross-entropy came for {objective.title}, which has no attack: leave it out"
        )
    if objective.attack is _against:
        raise InputError(
            f"an attack on the cross-entropy came for {objective.title}, whose attack raises it already: leave it out"
        )
    return replace(objective, attack=_against)


class Changes(Protocol):
    """What recipes and command lines change in a method."""

    @property
    def explanation(self) -> str | None: ...
    @property
    def softplus(self) -> float | None: ...
    @property
    def distance_weight(self) -> float | None: ...
    @property
    def cross_entropy_attack(self) -> bool: ...


def changed_objective(objective: str, changes: Changes) -> Objective:
    """The training method of this name with its changes. Raises InputError for what it does not take."""
    found = find_objective(objective)
    if changes.explanation is not None:
        found = with_explanation(found, changes.explanation)
    if changes.softplus is not None:
        found = with_softplus(found, changes.softplus)
    if changes.distance_weight is not None:
        found = with_distance_weight(found, changes.distance_weight)
    return with_cross_entropy_attack(found) if changes.cross_entropy_attack else found


def check_explanation(objective: Objective, model: keras.Model, image_shape: tuple[int, int, int]) -> None:
    """Raise InputError, naming the method, where a checked `model` has no such maps or they do not change with the image."""
    if objective.explanation is None:
        return
    if not isinstance(objective.explanation, CAM):
        check_attackable(objective.explanation, model, tf.random.stateless_uniform([2, *image_shape], (0, 0)))
    elif type(model) is not Network and find_facts(model).kernel is None:
        raise InputError(
            f"{objective.title} compares class activation maps, for which a model must end in average pooling over all positions and one "
            "dense layer, and this one does not: compare maps that it has, "
            f"with_explanation({objective.tag!r}, 'grad_cam'), on the command line --explanation grad_cam"
        )


def resolve_penalty(objective: Objective, penalty_weight: float | None) -> float:
    """The weight of the objective's second term: the one given, else its usual one, 0 for a loss of one term."""
    if penalty_weight is None:
        return objective.penalty_weight or 0.0
    if objective.penalty_weight is None:
        raise InputError(
            f"a penalty weight of {penalty_weight} came for {objective.title}, whose loss has no penalty: leave it out"
        )
    check_number("penalty weight", penalty_weight, minimum=0)
    return penalty_weight

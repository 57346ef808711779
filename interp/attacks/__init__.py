"""Attacks on predictions and explanations."""

import interp.core.keras_backend  # noqa: F401 - first, for its message
from interp.attacks.attack import Attack
from interp.attacks.auto_attack import AutoAttack, AutoAttackResult
from interp.attacks.auto_pgd import AutoPGD
from interp.attacks.classification import accuracy, correct
from interp.attacks.explanation_attack import ExplanationAttack, ManipulatedImages
from interp.attacks.fast_adaptive_boundary import FastAdaptiveBoundary
from interp.attacks.goals import Goal, Likeliest, RandomTarget, Targeted, Untargeted
from interp.attacks.interpretability_sneaking import InterpretabilitySneaking, InterpretabilitySneakingResult
from interp.attacks.map_comparison import ExplanationAttackResult
from interp.attacks.minimum_epsilon import MinimumEpsilon, MinimumEpsilonResult
from interp.attacks.projected_gradient_descent import ProjectedGradientDescent, faster_precision
from interp.attacks.square import Square
from interp.attacks.top_k_interpretation import TopKInterpretation
from interp.attacks.unforeseen import JPEG, Elastic, Fog, Gabor, Snow

__all__ = [
    "JPEG",
    "Attack",
    "AutoAttack",
    "AutoAttackResult",
    "AutoPGD",
    "Elastic",
    "ExplanationAttack",
    "ExplanationAttackResult",
    "FastAdaptiveBoundary",
    "Fog",
    "Gabor",
    "Goal",
    "InterpretabilitySneaking",
    "InterpretabilitySneakingResult",
    "Likeliest",
    "ManipulatedImages",
    "MinimumEpsilon",
    "MinimumEpsilonResult",
    "ProjectedGradientDescent",
    "RandomTarget",
    "Snow",
    "Square",
    "Targeted",
    "TopKInterpretation",
    "Untargeted",
    "accuracy",
    "correct",
    "faster_precision",
]

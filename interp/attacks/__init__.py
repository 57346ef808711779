"""Attacks on predictions and explanations."""

from interp.attacks.accuracy import accuracy, correct
from interp.attacks.projected_gradient_descent import ProjectedGradientDescent

__all__ = ["ProjectedGradientDescent", "accuracy", "correct"]

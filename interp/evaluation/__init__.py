"""How well predictions and explanations hold up."""

from interp.evaluation.accuracy_curve import AccuracyCurve, accuracy_curve, describe_protocol
from interp.evaluation.agreement_under_attack import Agreement, agreement_under_attack, overlap_of_networks
from interp.evaluation.bound import BoundCheck, bound_check
from interp.evaluation.sample import sample_images
from interp.evaluation.sneaking import Sneaking, check_penalties, sneaking
from interp.evaluation.statistics import Mean, mean_of
from interp.evaluation.validity import Flag, StrongAccuracy, StrongProtocol, Validity, validity

__all__ = [
    "AccuracyCurve",
    "Agreement",
    "BoundCheck",
    "Flag",
    "Mean",
    "Sneaking",
    "StrongAccuracy",
    "StrongProtocol",
    "Validity",
    "accuracy_curve",
    "agreement_under_attack",
    "bound_check",
    "check_penalties",
    "describe_protocol",
    "mean_of",
    "overlap_of_networks",
    "sample_images",
    "sneaking",
    "validity",
]

"""How well predictions and explanations hold up."""

import interp.core.keras_backend  # noqa: F401 - first, for its message
from interp.evaluation.accuracy_curve import AccuracyCurve, accuracy_curve, describe_protocol
from interp.evaluation.agreement_under_attack import Agreement, agreement_under_attack, overlap_of_networks
from interp.evaluation.bound import BoundCheck, bound_check
from interp.evaluation.coherence import Coherence, coherence, ink
from interp.evaluation.erasure import METRICS, PROTOCOLS, check_ratio
from interp.evaluation.flags import Flag, chance_accuracy, unreached
from interp.evaluation.roar_kar import RoarKar, roar_kar
from interp.evaluation.sample import sample_images
from interp.evaluation.sanity_check import SanityCheck, sanity_check
from interp.evaluation.selectivity import Selectivity, selectivity
from interp.evaluation.sneaking import Sneaking, check_penalties, sneaking
from interp.evaluation.statistics import Mean, mean_of
from interp.evaluation.unforeseen_accuracy import (
    UnforeseenAccuracy,
    calibrated_budgets,
    read_calibration,
    uar_scores,
    unforeseen_accuracy,
)
from interp.evaluation.validity import StrongAccuracy, StrongProtocol, Validity, validity

__all__ = [
    "METRICS",
    "PROTOCOLS",
    "AccuracyCurve",
    "Agreement",
    "BoundCheck",
    "Coherence",
    "Flag",
    "Mean",
    "RoarKar",
    "SanityCheck",
    "Selectivity",
    "Sneaking",
    "StrongAccuracy",
    "StrongProtocol",
    "UnforeseenAccuracy",
    "Validity",
    "accuracy_curve",
    "agreement_under_attack",
    "bound_check",
    "calibrated_budgets",
    "chance_accuracy",
    "check_penalties",
    "check_ratio",
    "coherence",
    "describe_protocol",
    "ink",
    "mean_of",
    "overlap_of_networks",
    "read_calibration",
    "roar_kar",
    "sample_images",
    "sanity_check",
    "selectivity",
    "sneaking",
    "uar_scores",
    "unforeseen_accuracy",
    "unreached",
    "validity",
]

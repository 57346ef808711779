"""How well predictions and explanations hold up."""

import interp.core.keras_backend  # noqa: F401 - first, for its message
from interp.core.checks import check_penalties
from interp.core.results import Result
from interp.evaluation.accuracy_curve import AccuracyCurve, accuracy_curve, describe_protocol
from interp.evaluation.agreement_under_attack import (
    Agreement,
    AgreementCurve,
    NetworkOverlap,
    agreement_curve,
    agreement_under_attack,
    overlap_of_networks,
)
from interp.evaluation.bound import BoundCheck, bound_check
from interp.evaluation.coherence import Coherence, coherence, ink
from interp.evaluation.completeness import completeness_notes
from interp.evaluation.erasure import METRICS, PROTOCOLS, check_ratio
from interp.evaluation.explanation_validity import explanation_validity
from interp.evaluation.explanation_validity_result import ExplanationValidity
from interp.evaluation.faithfulness import (
    FAITHFULNESS,
    Deletion,
    Entropy,
    Faithfulness,
    Gini,
    Infidelity,
    Insertion,
    MaxSensitivity,
    MeanCurves,
    Measure,
    MeasureFacts,
    MuFidelity,
    PointingGame,
    RoadLeast,
    RoadMost,
    faithfulness,
)
from interp.evaluation.flags import Flag, chance_accuracy, unreached
from interp.evaluation.leaderboard_row import LeaderboardRow, MovedExplanation
from interp.evaluation.network_facts import NetworkFacts
from interp.evaluation.protocol import StrongProtocol
from interp.evaluation.roar_kar import RoarKar, roar_kar
from interp.evaluation.robust_attribution import robust_attribution_protocol
from interp.evaluation.sample import sample_images
from interp.evaluation.sanity_check import SanityCheck, sanity_check
from interp.evaluation.selectivity import Selectivity, selectivity
from interp.evaluation.selectivity_curves import SelectivityCurves
from interp.evaluation.shown_maps import AttackedAccuracy, MapSummary, SneakedImages
from interp.evaluation.sneaking import Sneaking, sneaking
from interp.evaluation.statistics import Mean, mean_of
from interp.evaluation.tradeoff import Tradeoff
from interp.evaluation.unforeseen_accuracy import (
    UnforeseenAccuracies,
    UnforeseenAccuracy,
    calibrated_budgets,
    read_calibration,
    uar_scores,
    unforeseen_accuracy,
)
from interp.evaluation.validity import StrongAccuracy, Validity, validity

__all__ = [
    "FAITHFULNESS",
    "METRICS",
    "PROTOCOLS",
    "AccuracyCurve",
    "Agreement",
    "AgreementCurve",
    "AttackedAccuracy",
    "BoundCheck",
    "Coherence",
    "Deletion",
    "Entropy",
    "ExplanationValidity",
    "Faithfulness",
    "Flag",
    "Gini",
    "Infidelity",
    "Insertion",
    "LeaderboardRow",
    "MapSummary",
    "MaxSensitivity",
    "Mean",
    "MeanCurves",
    "Measure",
    "MeasureFacts",
    "MovedExplanation",
    "MuFidelity",
    "NetworkFacts",
    "NetworkOverlap",
    "PointingGame",
    "Result",
    "RoadLeast",
    "RoadMost",
    "RoarKar",
    "SanityCheck",
    "Selectivity",
    "SelectivityCurves",
    "SneakedImages",
    "Sneaking",
    "StrongAccuracy",
    "StrongProtocol",
    "Tradeoff",
    "UnforeseenAccuracies",
    "UnforeseenAccuracy",
    "Validity",
    "accuracy_curve",
    "agreement_curve",
    "agreement_under_attack",
    "bound_check",
    "calibrated_budgets",
    "chance_accuracy",
    "check_penalties",
    "check_ratio",
    "coherence",
    "completeness_notes",
    "describe_protocol",
    "explanation_validity",
    "faithfulness",
    "ink",
    "mean_of",
    "overlap_of_networks",
    "read_calibration",
    "roar_kar",
    "robust_attribution_protocol",
    "sample_images",
    "sanity_check",
    "selectivity",
    "sneaking",
    "uar_scores",
    "unforeseen_accuracy",
    "unreached",
    "validity",
]

"""Measures of explanations that ask the model, without retraining it, and comparisons of methods by them."""

from interp.evaluation.faithfulness.comparison import faithfulness
from interp.evaluation.faithfulness.complexity import Entropy, Gini
from interp.evaluation.faithfulness.deletion import Deletion, Insertion
from interp.evaluation.faithfulness.infidelity import Infidelity
from interp.evaluation.faithfulness.max_sensitivity import MaxSensitivity
from interp.evaluation.faithfulness.measure import Measure, Measured
from interp.evaluation.faithfulness.mu_fidelity import MuFidelity
from interp.evaluation.faithfulness.pointing_game import PointingGame
from interp.evaluation.faithfulness.registry import FAITHFULNESS, find_measure
from interp.evaluation.faithfulness.result import Faithfulness, MeanCurves, MeasureFacts
from interp.evaluation.faithfulness.road import RoadLeast, RoadMost

__all__ = [
    "FAITHFULNESS",
    "Deletion",
    "Entropy",
    "Faithfulness",
    "Gini",
    "Infidelity",
    "Insertion",
    "MaxSensitivity",
    "MeanCurves",
    "Measure",
    "MeasureFacts",
    "Measured",
    "MuFidelity",
    "PointingGame",
    "RoadLeast",
    "RoadMost",
    "faithfulness",
    "find_measure",
]

"""Measures of explanations by name. A new measure is a line here and its name in interp.core.names."""

from typing import Any

from interp.core.checks import kind_of
from interp.core.errors import InputError, check_choice
from interp.evaluation.faithfulness.complexity import Entropy, Gini
from interp.evaluation.faithfulness.deletion import Deletion, Insertion
from interp.evaluation.faithfulness.infidelity import Infidelity
from interp.evaluation.faithfulness.max_sensitivity import MaxSensitivity
from interp.evaluation.faithfulness.measure import Measure
from interp.evaluation.faithfulness.mu_fidelity import MuFidelity
from interp.evaluation.faithfulness.pointing_game import PointingGame
from interp.evaluation.faithfulness.road import RoadLeast, RoadMost

FAITHFULNESS: dict[str, Measure] = {
    "deletion": Deletion(),
    "insertion": Insertion(),
    "mu_fidelity": MuFidelity(),
    "infidelity": Infidelity(),
    "max_sensitivity": MaxSensitivity(),
    "road_most": RoadMost(),
    "road_least": RoadLeast(),
    "pointing_game": PointingGame(),
    "gini": Gini(),
    "entropy": Entropy(),
}


def find_measure(measure: Any) -> Measure:
    """The measure of a name with its usual settings, or the object itself. Raises InputError."""
    if isinstance(measure, Measure):
        return measure
    if not isinstance(measure, str):
        raise InputError(
            f"a measure came as {kind_of(measure)}, expected a name such as 'deletion' or an object such as Deletion()"
        )
    return FAITHFULNESS[check_choice("measure", measure, FAITHFULNESS)]

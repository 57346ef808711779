"""Image classifiers whose predictions and explanations hold up under attack.

TensorFlow is imported when a name that needs it is first used, so help texts and lists print at once.
"""

import importlib
from typing import TYPE_CHECKING, Any

from interp.core.errors import InputError
from interp.core.threads import share_cores_among_streams

if TYPE_CHECKING:
    from interp import attacks as attacks
    from interp import attributions as attributions
    from interp import data as data
    from interp import discrepancy as discrepancy
    from interp import evaluation as evaluation
    from interp import models as models
    from interp import report as report
    from interp import training as training
    from interp.models import build_network as build_network
    from interp.models import load_model as load_model
    from interp.models import save_model as save_model
    from interp.report.explanation_benchmark import benchmark_explanations as benchmark_explanations
    from interp.report.leaderboard import leaderboard as leaderboard
    from interp.report.robust_validation import RobustValidation as RobustValidation
    from interp.report.show_explanations import show as show

__version__ = "1.0.0"

_MODULES = ("attacks", "attributions", "data", "discrepancy", "evaluation", "models", "report", "training")
# Functions and the modules that they are in.
_FUNCTIONS = {
    **dict.fromkeys(("build_network", "load_model", "save_model"), "models"),
    "leaderboard": "report.leaderboard",
    "benchmark_explanations": "report.explanation_benchmark",
    "RobustValidation": "report.robust_validation",
    "show": "report.show_explanations",
}

__all__ = ["InputError", "__version__", "share_cores_among_streams", *_MODULES, *_FUNCTIONS]


# Type checkers know the names above, and report all others.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return importlib.import_module(f"interp.{name}")
        if name in _FUNCTIONS:
            return getattr(importlib.import_module(f"interp.{_FUNCTIONS[name]}"), name)
        raise AttributeError(f"module 'interp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

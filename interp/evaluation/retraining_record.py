"""Finished retrainings on disk, and what they are about."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from interp.attributions import Attribution, RandomBaseline
from interp.core.digest import code_digest
from interp.core.errors import InputError
from interp.core.files import write_json
from interp.core.json_values import parse_json
from interp.evaluation.predictions import predict, same_logits
from interp.models.model_digest import identify_model

# Images whose logits tell a method's model from others.
FEW = 8


class RetrainingRecord:
    """Accuracies by the names of retrainings. Raises InputError for a file that is none or is about something else.

    Without a path nothing is kept. `made_of` are JSON values that all retrainings of a file share.
    """

    def __init__(self, path: Path | None, made_of: dict[str, Any]) -> None:
        self._path, self._made_of = path, made_of
        self.accuracies: dict[str, float] = {}
        self._methods: dict[str, Any] = {}
        if path is None or not path.exists():
            return
        try:
            kept = parse_json(path.read_text(encoding="utf-8"))
            accuracies, methods = kept["accuracies"], kept["methods"]
            sound = all(isinstance(value, float) and 0 <= value <= 1 for value in accuracies.values())
            same = kept["made_of"] == json.loads(json.dumps(made_of))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} cannot be read as a record of retrainings: remove it") from error
        if not sound or not isinstance(methods, dict):
            raise InputError(f"{path} is no record of retrainings: remove it")
        if not same:
            raise InputError(
                f"{path} holds retrainings of other data, protocol, ranking or training: choose another folder, or remove it"
            )
        self.accuracies, self._methods = accuracies, methods

    def check_method(self, name: str, identity: dict[str, Any], logits: np.ndarray | None) -> None:
        """Note what a method is, and its `few_logits`. Raises InputError if the record is about another one of this name."""
        told = identity if logits is None else {**identity, "logits": logits.tolist()}
        kept = self._methods.setdefault(name, told)
        if not _same_method(kept, told):
            other = kept.get("method") if isinstance(kept, dict) else kept
            raise InputError(
                f"{self._path} holds retrainings of another {name} ({repr(other)[:80]}, now {identity['method']}, or another model): "
                "choose another folder, or remove it"
            )

    def keep(self, name: str, figure: float) -> None:
        """Add a retraining."""
        self.accuracies[name] = figure
        if self._path is not None:
            write_json(self._path, {"made_of": self._made_of, "methods": self._methods, "accuracies": self.accuracies})


def _same_method(kept: Any, told: dict[str, Any]) -> bool:
    if not isinstance(kept, dict) or {**kept, "logits": None} != {**told, "logits": None}:
        return False
    # Earlier versions kept no logits.
    before = kept.get("logits", told.get("logits"))
    try:
        same = before == told.get("logits")
        return bool(same) or same_logits(np.asarray(told["logits"]), np.asarray(before, np.float64))
    except (TypeError, ValueError, KeyError):
        return False


def few_logits(method: Attribution, images: Any) -> np.ndarray | None:
    """The logits (FEW, K) of the first of the images, which tell the method's model from others of the same layers and weights.

    None for a model that draws, and for the random baseline, whose maps depend on no model. Raises InputError.
    """
    if isinstance(method, RandomBaseline):
        return None
    logits = predict(method.model, images[:FEW])
    return logits if same_logits(predict(method.model, images[:FEW]), logits) else None


def identify_method(method: Attribution) -> dict[str, Any]:
    """What a method is: its settings, its code where it is not of this package, and the layers and weights of its model.

    The random baseline's maps depend on no model.
    """
    model = None if isinstance(method, RandomBaseline) else identify_model(method.model)
    return {"method": method.describe(), "model": model, **code_digest(method)}

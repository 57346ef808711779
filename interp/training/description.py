"""What made a network, as JSON values: for its file, and for telling whether a checkpoint is of the same training."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import keras

from interp.attributions import CAM
from interp.core.checks import check_instance
from interp.core.errors import InputError
from interp.data import Dataset
from interp.models.model_digest import saved_settings
from interp.models.network import Network
from interp.training.checkpoints import ANEW
from interp.training.kept_weights import Keeping
from interp.training.objectives import OBJECTIVES, Objective, find_objective, resolve_penalty
from interp.training.schedule import Schedule
from interp.training.terms import DISTANCE_WEIGHT, adversarial_log_odds

# What is said of a network only where it is not the default.
UNUSUAL = ("explanation", "distance_weight", "inner_attack", "start", *(each.name for each in fields(Keeping)))
# What earlier versions did not say of a training; files and checkpoints without it are taken as they are.
SAID_SINCE = ("images", "validation_images", "network", "model_digest", "input_scale", "output", "start_weights")
# What is said of a training only where it is another one, in words, by its dotted name.
USUAL = {
    "keep": "'last'",
    "batch_statistics": "'each'",
    "explanation": "the usual one",
    "distance_weight": "the usual one",
    "inner_attack": "the usual one",
    "schedule.norm": "'linf'",
    "schedule.rate_shape": "'steps'",
    "schedule.attack_precision": "'float32'",
}
# How to make one, for messages.
SCHEDULE = "Schedule(...) or PAPER['mnist']"


def describe(
    objective: str | Objective, schedule: Schedule, seed: int, penalty_weight: float | None = None
) -> dict[str, Any]:
    """Describe what makes a network, for the metadata of its file.

    Args:
        objective: A training method or its name, such as "adv", "trades" or "int".
        schedule: The schedule of the training.
        seed: Seed of the training.
        penalty_weight: Weight of the second term of the objective (default: its usual one).

    Returns:
        JSON values: method, schedule, seed, penalty_weight, the explanation unless it is CAM as that of the method, the distance_weight
        of LGA where it is another one than usual, and the inner_attack where it raises the cross-entropy in place of the method's term.

    Raises:
        InputError: An argument is not as described.
    """
    objective = find_objective(objective)
    check_instance("the schedule", schedule, Schedule, SCHEDULE)
    weight = resolve_penalty(objective, penalty_weight)
    described = asdict(schedule)
    if schedule.attack_precision == "float32":
        # As in files of before there was a choice.
        del described["attack_precision"]
    if schedule.norm == "linf":
        del described["norm"]
    if schedule.rate_shape == "steps":
        del described["rate_shape"]
    made = {"method": objective.tag, "schedule": described, "seed": seed, "penalty_weight": weight}
    known, explanation = OBJECTIVES.get(objective.tag), objective.explanation
    if explanation is not None and (explanation != CAM() or (known is not None and known.explanation != explanation)):
        made["explanation"] = explanation.describe()
    if objective.distance_weight not in (None, DISTANCE_WEIGHT):
        made["distance_weight"] = objective.distance_weight
    if known is not None and objective.attack is not known.attack and objective.attack is adversarial_log_odds:
        made["inner_attack"] = "cross-entropy"
    return made


def describe_model_and_data(model: keras.Model, data: Dataset, augment: bool | keras.layers.Layer) -> dict[str, Any]:
    """What is trained on which images, and how these are changed."""
    is_known = isinstance(model, Network)
    return {
        "augment": augment if isinstance(augment, bool) else _describe_layer(augment),
        "architecture": model.architecture if is_known else f"{type(model).__name__}, {model.count_params()} weights",
        "data": f"{data.name} {data.split}, {len(data)} images, {data.source}",
    }


def _describe_layer(augment: keras.layers.Layer) -> Any:
    """The settings of a layer that changes images, of one of a class that Keras cannot save the name of that class."""
    try:
        # The training sets seeds of its own, and some layers take another one each time that they are made.
        return saved_settings(augment, ("name", "seed"))
    except NotImplementedError:
        return type(augment).__name__


def describe_choices(
    optimizer: keras.Optimizer | None,
    class_weights: Mapping[int, float] | None,
    batch_statistics: str,
    keeping: Keeping,
) -> dict[str, Any]:
    """What else makes a training, as far as it is not the default: earlier versions did not say it."""
    given: dict[str, Any] = {}
    if optimizer is not None:
        given["optimizer"] = saved_settings(optimizer, ("name",))
    if class_weights is not None:
        given["class_weights"] = {str(label): float(weight) for label, weight in class_weights.items()}
    if batch_statistics != "each":
        given["batch_statistics"] = batch_statistics
    return {**given, **describe_keeping(keeping)}


def describe_keeping(keeping: Keeping) -> dict[str, Any]:
    """Which weights are kept, as far as it is not the default."""
    usual = asdict(Keeping())
    return {name: value for name, value in asdict(keeping).items() if value != usual[name]}


def check_arguments(what: str, saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise an InputError that names the differences when `what` was made with other arguments, as far as it says them."""
    now = {name: value for name, value in now.items() if name in saved or name not in SAID_SINCE}
    saved, now = _flat(_without_seeds(saved)), _flat(json.loads(json.dumps(now)))
    different = [
        f"{name} was {_shown(name, saved)} and is {_shown(name, now)}"
        for name in sorted({*saved, *now})
        if saved.get(name) != now.get(name)
    ]
    if different:
        raise InputError(f"{what} was made with other arguments: {'; '.join(different)}: use the same ones, or {ANEW}")


def _shown(name: str, settings: Mapping[str, Any]) -> str:
    """A setting in words; of one that is not said, what is usual."""
    value = settings.get(name)
    return USUAL.get(name, "none") if value is None else repr(value)


def _without_seeds(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments less the seeds of layers that change images, which earlier versions kept."""

    def less(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: less(part) for name, part in value.items() if name != "seed"}
        return [less(part) for part in value] if isinstance(value, list) else value

    return {name: less(value) if name == "augment" else value for name, value in arguments.items()}


def _flat(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings as dotted names, so that a difference names what differs and no more."""
    flat: dict[str, Any] = {}
    for name, value in arguments.items():
        inner = _flat(value) if isinstance(value, dict) else {"": value}
        flat.update({f"{name}.{key}".rstrip("."): part for key, part in inner.items()})
    return flat

"""Explanation methods from their names, for attacks, discrepancies, objectives and commands."""

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from importlib import import_module
from typing import Any

from interp.attributions.attribution import Attribution
from interp.attributions.cam import CAM, Representation
from interp.attributions.integrated_gradients import IntegratedGradients
from interp.core.checks import kind_of
from interp.core.errors import InputError, check_choice
from interp.core.names import ENSEMBLES, METHODS

# The paper's own: Grad-CAM++ in closed form for average pooling, integrated gradients by 32 points, feature maps.
INTERPRETATIONS: dict[str, Attribution] = {
    "cam": CAM(),
    "cam++": CAM(rectified=True),
    "ig": IntegratedGradients(steps=32),
    "representation": Representation(),
}


def find_attribution(method: str | Attribution) -> Attribution:
    """Return the description of a method: of an object its settings, of a name the method's usual ones.

    Args:
        method: An Attribution, with a model or without, or a name: one of interp.core.names.METHODS and
            INTERPRETATIONS; "smooth_grad", "smooth_grad_squared" and "smooth_grad_var" are ensembles over the gradient,
            "smooth_grad:METHOD" is one over another method.

    Returns:
        An Attribution without a model.

    Raises:
        InputError: The name is unknown, or it is neither a name nor a method.
    """
    if isinstance(method, Attribution):
        return method.with_model(None)
    if not isinstance(method, str):
        raise InputError(
            f"the explanation came as {kind_of(method)}, expected a name such as 'grad_cam' or an object such as GradCAM()"
        )
    ensemble, colon, base = method.partition(":")
    if ensemble in ENSEMBLES:
        return _class(ENSEMBLES[ensemble])(find_attribution(base if colon else "gradient"))
    check_choice(
        "explanation", method, [*METHODS, *(name for name in INTERPRETATIONS if name not in METHODS), *ENSEMBLES]
    )
    return INTERPRETATIONS[method] if method in INTERPRETATIONS else _class(METHODS[method])()


def configured(method: str | Attribution, settings: Mapping[str, Any]) -> Attribution:
    """Return a method with other settings.

    Args:
        method: An explanation method, by name or as an object, such as "grad_cam" or GradCAM(layer="conv").
        settings: Values by name; those of names that the method has not are passed over. What an ensemble is over takes
            them likewise.

    Returns:
        An Attribution without a model.

    Raises:
        InputError: The name is unknown, or a setting is out of its range or unknown.
    """
    found = find_attribution(method)
    has = {each.name for each in fields(found)}
    chosen = {name: value for name, value in settings.items() if name in has}
    if "attribution" in has:
        chosen["attribution"] = configured(found.attribution, settings)  # type: ignore[attr-defined]
    return replace(found, **chosen)


def name_of(method: Attribution) -> str | None:
    """Return the name by which `find_attribution` finds a method of these settings.

    Args:
        method: An explanation method as an object.

    Returns:
        The name, None where the method has none.
    """
    named = {**{name: _class(place)() for name, place in METHODS.items()}, **INTERPRETATIONS}
    return next((name for name, known in named.items() if known == method), None)


def shown_name(method: str | Attribution, *, settings: bool = True) -> str:
    """A method in a caption: the name it came by, that of an object, or where it has none its kind, with its settings if asked for."""
    if isinstance(method, str):
        return method
    return name_of(find_attribution(method)) or (method.describe() if settings else method.name)


@cache
def _class(place: str) -> type[Attribution]:
    module, _, name = place.partition(".")
    return getattr(import_module(f"interp.attributions.{module}"), name)

"""Classes and functions of a user's that a saved model names: imported only when the caller says from where."""

import importlib
from collections.abc import Mapping
from typing import Any

from interp.core.checks import kind_of
from interp.core.errors import ArgumentError, InputError, first_line


def resolve_objects(objects: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what each name of a saved model stands for.

    Args:
        objects: Names with classes or functions, or with "module:name", which is imported.

    Returns:
        Names with classes or functions.

    Raises:
        InputError: For text of another form, and for what cannot be imported.

    Example:
        `resolve_objects({"Mish": "my_package.layers:Mish"})`.
    """
    if objects is None:
        return {}
    if not isinstance(objects, Mapping) or not all(isinstance(name, str) for name in objects):
        raise InputError(
            f"custom_objects came as {kind_of(objects)}, expected names with classes, such as {{'Mine': Mine}} or {{'Mine': 'module:Mine'}}"
        )
    return {name: _imported(value) if isinstance(value, str) else value for name, value in objects.items()}


def _imported(text: str) -> Any:
    module, separator, name = text.partition(":")
    if not separator or not module or not name:
        raise InputError(f"{text[:80]!r} of custom_objects is refused: expected 'module:name'")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:
        # Importing runs the user's code, which may raise anything.
        raise ArgumentError(f"<custom_objects=> {text[:80]!r} cannot be imported: {first_line(error)}") from error

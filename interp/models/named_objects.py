"""Classes and functions of a user's, imported only when the caller says from where: those that a saved model names, and builders."""

import importlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

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
    return {name: imported(value) if isinstance(value, str) else value for name, value in objects.items()}


def build_by_function(text: str, image_shape: tuple[int, int, int], classes: int, *, seed: int) -> keras.Model:
    """Return the untrained model that a function of the user's builds.

    Args:
        text: "module:function", which is imported; the function takes nothing, or the next two.
        image_shape: (height, width, channels).
        classes: How many classes there are.
        seed: Of the generators of Python, NumPy and TensorFlow, which initial weights come from.

    Returns:
        The model.

    Raises:
        InputError: For what cannot be imported, fails, or returns no model.

    Example:
        `build_by_function("my_package.models:small_cnn", (64, 64, 3), 5, seed=99)`.
    """
    function = imported(text, "the model")
    keras.utils.set_random_seed(seed)
    try:
        model = function(image_shape, classes) if len(inspect.signature(function).parameters) else function()
    except Exception as error:
        raise InputError(
            f"{text[:80]} failed, called as function(image_shape, classes): {first_line(error)}"
        ) from error
    if not isinstance(model, keras.Model):
        raise InputError(f"{text[:80]} returned {kind_of(model)}, expected a keras.Model")
    return model


def imported(text: str, what: str = "<custom_objects=>") -> Any:
    """What "module:name" stands for, modules of the current directory among them; `what` names it in errors. Raises InputError."""
    module, separator, name = text.partition(":")
    if not separator or not module or not name:
        raise ArgumentError(f"{what} {text[:80]!r} is refused: expected 'module:name'")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:
        # Importing runs the user's code, which may raise anything.
        raise ArgumentError(f"{what} {text[:80]!r} cannot be imported: {first_line(error)}") from error

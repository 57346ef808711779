"""The one error for input that cannot be used, and the wording of unknown names."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something given to the package cannot be used; the message is one line that says how to mend it."""


class ComputationError(ArithmeticError):
    """A computation went wrong through no single input, for example a training that diverged."""


def check_choice(what: str, value: object, choices: Iterable[str]) -> str:
    """Return `value` if it is one of `choices`, else raise an InputError that suggests the nearest name."""
    names = list(choices)
    if isinstance(value, str) and value in names:
        return value
    near = difflib.get_close_matches(str(value), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"unknown {what} {str(value)[:80]!r}: {hint}expected one of {', '.join(names)}")

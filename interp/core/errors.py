"""The one error for input that cannot be used, and the wording of unknown names."""

import difflib
import re
from collections.abc import Iterable, Mapping

_ARGUMENT = re.compile(r"<(\w+)=([^>]*)>")
# Where a word of a name ends.
_WORDS = re.compile(r"[\s_-]+|(?<=[a-z])(?=[A-Z])")


class InputError(ValueError):
    """Something given to the package cannot be used; the message is one line that says how to mend it."""


class ArgumentError(InputError):
    """Input that another value of an argument mends: <scale=tf> in the text stands for the argument, <scale=> for it without a value.

    As text it is spelled as in Python, scale='tf'; `with_options` spells it as a command line, --input-scale tf.
    """

    def __init__(self, text: str) -> None:
        super().__init__(_ARGUMENT.sub(lambda found: f"{found[1]}={_in_python(found[2])}", text))
        self._text = text

    def __reduce__(self) -> tuple[type["ArgumentError"], tuple[str]]:
        # From a worker it comes with its text as it was given, of which a command line is made, not with that of Python.
        return type(self), (self._text,)

    def with_options(self, names: Mapping[str, str]) -> InputError:
        """The error with the options of these `names`, by argument; one that belongs to no option keeps its name."""

        def spelled(found: re.Match[str]) -> str:
            value = found[2].strip("()").replace(", ", ",").upper() if found[2].startswith("(") else found[2]
            name = names.get(found[1], found[1])
            return f"{name}{'' if name.endswith('=') else ' '}{value}".rstrip()

        return InputError(_ARGUMENT.sub(spelled, self._text))


def _in_python(value: str) -> str:
    return repr(value) if value and not value.startswith("(") else value


def first_line(error: BaseException) -> str:
    """The first line of what an error of another package says, or its name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


class ComputationError(ArithmeticError):
    """A computation went wrong through no single input, for example a training that diverged."""


def check_choice(what: str, value: object, choices: Iterable[str]) -> str:
    """Return `value` if it is one of `choices`, else raise an InputError that suggests the nearest name."""
    names = list(choices)
    if isinstance(value, str) and value in names:
        return value
    near = _nearest(str(value)[:80], names)
    hint = f"did you mean {near!r}? " if near else ""
    raise InputError(f"unknown {what} {str(value)[:80]!r}: {hint}expected one of {', '.join(names)}")


def _nearest(value: str, names: list[str]) -> str | None:
    """The name that is `value` but for case and separators, that has it as initials, or is its initials; else the one most like it."""
    alike = {_letters(name): name for name in reversed(names)}
    initials = {_initials(name): name for name in reversed(names) if "_" in name}
    found = difflib.get_close_matches(_letters(value), alike, n=1)
    known = alike.get(_letters(value)) or initials.get(_letters(value)) or alike.get(_initials(value))
    return known or (alike[found[0]] if found else None)


def _initials(name: str) -> str:
    """The first letters of the words of a name that has several: ig of integrated_gradients and of IntegratedGradients."""
    words = [word for word in _WORDS.split(name) if word]
    return "".join(word[0] for word in words).casefold() if len(words) > 1 else ""


def _letters(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.casefold())

"""Options as fields of frozen dataclasses: the parser, its help and the checks are made from them."""

import argparse
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from interp.core.command_line import Parser, alike
from interp.core.errors import InputError, check_choice

T = TypeVar("T", bound="Options")


def option(
    default: Any,
    text: str | Callable[[Any], str],
    *,
    parse: Callable[[str], Any] = str,
    choices: Iterable[str] | None = None,
    usual: str | None = None,
    names_file: bool = False,
    positional: bool = False,
    many: bool = False,
    earlier: str | None = None,
) -> Any:
    """A field of an options class.

    Args:
        default: its value where it is not given; MISSING where it has to be.
        text: what it is, for the help, or a function that says it of the class.
        parse: an argument type of argparse; bool makes a switch without a value, with a --no- where it is on by default.
        choices: the values that it takes, a list each of its own, whose nearest is suggested.
        usual: the default in words, where `default` does not say it; {task.images} is what the class says.
        names_file: whether results of different values stand in different files.
        positional: whether it is given without its name.
        many: whether it takes several values.
        earlier: the name that it had before, still taken where no other option has it.
    """
    told = {"text": text, "parse": parse, "choices": choices and tuple(choices), "usual": usual}
    kind = {"names_file": names_file, "positional": positional, "many": many, "earlier": earlier}
    return field(default=default, metadata={**told, **kind})


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a command; a class is a group of the help, named by its `title`."""

    title: ClassVar[str] = "settings"

    def check(self, given: frozenset[str]) -> None:
        """Refuse what does not go together; `given` are the names of the options that were given. Raises InputError."""


def flag(name: str) -> str:
    """The option as a command line spells it."""
    return f"--{name.replace('_', '-')}"


def spellings(kind: type[Options]) -> dict[str, list[str]]:
    """The spellings of each option of a class, by its name: the present one, then an earlier one."""
    earlier = {each.name: {each.metadata["earlier"]} - {None, *kind.__dataclass_fields__} for each in fields(kind)}
    return {name: [flag(name), *map(flag, others)] for name, others in earlier.items()}


def add_options(parser: argparse.ArgumentParser, kind: type[Options]) -> None:
    """Add the options of a class to a parser; what is not given is left out of its namespace."""
    blocks = [block for block in reversed(kind.__mro__) if issubclass(block, Options)]
    groups: dict[str, Any] = {}
    for each in fields(kind):
        owner = next(block for block in blocks if each.name in inspect.get_annotations(block))
        title = owner.title
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        _add(groups[title], each, kind)


def _add(group: Any, each: Field[Any], kind: type[Options]) -> None:
    flags = spellings(kind)[each.name]
    parse, choices = each.metadata["parse"], each.metadata["choices"]
    text = each.metadata["text"]
    text = text(kind) if callable(text) else text
    usual = (each.metadata["usual"] or "").format(task=kind) or _written(each.default)
    if choices:
        text = f"{text}: {', '.join(choices)}" if text else ", ".join(choices)
    if usual and parse is not bool:
        text = f"{text} (default: {usual})"
    settings: dict[str, Any] = {"help": text.replace("%", "%%"), "default": argparse.SUPPRESS}
    if parse is bool:
        action: Any = argparse.BooleanOptionalAction if each.default else "store_true"
        group.add_argument(*flags, action=action, dest=each.name, **settings)
        return
    settings |= {"type": parse, "metavar": each.name.upper().split("_")[-1]}
    required = each.default is MISSING
    if each.metadata["positional"]:
        group.add_argument(each.name, nargs=None if required else "?", **{**settings, "default": None})
    else:
        nargs = "+" if each.metadata["many"] else None
        group.add_argument(*flags, dest=each.name, required=required, nargs=nargs, **settings)


def _written(default: Any) -> str | None:
    """A default as it would be given on the command line."""
    if default is MISSING or default is None or default is False:
        return None
    return ",".join(f"{part:g}" for part in default) if isinstance(default, tuple) else str(default)


def make(kind: type[T], given: dict[str, Any]) -> T:
    """The options of a class from those that were given. Raises InputError."""
    for each in fields(kind):
        value, choices = given.get(each.name), each.metadata["choices"]
        if choices and value is not None:
            for one in value if isinstance(value, list) else [value]:
                check_choice(flag(each.name), one, choices)
    options = kind(**given)
    options.check(frozenset(given))
    return options


def read_options(
    kind: type[T], words: Sequence[str] | None, prog: str, description: str | None, examples: Sequence[str] = ()
) -> T:
    """The checked options that the words of a command line give. Raises InputError."""
    parser = Parser(prog, description, examples)
    add_options(parser, kind)
    return make(kind, given_options(parser, words))


def given_options(
    parser: Parser, words: Sequence[str] | None, others: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """The options that the words of a command line give, by name.

    Args:
        parser: has the options of `add_options`.
        words: the command line (default: that of the process).
        others: options that are not this command's, each with what it is for.

    Raises:
        InputError: one of the `others` was given. What else is wrong ends the process as argparse does.
    """
    for word in alike(words):
        name = word.partition("=")[0]
        if name in others:
            raise InputError(f"{name} is for {others[name]}: leave it out for {parser.what}")
    # A positional that may be left out is None then.
    return {name: value for name, value in vars(parser.parse_args(words)).items() if value is not None}

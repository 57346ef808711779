"""The options of command lines that say what a model of your own is."""

import argparse
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from interp.core.argument_types import numbers
from interp.core.errors import InputError, check_choice
from interp.core.names import ARCHITECTURE_TAGS, AUTO, SCALES
from interp.core.options import Options, flag, option

# What --network takes.
NETWORKS = (
    "a name under networks/; the path of a .safetensors file, or of a pickle published with the paper (nothing in it is run); of a "
    ".weights.h5 file (with --network-type); of a .keras or .h5 model or a SavedModel directory, which should be ones that you trust, as "
    "they say what to build; keras.applications.NAME (with --weights); or hf://OWNER/REPOSITORY/FILE"
)


def input_scale(text: str) -> str | tuple[tuple[float, ...], tuple[float, ...]]:
    """An argument type: the name of a scale, or a mean and a standard deviation, those of all channels one after the other."""
    if "," not in text:
        try:
            return check_choice("scale", text, (AUTO, *SCALES))
        except InputError as error:
            raise argparse.ArgumentTypeError(f"{error}, or MEAN,STD such as 0.5,0.25") from None
    values = numbers(text)
    half = len(values) // 2
    mean, std = tuple(values[:half]), tuple(values[half:])
    if len(mean) != len(std):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no MEAN,STD: give one number each, such as 0.5,0.25, or the means of all channels and then their standard "
            "deviations, such as 0.5,0.5,0.4,0.25,0.25,0.2"
        )
    if max(values) > 1 or min(std) == 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no MEAN,STD of images in [0, 1], both at most 1 and the STD above 0: divide those of 0..255 by 255, as in 127/255"
        )
    return mean, std


def output(text: str) -> str | int:
    """An argument type: the number of an output from 0, or its name."""
    return int(text) if re.fullmatch(r"-?\d{1,6}", text, re.ASCII) else text


def custom_object(text: str) -> str:
    """An argument type: a class or function of one's own as module:name."""
    module, _, name = text.partition(":")
    if not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is no MODULE:NAME such as my_layers:Mish")
    return text


@dataclass(frozen=True, kw_only=True)
class ModelOptions(Options):
    """Of all commands that evaluate models."""

    title: ClassVar[str] = "models of your own"

    input_scale: Any = option(
        AUTO,
        f"what a model that is not of this package was trained on: {', '.join(SCALES)}; MEAN,STD of images in [0, 1], one number each or "
        "those of all channels (0.5,0.5,0.4,0.25,0.25,0.2); auto goes by the layers that it begins with, or by its accuracy",
        parse=input_scale,
    )
    output: Any = option(None, "name, or number from 0, of the output to use, where a model has several", parse=output)
    custom_objects: list[str] | None = option(
        None,
        "your own classes in a .keras or .h5 file as MODULE:NAME, such as my_layers:Mish; modules are looked for in the current directory "
        "first",
        parse=custom_object,
        many=True,
    )
    weights: Path | None = option(
        None, "the file of weights, where the network is given as keras.applications.NAME", parse=Path
    )
    network_type: str | None = option(
        None,
        "architecture of the network",
        choices=ARCHITECTURE_TAGS,
        usual="the file says it, unless it holds weights alone",
    )


# Their names: they belong to a network, as its file does.
MODEL_OPTIONS = tuple(each.name for each in fields(ModelOptions))
# Arguments of the library that errors name, and the options that they are.
OPTION_NAMES = {
    **{name: flag(name) for name in ("output", "custom_objects", "weights")},
    "scale": flag("input_scale"),
    "interpretation": flag("inp_method"),
    "layer": flag("rep_l"),
    "classes": flag("num_class"),
}

"""The line of `eval_cmd.py` that a section of `eval.py` stands for, with options that a user adds to it."""

import argparse
import shlex
from dataclasses import replace

from interp.commands.experiments.sections import Section
from interp.commands.task_arguments import check_arguments, parser
from interp.core.errors import InputError

# What eval.py says itself of every network.
OWN = (
    "task",
    "dataset",
    "network",
    "seed",
    "num_image",
    "networks_dir",
    "data_dir",
    "workers",
    "ray",
    "output_dir",
    "any_dataset",
)


def with_options(section: Section, options: str) -> Section:
    """The section with further options of `eval_cmd.py`. Raises InputError for those that its task or `eval.py` does not take."""
    try:
        words = shlex.split(options)
    except ValueError as error:
        raise InputError(
            f"--task-options came as {options!r}, {str(error).lower()}: give a quotation mark its other half, and write a backslash twice"
        ) from error
    own = [f"--{name}" for name in (*OWN, "picture_dir", section.option) if name is not None]
    for word in words:
        if word.partition("=")[0].replace("-", "_").replace("__", "--", 1) in own:
            raise InputError(f"--task-options came with {word}, which eval.py gives to {section.task} itself")
    further = replace(section, arguments=(*section.arguments, *words))
    if words:
        parse(further, "mnist", "any", 0)
    return further


def parse(section: Section, dataset: str, network: str, seed: int) -> tuple[argparse.Namespace, str]:
    """The checked arguments of the section's task on one network, and the interpretation it looks at. Raises InputError."""
    line = ["--task", section.task, "--dataset", dataset, "--network", network, "--seed", str(seed)]
    arguments = parser().parse_args([*line, *section.arguments])
    return arguments, check_arguments(arguments)

"""The console command `interp`: train, eval, task, reproduce and demo, each the command line of a script."""

import importlib
import sys
from collections.abc import Sequence

from interp import __version__
from interp.core.command_line import one_line
from interp.core.errors import InputError, check_choice

# Subcommands, each with its module and what it does.
COMMANDS = {
    "train": ("train", "train the networks of a numbered script (train.py)"),
    "eval": ("evaluate", "evaluate the networks of a numbered experiment (eval.py)"),
    "task": ("evaluate_network", "run one task on one network (eval_cmd.py)"),
    "reproduce": ("reproduce", "write the tables and pictures of the paper that published networks allow"),
    "demo": ("demo", "train three small networks, attack them, explain them, in a few minutes"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        lines = (f"  interp {name:9s} {text}" for name, (_, text) in COMMANDS.items())
        print("\n".join(["usage: interp COMMAND ...", "", *lines, "", "interp COMMAND --help shows its options."]))
        return 0 if words else 2
    if words[0] == "--version":
        print(f"interp {__version__}")
        return 0
    try:
        name = check_choice("command", words[0], COMMANDS)
    except InputError as error:
        print(one_line(f"error: {error} (see interp --help)"), file=sys.stderr)
        return 2
    # Only the module of the command is imported.
    module = importlib.import_module(f"interp.commands.{COMMANDS[name][0]}")
    rest = words[1:]
    if name == "task" and rest and not rest[0].startswith("-"):
        rest = ["--task", *rest]
    return int(module.main(rest, f"interp {name}"))

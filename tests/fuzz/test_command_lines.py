"""Command lines of nonsense: an exit code and one line, never a traceback, and nothing half-written."""

import argparse
from functools import partial

import numpy as np
import pytest

from interp.commands import evaluate, evaluate_network, train
from interp.commands.experiments import SECTIONS
from interp.commands.tasks.task_registry import TASKS
from interp.core.command_line import Parser
from interp.core.errors import InputError
from interp.core.options import Options, add_options
from interp.core.quiet_import import import_tensorflow
from results_pages import __main__ as results

pytestmark = pytest.mark.fuzz
CASES = 250
WORDS = (
    "", "-1", "0", "1", "7", "1e999", "nan", "inf", "0.3", "0.1,0.2", ",", "digits", "mnsit", "normal", "cam", "l3", "sign", "\x00", "\n",
    "ä" * 50, "x" * 5_000, "--", "-", "--help-me", "$HOME", "../../etc/passwd",
    "nothing.pkl", "nothing.keras", "/", "/dev/null", "ünïcode.json",
)  # fmt: skip


def task_parser() -> argparse.ArgumentParser:
    """The parser of a task that takes many kinds of options."""
    return evaluate_network.parser(TASKS["pgd_attack"])


def parser_of(kind: type[Options]) -> argparse.ArgumentParser:
    """The parser of a command with these options."""
    made = Parser("command", None)
    add_options(made, kind)
    return made


COMMANDS = {
    "train": (train.main, partial(parser_of, train.TrainingOptions), ["9", "--only", "nothing"]),
    "evaluate": (evaluate.main, partial(parser_of, evaluate.ExperimentOptions), ["1", "--networks", "nothing"]),
    "evaluate_network": (evaluate_network.main, task_parser, ["--network", "nothing"]),
    "results": (results.main, results.parser, ["--records", "nothing"]),
}
# What a line needs before anything else of it is looked at.
SOUND = {
    "train": ["1"],
    "evaluate": ["1"],
    "evaluate_network": ["--task", "pgd_attack", "--dataset", "mnist", "--network", "any"],
    "results": [],
}


def options(parser: argparse.ArgumentParser) -> list[str]:
    """The long options of a parser, those that stop at once left out."""
    return [
        name for name in parser._option_string_actions if name.startswith("--") and name not in ("--help", "--list")
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_any_line_is_parsed_or_one_line(command, capfd, patience, tmp_path):
    """What argparse and the checks after it make of a line, without running anything."""
    make_parser = COMMANDS[command][1]
    known, rng, parsed = options(make_parser()), np.random.RandomState(1), 0
    network = tmp_path / "any.keras"
    network.write_bytes(b"")
    import_tensorflow()
    capfd.readouterr()
    for _ in range(1000):
        arguments = list(SOUND[command])
        for _ in range(rng.randint(1, 4)):
            arguments.append(known[rng.randint(len(known))])
            arguments += [WORDS[rng.randint(len(WORDS))] for _ in range(rng.choice([0, 1, 1, 1, 2]))]
        try:
            with patience():
                if command == "evaluate_network":
                    evaluate_network.parse([*arguments, "--network", str(network)])
                else:
                    make_parser().parse_args(arguments)
            parsed += 1
            refused = None
        except (SystemExit, InputError) as error:
            refused = error
        printed = capfd.readouterr().err.strip().splitlines()
        # What argparse refuses it prints itself.
        expected = (2, 1) if isinstance(refused, SystemExit) else (None, 0)
        assert (getattr(refused, "code", None), len(printed)) == expected, (arguments, printed)
    assert 10 < parsed < 1000


def test_options_handed_on_to_tasks(capfd, patience):
    rng, section, count = np.random.RandomState(2), SECTIONS[1]["pgd"], 0
    import_tensorflow()
    capfd.readouterr()
    known = sorted({name for task in TASKS.values() for name in task.flags})
    for _ in range(1000):
        lists = [known if rng.rand() < 0.6 else WORDS for _ in range(rng.randint(1, 5))]
        words = [words[rng.randint(len(words))] for words in lists]
        line = "".join(f"{word}{(' ', '=', chr(34), chr(39), chr(92))[rng.randint(5)]}" for word in words)
        try:
            with patience():
                evaluate.section_options(evaluate.with_options(section, line))
            refused = None
        except (SystemExit, InputError) as error:
            refused, count = error, count + 1
        printed = capfd.readouterr().err.strip().splitlines()
        expected = (2, 1) if isinstance(refused, SystemExit) else (None, 0)
        assert (getattr(refused, "code", None), len(printed)) == expected, (line, printed)
    assert count > 300


@pytest.mark.parametrize("command", COMMANDS)
def test_nonsense_is_one_line(command, tmp_path, monkeypatch, capfd, patience):
    main, make_parser, last = COMMANDS[command]
    known, rng = options(make_parser()), np.random.RandomState(0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERP_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("INTERP_NETWORKS_DIR", raising=False)
    for _ in range(CASES):
        arguments = []
        for _ in range(rng.randint(1, 5)):
            if rng.rand() < 0.8:
                arguments.append(known[rng.randint(len(known))])
            arguments += [WORDS[rng.randint(len(WORDS))] for _ in range(rng.randint(0, 3))]
        # Whatever is sound so far ends at a network that is not there.
        arguments += last
        try:
            with patience():
                code = main(arguments)
        except SystemExit as stop:
            code = stop.code
        printed = capfd.readouterr()
        assert code in (1, 2), (arguments, printed)
        assert "Traceback" not in printed.err, arguments
        assert len(printed.err.strip().splitlines()) == 1, (arguments, printed.err)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size and path.name != "lock"]
    assert not left

"""Command lines of nonsense: an exit code and one line, never a traceback, and nothing half-written."""

import argparse

import numpy as np
import pytest

from interp.commands import evaluate, evaluate_network, train
from interp.commands.results import __main__ as results
from interp.commands.task_arguments import parser as task_parser

pytestmark = pytest.mark.fuzz
CASES = 250
WORDS = (
    "", "-1", "0", "1", "7", "1e999", "nan", "inf", "0.3", "0.1,0.2", ",", "digits", "mnsit", "normal", "cam", "l3", "sign", "\x00", "\n",
    "ä" * 50, "x" * 5_000, "--", "-", "--help-me", "$HOME", "../../etc/passwd",
    "nothing.pkl", "nothing.keras", "/", "/dev/null", "ünïcode.json",
)  # fmt: skip
COMMANDS = {
    "train": (train.main, train.parser, ["9", "--only", "nothing"]),
    "evaluate": (evaluate.main, evaluate.parser, ["1", "--networks", "nothing"]),
    "evaluate_network": (evaluate_network.main, task_parser, ["--network", "nothing"]),
    "results": (results.main, results.parser, ["--records", "nothing"]),
}


def options(parser: argparse.ArgumentParser) -> list[str]:
    """The long options of a parser, those that stop at once left out."""
    return [
        name for name in parser._option_string_actions if name.startswith("--") and name not in ("--help", "--list")
    ]


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

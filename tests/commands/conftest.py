"""Command lines called in this process: importing TensorFlow for each of dozens of typing mistakes would take minutes."""

from dataclasses import dataclass

import pytest


@dataclass
class Called:
    """What a command printed and returned."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def call(capfd):
    """A function that calls a command's main with arguments."""

    def call(main, arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        printed = capfd.readouterr()
        return Called(code, printed.out, printed.err)

    return call

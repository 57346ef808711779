"""Short names for code: another body, constant, default or helper is another class, another process is not."""

import os
import subprocess
import sys
from typing import Any

import pytest

from interp.core.digest import code_digest

SOURCE = """
from dataclasses import dataclass
from functools import cached_property

SCALE = 2.0

def helper(x):
    return x + 1

def made(by):
    def scaled(self, x):
        return by * x
    return scaled

@dataclass(frozen=True)
class Mine:
    power = 1
    scaled = made(3)
    many: int = 5

    def measure(self, x, by=4):
        if x in {"ant", "bee", "fly"}:
            return by
        return sum(helper(y) for y in x) * SCALE**self.power

    @cached_property
    def kept(self):
        return 7
"""


def code_of(source: str) -> Any:
    names = {"__name__": "notebook"}
    exec(compile(source, "cell", "exec"), names)
    return code_digest(names["Mine"]())  # type: ignore[operator]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SCALE = 2.0", "SCALE = 2.5"),
        ("x + 1", "x + 2"),
        ("power = 1", "power = 2"),
        ("made(3)", "made(4)"),
        ("by=4", "by=5"),
        ("return 7", "return 8"),
        ("x in {", "x not in {"),
        ('"bee"', '"wasp"'),
    ],
)
def test_whatever_changes_what_a_class_does_changes_its_digest(old: str, new: str) -> None:
    assert SOURCE.count(old) == 1
    assert code_of(SOURCE) == code_of(f"# moved down\n\n{SOURCE}") != code_of(SOURCE.replace(old, new))


def test_digests_are_the_same_in_any_process() -> None:
    script = "from tests.core.test_digest import *; print(code_of(SOURCE))"
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert found == {f"{code_of(SOURCE)}\n"}

"""Files of random damage: from sound bytes to ones that a disk, a network or an ill-willed person may hand us.

All tests together try more than 20,000 cases.
"""

import copy
import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

# Values that length fields and counts do not like.
EDGES = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\x00" * 8,
    b"\xff" * 8,
    b"9" * 30,
    b"-1",
    b"1e999",
    b'"',
    b"{",
    b"[",
)
# No single file may keep a reader busy for so many seconds.
PATIENCE = 10
# Nor may the tests of a process, TensorFlow among them, ever take so many bytes of memory.
MEMORY = 2_000_000_000

# Values that whoever expects a certain kind does not like.
ODD = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        5,
        0.5,
        -0.5,
        1e308,
        2**31,
        2**63,
        2**64,
        10**30,
        10**400,
        float("nan"),
        float("inf"),
    ),
    *("", "x", "²", "5", "nan", "\x00", "\ud800", "a\nb", "<script>", "x" * 5_000, "/etc/passwd", "../../secret.png"),
    *([], {}, [[]], [None], [1, "a"], {"a": 1}, {"": None}, [[1, 2], [3]], [0.1] * 100),
)
DEEP = "what is replaced by brackets in brackets"


def mutate(content: bytes, rng: np.random.RandomState) -> bytes:
    """The content with one to four changes: bytes flipped, cut, doubled, moved, or replaced by edges."""
    for _ in range(rng.randint(1, 5)):
        # Headers are where the harm is done.
        reach = len(content) if rng.rand() < 0.5 else min(len(content), 200)
        at = rng.randint(reach + 1)
        other = min(len(content), at + rng.randint(1, 40))
        kind = rng.randint(6)
        if kind == 0:
            content = content[:at] + bytes(rng.randint(0, 256, other - at, np.uint8)) + content[other:]
        elif kind == 1:
            content = content[:at]
        elif kind == 2:
            content = content[:at] + content[other:]
        elif kind == 3:
            content = content[:other] + content[at:]
        elif kind == 4:
            edge = EDGES[rng.randint(len(EDGES))]
            content = content[:at] + edge + content[at + len(edge) :]
        else:
            content = content[:at] + EDGES[rng.randint(len(EDGES))] + content[at:]
    return content


def alter(value: Any, rng: np.random.RandomState) -> str:
    """The JSON of a value with one to three changes: parts removed, doubled, renamed, exchanged, or replaced by odd ones."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 4)):
        holders = [each for each in _holders(value) if each]
        if not holders:
            value = ODD[rng.randint(len(ODD))]
            continue
        holder = holders[rng.randint(len(holders))]
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key, kind = keys[rng.randint(len(keys))], rng.randint(10)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            other = holders[rng.randint(len(holders))]
            holder[key] = copy.deepcopy(other)
        elif kind == 2 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif kind == 2:
            holder[f"{key}x" if rng.rand() < 0.5 else ""] = holder.pop(key)
        elif kind == 3 and rng.rand() < 0.2:
            holder[key] = DEEP
        else:
            holder[key] = copy.deepcopy(ODD[rng.randint(len(ODD))])
    levels = (40, 900, 100_000)[rng.randint(3)]
    return json.dumps(value).replace(json.dumps(DEEP), "[" * levels + "]" * levels)


def _holders(value: Any) -> Iterator[Any]:
    """Every list and dict in a JSON value, itself first."""
    if isinstance(value, (list, dict)):
        yield value
        for part in value.values() if isinstance(value, dict) else value:
            yield from _holders(part)


@contextmanager
def no_hang() -> Iterator[None]:
    """Raise TimeoutError in a block that takes too long."""

    def late(*_: object) -> None:
        raise TimeoutError(f"still busy after {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def patience():
    """A context that ends what takes too long by an error."""
    return no_hang


@pytest.fixture(autouse=True)
def memory():
    """What a test takes of memory is bounded."""
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < MEMORY


@pytest.fixture
def altered():
    """A function that gives so many JSON texts of an altered value, the same ones for a seed."""

    def altered(value: Any, seed: int, cases: int) -> Iterator[str]:
        rng = np.random.RandomState(seed)
        for _ in range(cases):
            yield alter(value, rng)

    return altered


@pytest.fixture
def damaged():
    """A function that gives so many mutations of sound bytes, the same ones for a seed."""

    def damaged(content: bytes, seed: int, cases: int) -> Iterator[bytes]:
        rng = np.random.RandomState(seed)
        for _ in range(cases):
            yield mutate(content, rng)

    return damaged

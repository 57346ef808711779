"""Files of random damage: from sound bytes to ones that a disk, a network or an ill-willed person may hand us."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

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
PATIENCE = 20


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


@pytest.fixture
def damaged():
    """A function that gives so many mutations of sound bytes, the same ones for a seed."""

    def damaged(content: bytes, seed: int, cases: int) -> Iterator[bytes]:
        rng = np.random.RandomState(seed)
        for _ in range(cases):
            yield mutate(content, rng)

    return damaged

"""What many jobs share: it travels to each worker once, not with every job, and is unpickled there once."""

import os
import pickle
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any, Protocol, Self

# So many are unpickled in a worker at a time, such as images and the ranks of their pixels.
HELD = 2


class Place(Protocol):
    """Where bytes lie, told to workers in their stead."""

    def read(self) -> bytes:
        """The bytes, in a worker."""


@dataclass(frozen=True)
class InFile:
    """Bytes in a temporary file of this machine, which goes with the object that `put` gives."""

    path: Path

    @classmethod
    def put(cls, content: bytes) -> Self:
        """Write the bytes."""
        handle, path = tempfile.mkstemp(prefix="interp-")
        place = cls(Path(path))
        # Before it is written: on a disk that is full it is to go too.
        weakref.finalize(place, place.path.unlink, missing_ok=True)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        return place

    def read(self) -> bytes:
        return self.path.read_bytes()


_LOCK = RLock()
_PUT: ContextVar[Callable[[bytes], Place]] = ContextVar("put", default=InFile.put)


class SentOnce:
    """A few large `parts`; where they lie is pickled in place of them. Subclasses are made of the same parts alone."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts
        self._places: dict[Callable[[bytes], Place], Place] = {}

    def __reduce__(self) -> tuple[Any, tuple[type[Self], Place]]:
        put = _PUT.get()
        # Jobs are pickled in a thread for each process.
        with _LOCK:
            if put not in self._places:
                self._places[put] = put(pickle.dumps(self.parts))
        return _received, (type(self), self._places[put])


@contextmanager
def kept_by(put: Callable[[bytes], Place]) -> Iterator[None]:
    """What is pickled meanwhile lies where `put` puts it."""
    token = _PUT.set(put)
    try:
        yield
    finally:
        _PUT.reset(token)


@lru_cache(maxsize=HELD)
def _received(kind: type[SentOnce], place: Place) -> SentOnce:
    # Bytes that the process which started this worker has made; none of them come from a user's file.
    return kind(*pickle.loads(place.read()))

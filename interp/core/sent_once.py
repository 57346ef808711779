"""What many jobs share travels to a worker with each of them, and is unpickled there once."""

import pickle
from functools import cached_property, lru_cache
from typing import Any, Self


class SentOnce:
    """A few large `parts`, pickled once here and unpickled once in a worker: what is compiled for them is compiled there once."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    @cached_property
    def _pickled(self) -> bytes:
        return pickle.dumps(self.parts)

    def __reduce__(self) -> tuple[Any, tuple[type[Self], bytes]]:
        return _unpickled, (type(self), self._pickled)


@lru_cache(maxsize=1)
def _unpickled(kind: type[SentOnce], parts: bytes) -> SentOnce:
    # Bytes that the process which started this worker has made; none of them come from a file.
    return kind(*pickle.loads(parts))

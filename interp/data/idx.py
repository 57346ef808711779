"""Reading one idx file (LeCun's format for arrays of bytes), plain or gzipped, against what it must hold."""

import gzip
import hashlib
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from interp.core.errors import InputError

_GZIP_MAGIC = b"\x1f\x8b"
_AGAIN = "get the official file again"


@dataclass(frozen=True, kw_only=True)
class IdxFile:
    """What an official file holds: bytes of this shape, and the sha256 of the whole decompressed file."""

    shape: tuple[int, ...]
    sha256: str


def read_idx(path: Path, official: IdxFile) -> np.ndarray:
    """Return the uint8 array in `path`, shape `official.shape`.

    Raises InputError, naming the file, when it is damaged or is not the official one.
    """
    header = struct.pack(f">{1 + len(official.shape)}I", 0x0800 + len(official.shape), *official.shape)
    size = len(header) + math.prod(official.shape)
    content = _content(path, size + 1)
    if content[:4] != header[:4]:
        raise InputError(f"{path} begins with {content[:4].hex() or 'nothing'}, expected {header[:4].hex()}: {_AGAIN}")
    if len(content) != size:
        came = f"{len(content)} bytes" if len(content) < size else f"more than {size} bytes"
        raise InputError(f"{path} holds {came}, expected {size}: {_AGAIN}")
    if content[: len(header)] != header:
        sides = struct.unpack(f">{len(official.shape)}I", content[4 : len(header)])
        raise InputError(f"{path} holds an array of shape {sides}, expected {official.shape}: {_AGAIN}")
    found = hashlib.sha256(content).hexdigest()
    if found != official.sha256:
        raise InputError(
            f"{path} has checksum {found[:12]}... inside, the official file {official.sha256[:12]}...: {_AGAIN}"
        )
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(official.shape)


def _content(path: Path, limit: int) -> bytes:
    """Return up to `limit` decompressed bytes; what the file begins with, not its name, says if it is gzipped."""
    try:
        with open(path, "rb") as file:
            compressed = file.read(2) == _GZIP_MAGIC
        with gzip.open(path) if compressed else open(path, "rb") as file:
            return file.read(limit)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is a damaged gzip file ({error}): {_AGAIN}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error

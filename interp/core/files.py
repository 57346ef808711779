"""Files appear complete or not at all."""

import errno
import fcntl
import json
import os
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from interp.core.errors import InputError

# What NumPy raises for a damaged array file: it reads headers as Python literals, which may be no syntax, or a number too large. Archives
# add their own errors, and a RuntimeError where a member is encrypted or compressed in a way that is not known.
DAMAGED_ARRAY = (
    *(ValueError, EOFError, OSError, SyntaxError, TypeError, OverflowError, tokenize.TokenError),
    *(zipfile.BadZipFile, zlib.error, RuntimeError),
)


# Names, shapes and metadata of a safetensors file; longer ones take long to parse. Our networks have 7,000 bytes.
MOST_HEADER = 4_000_000
# Files that are being written have names that begin so; listings pass over hidden files.
WRITING = ".interp-writing-"
# Errors of a disk that knows no locks.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; when the block ends well, the file is synced and renamed to `path`.

    When it does not, the temporary file is removed and `path` is as it was. The block writes into the file that is there, without
    replacing it: the lock on it says that its writer lives. Those that killed writers left in the folder are removed.
    Raises InputError if the folder cannot be made or written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target.parent)
        handle, temporary = _locked_file(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}; choose a folder that can be written") from error
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes files private; a result is as readable as any file this process writes.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _locked_file(target: Path) -> tuple[int, Path]:
    """A new file beside `target`, open and locked, unless its disk knows no locks."""
    while True:
        # The suffix is kept, because writers such as matplotlib choose the format by it.
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=WRITING, suffix=target.suffix)
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        # Between its making and its lock another writer may have taken it for a leftover.
        if os.fstat(handle).st_nlink:
            return handle, Path(name)
        os.close(handle)


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files whose writers are gone: their locks are free."""
    for path in folder.glob(f"{WRITING}????????*"):
        # A folder, a file of another program, one that its writer just renamed, or one that is locked.
        with suppress(OSError), open(path, "rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink:
                path.unlink()


def visible_files(folder: str | Path, suffixes: str | tuple[str, ...]) -> list[Path]:
    """The files in `folder` whose names end in one of `suffixes`, by name, without hidden ones; none where there is no such folder.

    Hidden files are ones that are being written, or that a killed process left half-written.
    Raises InputError for a folder that cannot be read.
    """
    try:
        return sorted(
            path
            for path in Path(folder).iterdir()
            if path.name.endswith(suffixes) and not path.name.startswith(".") and path.is_file()
        )
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}") from error


def header_length(start: bytes, size: int) -> int:
    """The length of the header of a safetensors file of `size` bytes that starts with these; it is checked before it is parsed.

    Raises ValueError for one that is longer than the file, or than any header of ours.
    """
    length = int.from_bytes(start[:8], "little")
    if len(start) < 8 or length > size - 8:
        raise ValueError("it is cut off")
    if length > MOST_HEADER:
        raise ValueError(f"its header has {length:,} bytes, expected at most {MOST_HEADER:,}")
    return length


def check_writable(folder: str | Path) -> None:
    """Make `folder` and raise InputError if nothing can be written there; asked before long work rather than after it."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            # A full disk takes names but no bytes.
            probe.write(bytes(8192))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; choose a folder that can be written") from error


@contextmanager
def locked(folder: str | Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock on `folder`, which is made; while another process holds it, wait or raise InputError.

    On a disk that knows no locks, as of some clusters, there is none.
    """
    path = Path(folder) / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = open(path, "w")  # noqa: SIM115 - closed below, after the lock
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise InputError(f"another process works in {folder}: wait for it or stop it") from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise InputError(f"cannot lock {folder}: {error.strerror}: choose another directory") from error
        yield


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON to `path` completely or not at all; NaN is refused, it is not JSON."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")

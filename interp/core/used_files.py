"""The files that a result is made of, which have to stay what they were until it is kept."""

import hashlib
from pathlib import Path

from interp.core.errors import InputError


class UsedFiles:
    """Files by path, each with its digest from before it was read."""

    def __init__(self) -> None:
        self._digests: dict[Path, str] = {}

    def add(self, path: Path) -> Path:
        """Note a file that is about to be read, and return it; its reader reports a missing one. Raises InputError."""
        if path not in self._digests and path.is_file():
            self._digests[path] = fingerprint(path)
        return path

    def check(self) -> dict[Path, str]:
        """The digests. Raises InputError if a file is not what it was: the result may be of the one or of the other."""
        for path, before in self._digests.items():
            if not path.is_file() or fingerprint(path) != before:
                raise InputError(f"{path} changed while it was evaluated, the result is not kept: evaluate it again")
        return self._digests


def fingerprint(path: Path) -> str:
    """SHA-256 of a file; of a safetensors file, of its weights, whatever its metadata says of them.

    Raises OSError, or InputError for a damaged file.
    """
    with open(path, "rb") as file:
        if path.suffix == ".safetensors":
            # The length of the header, which holds the metadata, and the header come first.
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size - 8:
                raise InputError(f"{path} is not a readable safetensors file: get or train it again")
            file.seek(8 + length)
        return hashlib.file_digest(file, "sha256").hexdigest()

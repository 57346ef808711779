"""The files that a result is made of, which have to stay what they were until it is kept."""

import hashlib
from pathlib import Path

from interp.core.errors import InputError


class UsedFiles:
    """Files by path, each with its digest from before it was read."""

    def __init__(self) -> None:
        self._digests: dict[Path, str] = {}

    def add(self, path: Path) -> Path:
        """Note a file, or directory, that is about to be read, and return it; its reader reports a missing one. Raises InputError."""
        if path not in self._digests and path.exists():
            self._digests[path] = fingerprint(path)
        return path

    def check(self) -> dict[Path, str]:
        """The digests. Raises InputError if a file is not what it was: the result may be of the one or of the other."""
        for path, before in self._digests.items():
            if not path.exists() or fingerprint(path) != before:
                raise InputError(f"{path} changed while it was evaluated, the result is not kept: evaluate it again")
        return self._digests


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, or of the files in a directory and their names; of a safetensors file, of its weights, whatever its metadata says.

    Raises OSError, or InputError for a damaged file.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        told = "".join(f"{file.relative_to(path)}\0{fingerprint(file)}\0" for file in files)
        return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()
    with open(path, "rb") as file:
        if path.suffix == ".safetensors":
            # The length of the header, which holds the metadata, and the header come first.
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size - 8:
                raise InputError(f"{path} is not a readable safetensors file: get or train it again")
            file.seek(8 + length)
        return hashlib.file_digest(file, "sha256").hexdigest()

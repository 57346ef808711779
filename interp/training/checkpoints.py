"""Checkpoints of a training: one folder a step, complete or absent, checked before use."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from interp.core.checks import check_instance, check_number
from interp.core.errors import InputError, first_line
from interp.core.files import header_length

STATE, MANIFEST = "state.safetensors", "manifest.json"
# How a training is begun again, on the command line and in Python.
ANEW = "--no-resume (in Python resume=False) to start anew"
# What reading a damaged checkpoint, or one that something else wrote, raises.
_DAMAGED = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError),
    safetensors.SafetensorError,
)


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after `step` optimiser steps: arrays by name, and the rest as JSON values."""

    step: int
    arrays: dict[str, np.ndarray]
    progress: dict[str, Any]
    arguments: dict[str, Any]


class CheckpointFolder:
    """Checkpoints of one training, a directory step_00001234 for each; only the newest stay.

    Args:
        folder: Directory of the checkpoints; it is made when the first is written.
        keep: Number of checkpoints that stay.

    Raises:
        InputError: An argument is not as described.
    """

    def __init__(self, folder: str | Path, *, keep: int = 2) -> None:
        check_instance("the folder of checkpoints", folder, (str, Path), "'gen_images/checkpoints'")
        check_number("keep", keep, minimum=1, whole=True)
        self.folder, self.keep = Path(folder), keep

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint completely or not at all, then remove older ones than the newest `keep`.

        Files are written under a temporary name and synced before the directory is renamed.

        Args:
            checkpoint: The state of the training.

        Raises:
            InputError: The disk is full or the directory cannot be written; earlier checkpoints stay as they are.
        """
        target = self._path(checkpoint.step)
        temporary = None
        try:
            if target.exists():
                return
            self.folder.mkdir(parents=True, exist_ok=True)
            for stale in self.folder.glob(".writing-*"):
                shutil.rmtree(stale, ignore_errors=True)
            temporary = Path(tempfile.mkdtemp(dir=self.folder, prefix=".writing-"))
            state = safetensors.numpy.save(checkpoint.arrays)
            manifest = {
                "step": checkpoint.step,
                "progress": checkpoint.progress,
                "arguments": checkpoint.arguments,
                "sha256": {STATE: hashlib.sha256(state).hexdigest()},
            }
            body = json.dumps(manifest, indent=1)
            seal = hashlib.sha256(body.encode()).hexdigest()
            _write(temporary / STATE, state)
            _write(temporary / MANIFEST, f"{seal}\n{body}".encode())
            _sync(temporary)
            temporary.rename(target)
            _sync(self.folder)
        except OSError as error:
            raise InputError(
                f"the checkpoint of step {checkpoint.step} cannot be written to {self.folder}: {error.strerror}; earlier "
                "checkpoints are intact, make room and start again, without --no-resume, to go on from the last one"
            ) from error
        finally:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
        for old in self._steps()[: -self.keep]:
            shutil.rmtree(self._path(old), ignore_errors=True)

    def load_newest(
        self, warn: Callable[[str], None], check: Callable[[Checkpoint], object] = lambda _: None
    ) -> Checkpoint | None:
        """Read the newest checkpoint that is not damaged.

        Args:
            warn: Called with a line for each damaged one, which is renamed.
            check: Raises ValueError for a checkpoint that cannot be used, which then counts as damaged (default: nothing is checked).

        Returns:
            The checkpoint; None without any.
        """
        for step in reversed(self._steps()):
            try:
                checkpoint = self._load(step)
                check(checkpoint)
                return checkpoint
            except _DAMAGED as error:
                warn(f"the checkpoint {self._path(step)} is damaged ({first_line(error)}); the one before it is tried")
                # Out of the way of new ones, which would count as older; kept for inspection.
                damaged = self.folder / f"damaged_{step:08d}"
                shutil.rmtree(damaged, ignore_errors=True)
                with contextlib.suppress(OSError):
                    self._path(step).rename(damaged)
        return None

    def is_empty(self) -> bool:
        """Whether there is no checkpoint to go on from."""
        return not self._steps()

    def remove(self) -> None:
        """Remove all checkpoints, damaged ones too, and the directory where nothing else is in it."""
        others = (path for pattern in ("damaged_[0-9]*", ".writing-*") for path in self.folder.glob(pattern))
        for path in (*map(self._path, self._steps()), *others):
            shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _load(self, step: int) -> Checkpoint:
        folder = self._path(step)
        seal, body = (folder / MANIFEST).read_text(encoding="utf-8").split("\n", 1)
        if hashlib.sha256(body.encode()).hexdigest() != seal:
            raise ValueError(f"{MANIFEST} does not have its hash")
        manifest = json.loads(body)
        state = (folder / STATE).read_bytes()
        if hashlib.sha256(state).hexdigest() != manifest["sha256"][STATE]:
            raise ValueError(f"{STATE} does not have its hash")
        found, progress, arguments = manifest["step"], manifest["progress"], manifest["arguments"]
        if type(found) is not int or found != step or type(progress) is not dict or type(arguments) is not dict:
            raise ValueError(f"{MANIFEST} does not say where the training was")
        header_length(state[:8], len(state))
        return Checkpoint(step, safetensors.numpy.load(state), progress, arguments)

    def _path(self, step: int) -> Path:
        return self.folder / f"step_{step:08d}"

    def _steps(self) -> list[int]:
        found = (re.fullmatch("step_([0-9]{8,})", path.name) for path in self.folder.glob("step_*"))
        return sorted(int(match[1]) for match in found if match)


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

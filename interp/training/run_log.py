"""What a training writes while it runs: JSON lines and TensorBoard events."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from interp.core.errors import InputError
from interp.core.files import write_text
from interp.training.trainer import Progress


class RunLog:
    """Writes a line every `every` steps and at the end of every epoch, to `folder`/log.jsonl and to TensorBoard event files.

    A run that goes on drops the lines after its first step, which it writes again, and damaged lines, which are reported to `warn`.
    Raises InputError.
    """

    def __init__(self, folder: str | Path, *, every: int = 50, warn: Callable[[str], None] = print) -> None:
        self.path, self.every, self.warn = Path(folder) / "log.jsonl", every, warn
        self._events: Any = None
        self._started = False

    def __call__(self, progress: Progress) -> None:
        """Write what is due; a report function for `train`."""
        if not self._started:
            self._start(progress.step - 1)
        if not progress.epoch_ended and progress.step % self.every:
            return
        line = {
            "step": progress.step,
            "epoch": progress.epoch + 1,
            "epoch_ended": progress.epoch_ended,
            **progress.measures,
        }
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror}") from error
        kind = "epoch" if progress.epoch_ended else "step"
        try:
            with self._events.as_default(step=progress.step):
                for name, value in progress.measures.items():
                    tf.summary.scalar(f"{kind}/{name}", value)
            if progress.epoch_ended:
                self._events.flush()
        except tf.errors.OpError as error:
            raise InputError(f"cannot write {self.path.parent / 'events'}: {error.message}") from error

    def close(self) -> None:
        """Finish the event file."""
        if self._events is not None:
            self._events.close()

    def _start(self, first_step: int) -> None:
        try:
            lines = self.path.read_bytes().splitlines() if self.path.exists() else []
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror}") from error
        read = [(line, step) for line in lines if (step := _step(line)) is not None]
        if len(read) < len(lines):
            self.warn(f"{len(lines) - len(read)} of {len(lines)} lines of {self.path} are damaged and left out")
        write_text(self.path, "".join(f"{line.decode()}\n" for line, step in read if step <= first_step))
        events = self.path.parent / "events"
        if first_step == 0:
            shutil.rmtree(events, ignore_errors=True)  # of an earlier run, whose curves would lie under the new ones
        try:
            self._events = tf.summary.create_file_writer(str(events))
        except tf.errors.OpError as error:
            raise InputError(f"cannot write {events}: {error.message}") from error
        self._started = True


def _step(line: bytes) -> int | None:
    """The step of a line; None for one that was cut off, or that is no line of a log."""
    try:
        step = json.loads(line.decode())["step"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return step if type(step) is int else None

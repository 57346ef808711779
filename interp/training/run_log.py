"""What a training writes while it runs: JSON lines and TensorBoard events."""

import json
import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf

from interp.core.errors import InputError
from interp.core.files import write_text
from interp.training.trainer import Progress


class RunLog:
    """Writes a line every `every` steps and at the end of every epoch, to `folder`/log.jsonl and to TensorBoard event files.

    A run that goes on from `first_step` drops the lines after it, which it writes again. Raises InputError.
    """

    def __init__(self, folder: str | Path, *, every: int = 50) -> None:
        self.path, self.every = Path(folder) / "log.jsonl", every
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
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        kept = [line for line in lines if _step(line) <= first_step]
        write_text(self.path, "".join(line + "\n" for line in kept))
        events = self.path.parent / "events"
        if first_step == 0:
            shutil.rmtree(events, ignore_errors=True)  # of an earlier run, whose curves would lie under the new ones
        try:
            self._events = tf.summary.create_file_writer(str(events))
        except tf.errors.OpError as error:
            raise InputError(f"cannot write {events}: {error.message}") from error
        self._started = True


def _step(line: str) -> float:
    """The step of a line; infinite for one that was cut off, which drops it."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")

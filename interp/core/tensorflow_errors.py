"""Errors of TensorFlow, and want of memory, as one line that says what to do. Does not import TensorFlow."""

import re
import sys
from typing import Any

from interp.core.errors import ComputationError, first_line

LESS_MEMORY = "give a smaller --batch-size, where there is one (to eval.py in --task-options), or fewer --workers"
# Which operation, and where in the graph.
_PLACE = re.compile(r"\{\{[^}]*\}\} ?| \[Op:\w+\].*$")


def computation_error(error: Exception) -> ComputationError | None:
    """The error as a ComputationError, None where it is neither of TensorFlow nor of memory."""
    tf: Any = sys.modules.get("tensorflow")
    told = None
    if tf is not None and isinstance(error, tf.errors.OpError):
        told = cause(error.message) or type(error).__name__
    if isinstance(error, MemoryError) or (told is not None and isinstance(error, tf.errors.ResourceExhaustedError)):
        return ComputationError(f"memory ran out ({told or first_line(error)}): {LESS_MEMORY}")
    return None if told is None else ComputationError(f"TensorFlow failed: {told}")


def cause(message: str) -> str:
    """What an error of TensorFlow says went wrong, without where in the graph, as one line."""
    where = ("Graph execution error", "Detected at node", "  File ", "\t [[")
    lines = [
        _PLACE.sub("", line).strip() for line in message.splitlines() if line.strip() and not line.startswith(where)
    ]
    return " ".join(lines)[:400] or message.strip()[:400]

"""The unit of cost U, measured by a process of its own: `python unit.py` answers each line on its input with a time in seconds.

U is one compiled forward-and-input-gradient pass of the unfolded MNIST `small` network over 50 images in float32, as Keras runs it, with
TensorFlow's default threads. A process of its own, so that whatever threads or libraries a row of the benchmark uses, U is the same.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType


class UnitProcess:
    """A process that measures U when asked, run by the interpreter `python`, which has the package installed."""

    def __init__(self, python: str = sys.executable) -> None:
        quiet = {name: value for name, value in os.environ.items() if not name.startswith("TF_NUM_")}
        command = [python, str(Path(__file__).resolve())]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=quiet | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        try:
            self.peak = self._answer()
        except BaseException:
            self.close()
            raise

    def seconds(self) -> float:
        """U, now."""
        assert self._process.stdin is not None
        self._process.stdin.write("now\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that measures U has ended")
        return float(line)

    def __enter__(self) -> "UnitProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, and close the pipes to it."""
        # What was not read any more is lost.
        with suppress(BrokenPipeError), self._process:
            self._process.kill()


def make_unit() -> Callable[[], object]:
    """The work whose time is U."""
    import numpy as np
    import tensorflow as tf
    from naive import as_keras

    from interp.models import build_network

    network = as_keras(build_network("small", (28, 28, 1), 10))
    images = tf.constant(np.random.RandomState(0).rand(50, 28, 28, 1), tf.float32)
    labels = tf.constant(np.arange(50) % 10)

    @tf.function(autograph=False)
    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, network(images))
        return tape.gradient(loss, images)

    return gradient


def matrix_peak() -> float:
    """GFLOP/s of a float32 product of 2048x2048 matrices."""
    import tensorflow as tf
    from timing import median_seconds

    matrix = tf.random.stateless_uniform((2048, 2048), (0, 0))
    return 2 * 2048**3 / median_seconds(lambda: tf.linalg.matmul(matrix, matrix), 8) / 1e9


def main() -> None:
    """Print the matrix peak, then U for each line that comes in."""
    from timing import median_seconds

    unit = make_unit()
    unit()
    print(matrix_peak(), flush=True)
    for _ in sys.stdin:
        print(median_seconds(unit, 30), flush=True)


if __name__ == "__main__":
    main()

"""How many threads TensorFlow gives an operation, and how many operations run at once. Imports nothing heavy."""

import os

PER_OPERATION, AT_ONCE = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"
# More sub-batches than these would be too small to be worth it.
MOST_STREAMS = 4


def share_cores_among_streams() -> None:
    """Have TensorFlow run operations of up to four streams at once, each with its share of the cores: one thread on up to seven cores.

    To be called before TensorFlow is imported; numbers that are set already stay. Attacks, attributions and training steps of this
    package share a batch out to streams that run side by side, so nothing waits for threads to wake and join. What is not shared
    out, such as a custom training loop, is left with a stream's share.
    """
    cores = count_cores()
    os.environ.setdefault(PER_OPERATION, str(max(1, cores // MOST_STREAMS)))
    os.environ.setdefault(AT_ONCE, str(cores))


def count_cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def from_environment(name: str) -> int:
    """A number of threads from the environment, 0 where there is none."""
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else 0

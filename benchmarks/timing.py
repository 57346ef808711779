"""How anything is timed: medians over rounds in which U and the works are measured in turn. Needs nothing but Python."""

import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from unit import UnitProcess

Work = Callable[[], object]


def seconds_of(work: Work) -> float:
    """Time of `work`, until a GPU has finished it too."""
    began = time.perf_counter()
    work()
    for wait in _waits():
        wait()
    return time.perf_counter() - began


@cache
def _waits() -> tuple[Work, ...]:
    """What waits for the GPUs of the libraries that the first work imported: they return before their GPU is done."""
    tensorflow, torch = sys.modules.get("tensorflow"), sys.modules.get("torch")
    waits = []
    if tensorflow is not None and tensorflow.config.get_visible_devices("GPU"):
        waits.append(tensorflow.test.experimental.sync_devices)
    if torch is not None and torch.cuda.is_available():
        waits.append(torch.cuda.synchronize)
    return tuple(waits)


def median_seconds(work: Work, repeats: int) -> float:
    """Median time of `work` after one run that warms it up."""
    seconds_of(work)
    return statistics.median(seconds_of(work) for _ in range(repeats))


@dataclass(frozen=True)
class Timing:
    """Medians of one work, and the ratios to U of each round."""

    seconds: float
    units: float
    lowest: float
    highest: float


def time_in_turn(
    works: Mapping[str, Work], unit: UnitProcess, *, rounds: int, shortest: float = 0.3
) -> dict[str, Timing]:
    """Measure U and every work in turn, `rounds` times; a work that takes less than `shortest` seconds is repeated in its turn."""
    for work in works.values():
        seconds_of(work)  # traces and compiles
    seconds: dict[str, list[float]] = {name: [] for name in works}
    ratios: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        before = unit.seconds()
        times = {}
        for name, work in works.items():
            once = seconds_of(work)
            times[name] = median_seconds(work, max(1, round(shortest / once))) if once < shortest else once
        # U is what it was around the works.
        now = (before + unit.seconds()) / 2
        for name, taken in times.items():
            seconds[name].append(taken)
            ratios[name].append(taken / now)
    return {
        name: Timing(
            statistics.median(seconds[name]), statistics.median(ratios[name]), min(ratios[name]), max(ratios[name])
        )
        for name in works
    }


def peak_gibibytes() -> float:
    """Largest resident set of this process so far."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (2**30 if sys.platform == "darwin" else 2**20)

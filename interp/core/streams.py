"""Sub-batches that run side by side, because small operations alone cannot keep all cores busy."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from threading import Event
from typing import TypeVar

import tensorflow as tf

from interp.core.threads import AT_ONCE, MOST_STREAMS, PER_OPERATION, count_cores, from_environment

Item = TypeVar("Item")
Result = TypeVar("Result")


def count_streams() -> int:
    """How many sub-batches to run side by side: one on a GPU, as many as the threads of operations leave room for, two by default.

    An operation of a small network takes less time than waking and joining the threads that share it, so two halves of a batch
    finish sooner side by side than one after the other, and sooner still when each operation stays on its thread.
    """
    if tf.config.get_visible_devices("GPU"):
        return 1
    per_operation = tf.config.threading.get_intra_op_parallelism_threads() or from_environment(PER_OPERATION)
    at_once = tf.config.threading.get_inter_op_parallelism_threads() or from_environment(AT_ONCE) or count_cores()
    if not per_operation:
        return min(2, at_once)
    return min(MOST_STREAMS, max(1, at_once // per_operation))


def side_by_side(function: Callable[[Item], Result], items: Iterable[Item], streams: int) -> Iterator[Result]:
    """Yield `function` of each item in order, computed in so many threads; once one fails nothing more is begun."""
    if streams == 1:
        yield from map(function, items)
        return
    failed = Event()

    def run(item: Item) -> Result:
        if failed.is_set():
            raise CancelledError
        try:
            return function(item)
        except BaseException:
            failed.set()
            raise

    executor = ThreadPoolExecutor(streams)
    futures = [executor.submit(run, item) for item in items]
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            if failed.is_set() and isinstance(future.exception(), CancelledError):
                continue
            yield future.result()
    finally:
        failed.set()
        executor.shutdown(wait=True, cancel_futures=True)

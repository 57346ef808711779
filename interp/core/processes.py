"""Jobs in processes of this machine, which share its cores. Imports nothing heavy: workers set up their threads first."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from typing import Any

from interp.core.errors import ComputationError, InputError
from interp.core.quiet_import import import_tensorflow
from interp.core.workers import Workers

# Names to a worker the process that started it, until it has imported that process's script.
STARTER = "INTERP_WORKERS_OF"
# The exit code of a worker whose script would start workers in turn.
NO_GUARD = 97


@dataclass(eq=False)
class _Job:
    """A job, once it runs with its outcome and the process that runs it."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    future: "Future[Any] | None" = None
    process: Any = None


class _Place:
    """One process after the other: a new one takes the place of one that was lost."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.job: _Job | None = None
        self.process: Any = None
        self.executor: ProcessPoolExecutor | None = None

    def run(self, job: _Job) -> None:
        """Start a job, in a new process where there is none or the last one was lost."""
        executor = self.executor or self._open()
        try:
            self._submit(executor, job)
        except BrokenProcessPool:
            # It ended after its last job.
            self.close()
            try:
                self._submit(self._open(), job)
            except BrokenProcessPool as error:
                job.future = Future()
                job.future.set_exception(error)
        self.job, job.process = job, self.process

    def free(self) -> None:
        """Be ready for another job: a lost process does not count on."""
        lost = self.job is not None and self.job.future is not None and self.job.future.exception()
        if isinstance(lost, BrokenProcessPool):
            self.close()
            self.executor = None
        self.job = None

    def _open(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        self.executor = ProcessPoolExecutor(1, mp_context=context, initializer=_share_cores, initargs=(self.count,))
        return self.executor

    def _submit(self, executor: ProcessPoolExecutor, job: _Job) -> None:
        before = set(multiprocessing.active_children())
        # Here the process is started.
        os.environ[STARTER] = str(os.getpid())
        try:
            job.future = executor.submit(job.function, *job.arguments)
        finally:
            del os.environ[STARTER]
        for process in set(multiprocessing.active_children()) - before:
            self.process = process

    def close(self, *, wait_for_job: bool = False) -> None:
        """End the process, at once or after its job."""
        if self.executor is not None:
            self.executor.shutdown(wait=wait_for_job, cancel_futures=True)
            # There is none where it could not be started, and that error is being told.
            if not wait_for_job and self.process is not None:
                self.process.terminate()


class Processes(Workers):
    """Jobs in processes of this machine, which share its cores. One that is lost costs its job and no other."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._places = [_Place(count) for _ in range(count)]
        self._waiting: deque[_Job] = deque()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        job = _Job(function, arguments)
        self._waiting.append(job)
        self._start()
        return job

    def finished(self, handles: list[Any]) -> list[Any]:
        running = {place.job.future: place for place in self._places if place.job and place.job.future}
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        well = [future for future in done if future.exception() is None]
        jobs = []
        # What went well first: the caller keeps it, and hears of the rest next time.
        for future in well or done:
            place = running[future]
            jobs.append(place.job)
            place.free()
        self._start()
        return jobs

    def result(self, handle: Any) -> Any:
        try:
            return handle.future.result()
        except BrokenProcessPool as error:
            raise _lost(handle.process) from error

    def _start(self) -> None:
        for place in self._places:
            if place.job is None and self._waiting:
                place.run(self._waiting.popleft())

    def close(self, *, wait_for_jobs: bool = False) -> None:
        """End all processes."""
        for place in self._places:
            place.close(wait_for_job=wait_for_jobs)


def _lost(process: Any) -> ComputationError | InputError:
    """What became of a process that ended."""
    end = time.monotonic() + 10
    # The thread of the executor may be the one that hears how it ended, and says so a moment later.
    while process.exitcode is None and time.monotonic() < end:
        time.sleep(0.02)
    code = process.exitcode
    if code == NO_GUARD:
        return InputError(
            "each worker runs the script that asked for it once more, and this script asks for workers again: put what it does under "
            "`if __name__ == '__main__':`, or use one worker"
        )
    if code is not None and code >= 0:
        return ComputationError(
            f"a worker process ended by itself (exit code {code}), its own message says why: the script that asks for workers has to "
            "be a file that can be run again up to `if __name__ == '__main__':`; what was finished is kept"
        )
    if code not in (None, -signal.SIGKILL):
        return ComputationError(
            f"a worker process was ended by {signal.Signals(-code).name}; what was finished is kept"
        )
    return ComputationError(
        "a worker process was killed, perhaps for want of memory: use fewer workers; what was finished is kept"
    )


def check_guard() -> None:
    """End a worker that asks for workers while it still imports the script that asked for it."""
    # Other programs that a process starts meanwhile inherit the variable too; they are the main process of their own.
    is_worker = multiprocessing.current_process().name != "MainProcess"
    if is_worker and os.environ.get(STARTER) == str(os.getppid()):
        raise SystemExit(NO_GUARD)


def _share_cores(count: int) -> None:
    """Give this process its share of the cores before TensorFlow is imported; Ctrl-C is for the process that started it."""
    # The script is imported: what it asks for from now on it asks for on purpose.
    os.environ.pop(STARTER, None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threads = str(max(1, (os.cpu_count() or 1) // count))
    os.environ |= {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads, "OMP_NUM_THREADS": threads}
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import_tensorflow()
    import tensorflow as tf

    # Where the caller's main module imported TensorFlow, the variables came too late.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(int(threads))
        tf.config.threading.set_inter_op_parallelism_threads(int(threads))


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)

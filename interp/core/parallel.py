"""Jobs in other processes or on a Ray cluster, as they finish. Imports nothing heavy: workers set up their threads first."""

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for
from typing import Any

from interp.core.errors import ComputationError, InputError
from interp.core.quiet_import import import_tensorflow

# Names to a worker the process that started it, until it has imported that process's script.
STARTER = "INTERP_WORKERS_OF"
# The exit code of a worker whose script would start workers in turn.
NO_GUARD = 97


class Workers(ABC):
    """A place to run jobs: `submit` gives a handle, `finished` the handles that are done and what came out of them."""

    def __init__(self, count: int) -> None:
        self.count = count

    @abstractmethod
    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Start a job, or queue it."""

    @abstractmethod
    def finished(self, handles: list[Any]) -> list[tuple[Any, Any]]:
        """Wait for at least one of the handles. Raises what a job raised."""


class ThisProcess(Workers):
    """Jobs one after the other, here."""

    def __init__(self) -> None:
        super().__init__(1)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future

    def finished(self, handles: list[Any]) -> list[tuple[Any, Any]]:
        return [(handle, handle.result()) for handle in handles]


class Processes(Workers):
    """Jobs in processes of this machine, which share its cores; `others` are processes that are none of them."""

    def __init__(self, executor: ProcessPoolExecutor, count: int, others: set[Any]) -> None:
        super().__init__(count)
        self._executor, self._others = executor, others
        self._started: set[Any] = set()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        # Here processes are started, as many as there are jobs for.
        os.environ[STARTER] = str(os.getpid())
        try:
            future = self._executor.submit(function, *arguments)
        except BrokenProcessPool as error:
            raise self._lost() from error
        finally:
            del os.environ[STARTER]
        self._started |= set(multiprocessing.active_children()) - self._others
        return future

    def finished(self, handles: list[Any]) -> list[tuple[Any, Any]]:
        done, _ = wait(handles, return_when=FIRST_COMPLETED)
        # What went well first: the caller keeps it, and hears of the rest next time.
        well = [handle for handle in done if handle.exception() is None]
        try:
            return [(handle, handle.result()) for handle in well or done]
        except BrokenProcessPool as error:
            raise self._lost() from error

    def _lost(self) -> ComputationError | InputError:
        """What became of the first process that ended; the pool ended the others by SIGTERM."""
        for process in self._started:
            process.join(10)
        codes = {process.exitcode for process in self._started} - {None, -signal.SIGTERM}
        if NO_GUARD in codes:
            return InputError(
                "each worker runs the script that asked for it once more, and this script asks for workers again: put what it does under "
                "`if __name__ == '__main__':`, or use one worker"
            )
        if any(code >= 0 for code in codes):
            told = ", ".join(str(code) for code in sorted(codes))
            return ComputationError(
                f"a worker process ended by itself (exit code {told}), its own message says why: the script that asks for workers has to "
                "be a file that can be run again up to `if __name__ == '__main__':`; what was finished is kept"
            )
        if codes - {-signal.SIGKILL}:
            names = ", ".join(signal.Signals(-code).name for code in sorted(codes))
            return ComputationError(f"a worker process was ended by {names}; what was finished is kept")
        return ComputationError(
            "a worker process was killed, perhaps for want of memory: use fewer workers; what was finished is kept"
        )


class RayTasks(Workers):
    """Jobs as tasks of a Ray cluster, one core each."""

    def __init__(self, ray: Any) -> None:
        super().__init__(max(1, int(ray.cluster_resources().get("CPU", 1))))
        self._ray = ray

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return self._ray.remote(num_cpus=1, max_retries=1)(_alone).remote(function, *arguments)

    def finished(self, handles: list[Any]) -> list[tuple[Any, Any]]:
        done, _ = self._ray.wait(handles, num_returns=1)
        try:
            return [(handle, self._ray.get(handle)) for handle in done]
        except self._ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from error
        except self._ray.exceptions.RayError as error:
            raise ComputationError(f"the Ray cluster lost a job: {str(error).splitlines()[0]}") from error


@contextmanager
def open_workers(count: int, ray_address: str | None = None) -> Iterator[Workers]:
    """Give workers: this process for 1, so many processes for more, or those of the Ray cluster at an address ("local" starts one).

    Processes import the caller's main module, so a script that asks for more than one stands under `if __name__ == "__main__":`.
    Raises InputError when Ray is asked for and cannot be had.
    """
    if ray_address is not None:
        with _ray(ray_address) as ray:
            yield RayTasks(ray)
    elif count == 1:
        yield ThisProcess()
    else:
        _check_guard()
        context = multiprocessing.get_context("spawn")
        before = set(multiprocessing.active_children())
        executor = ProcessPoolExecutor(count, mp_context=context, initializer=_share_cores, initargs=(count,))
        try:
            yield Processes(executor, count, before)
        except BaseException:
            # A stop does not wait for jobs that take minutes.
            executor.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            raise
        executor.shutdown()


def run_jobs(
    workers: Workers, function: Callable[..., Any], jobs: Iterable[tuple[Hashable, Callable[[], tuple[Any, ...]]]]
) -> Iterator[tuple[Any, Any]]:
    """Yield (name, result) of each job as it finishes.

    A job is its name and a function that gives the arguments; it is asked for them when a worker is about to take it, so that
    the arguments of few jobs are in memory at a time.
    """
    waiting = iter(jobs)
    names: dict[Any, Any] = {}
    exhausted = False
    while True:
        # One more than can run, so that no worker waits for its arguments.
        while not exhausted and len(names) < workers.count + (workers.count > 1):
            job = next(waiting, None)
            if job is None:
                exhausted = True
            else:
                names[workers.submit(function, *job[1]())] = job[0]
        if not names:
            return
        for handle, result in workers.finished(list(names)):
            yield names.pop(handle), result


def _check_guard() -> None:
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


def _alone(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


@contextmanager
def _ray(address: str) -> Iterator[Any]:
    try:
        import ray
    except ImportError as error:
        raise InputError("Ray is not installed: pip install 'interp[ray]'") from error
    if ray.is_initialized():
        # The caller's own session, which stays.
        yield ray
        return
    _check_reachable(address)
    environment = {
        "env_vars": {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    }
    try:
        ray.init(
            address=address,
            runtime_env=environment,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"no Ray cluster at {address}: {str(error).splitlines()[0]}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ask for a connection first: Ray itself tries for minutes. Raises InputError."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            pass
    except (OSError, ValueError) as error:
        raise InputError(f"no Ray cluster at {address}: {error}; give host:port, auto or local") from error

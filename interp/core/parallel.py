"""Jobs in this process, in others or on a Ray cluster, as they finish."""

import logging
import os
import socket
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from interp.core.errors import ComputationError, InputError, first_line
from interp.core.processes import Processes, check_guard
from interp.core.quiet_import import MEMORY_GROWTH, import_tensorflow
from interp.core.sent_once import kept_by
from interp.core.workers import ThisProcess, Workers


@dataclass(frozen=True)
class InStore:
    """Bytes in the object store of a Ray cluster, which copies them to each machine once."""

    reference: Any

    def read(self) -> bytes:
        import ray

        content: bytes = ray.get(self.reference)
        return content


class RayTasks(Workers):
    """Jobs as tasks of a Ray cluster, one core each."""

    def __init__(self, ray: Any) -> None:
        super().__init__(max(1, int(ray.cluster_resources().get("CPU", 1))))
        self._ray = ray

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with kept_by(self._put):
            return self._ray.remote(num_cpus=1, max_retries=1)(_alone).remote(function, *arguments)

    def _put(self, content: bytes) -> InStore:
        return InStore(self._ray.put(content))

    def finished(self, handles: list[Any]) -> list[Any]:
        done: list[Any] = self._ray.wait(handles, num_returns=1)[0]
        return done

    def result(self, handle: Any) -> Any:
        try:
            return self._ray.get(handle)
        except self._ray.exceptions.RayTaskError as error:
            # What the job raised; the error around it has Ray's whole traceback for its text.
            raise error.cause from error
        except self._ray.exceptions.RayError as error:
            raise ComputationError(f"the Ray cluster lost a job: {first_line(error)}") from error


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
        check_guard()
        processes = Processes(count)
        try:
            yield processes
        except BaseException:
            # A stop does not wait for jobs that take minutes.
            processes.close()
            raise
        processes.close(wait_for_jobs=True)


def run_jobs(
    workers: Workers,
    function: Callable[..., Any],
    jobs: Iterable[tuple[Hashable, Callable[[], tuple[Any, ...]]]],
    *,
    failed: Callable[[Any, ComputationError], Any] | None = None,
) -> Iterator[tuple[Any, Any]]:
    """Yield (name, result) of each job as it finishes.

    A job is its name and a function that gives the arguments; it is asked for them when a worker is about to take it, so that
    the arguments of few jobs are in memory at a time. Where a worker was lost, or a job raised a ComputationError,
    its result is what `failed` gives for the job's name and the error; without `failed` the error is raised.
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
        for handle in workers.finished(list(names)):
            name = names.pop(handle)
            try:
                result = workers.result(handle)
            except ComputationError as error:
                if failed is None:
                    raise
                result = failed(name, error)
            yield name, result


def _alone(function: Callable[..., Any], *arguments: Any) -> Any:
    import_tensorflow()
    return function(*arguments)


@contextmanager
def _ray(address: str) -> Iterator[Any]:
    try:
        import ray
    except ImportError as error:
        raise InputError("Ray is not installed: pip install ray") from error
    if ray.is_initialized():
        # The caller's own session, which stays.
        yield ray
        return
    _check_reachable(address)
    environment = {
        "env_vars": {
            "TF_NUM_INTRAOP_THREADS": "1",
            "TF_NUM_INTEROP_THREADS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            MEMORY_GROWTH: os.environ.get(MEMORY_GROWTH, "true"),
        }
    }
    try:
        ray.init(
            address=address,
            runtime_env=environment,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"no Ray cluster at {address}: {first_line(error)}") from error
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

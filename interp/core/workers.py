"""A place to run jobs: this process, until there are others."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from interp.core.checks import check_instance


class Workers(ABC):
    """A place to run jobs: `submit` gives a handle, `finished` the handles that are done, `result` what came out of one."""

    def __init__(self, count: int) -> None:
        self.count = count

    @abstractmethod
    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Start a job, or queue it."""

    @abstractmethod
    def finished(self, handles: list[Any]) -> list[Any]:
        """Wait for at least one of the handles; what went well comes before what did not."""

    @abstractmethod
    def result(self, handle: Any) -> Any:
        """What a finished job returned. Raises what it raised, and ComputationError where its worker was lost."""


class ThisProcess(Workers):
    """Jobs one after the other, here."""

    def __init__(self) -> None:
        super().__init__(1)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future

    def finished(self, handles: list[Any]) -> list[Any]:
        return handles

    def result(self, handle: Any) -> Any:
        return handle.result()


def check_workers(workers: Any) -> None:
    """Raise InputError unless these are workers."""
    check_instance("workers", workers, Workers, "what `with open_workers(2) as workers` gives (interp.core.parallel)")

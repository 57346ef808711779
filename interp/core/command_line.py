"""What the command lines share: one-line errors, exit codes, progress bars."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from interp.core.errors import ComputationError, InputError
from interp.core.quiet_import import import_tensorflow
from interp.core.standard_streams import lasting_streams
from interp.core.tensorflow_errors import computation_error
from interp.core.threads import share_cores_among_streams

T = TypeVar("T")
_OPTION = re.compile(r"\A--[\w-]+(?=$|=)", re.ASCII)

# Set before TensorFlow is imported; its start-up notes are not for a reader of our output.
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "MPLBACKEND": "Agg"}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, exit code 2, and whose help ends with `examples`.

    `-` and `_` in the names of options are the same. `what` is what its options are of, for messages.
    """

    def __init__(self, prog: str, description: str | None, examples: Sequence[str] = (), what: str = "") -> None:
        command = f"python {prog}" if prog.split()[0].endswith(".py") else prog
        told = "\n".join(["examples:", *(f"  {command} {line}" for line in examples)]) if examples else None
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            epilog=told,
        )
        self.what = what or prog

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the words (default: those of the process), with the names of options as the parser spells them."""
        return super().parse_known_args(alike(args), namespace)

    def error(self, message: str) -> NoReturn:
        self.exit(2, one_line(f"error: {message} (see {self.prog} --help)") + "\n")


def alike(words: Sequence[str] | None) -> list[str]:
    """The words (default: those of the process) with `-` for `_` in the names of options."""
    words = sys.argv[1:] if words is None else words
    return [_OPTION.sub(lambda found: found[0].replace("_", "-"), word) for word in words]


def run(
    parse: Callable[[Sequence[str] | None], T],
    work: Callable[[T], int],
    arguments: Sequence[str] | None = None,
    *,
    has_streams: Callable[[T], bool] = lambda _: True,
) -> int:
    """Parse and check, import TensorFlow, work, and return the exit code.

    It is that of `work`, 2 after an InputError, 1 after a failed computation, 130 after Ctrl-C.

    Args:
        parse: makes of the words what `work` takes; without TensorFlow, so that mistakes are reported at once.
        work: does what was asked for.
        arguments: the words (default: those of the process).
        has_streams: says whether what was asked for shares its work out to streams.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with lasting_streams() as output:
        code = _run(parse, work, arguments, has_streams)
        output.flush()
        if code == 0 and isinstance(output.error, BrokenPipeError):
            # The reader of our output is gone, as `head` goes.
            return 1
        if code == 0 and output.error is not None:
            return _end(
                f"error: cannot write standard output: {output.error.strerror}; files were written all the same", 2
            )
        return code


def _run(
    parse: Callable[[Sequence[str] | None], T],
    work: Callable[[T], int],
    arguments: Sequence[str] | None,
    has_streams: Callable[[T], bool],
) -> int:
    try:
        parsed = parse(arguments)
        if has_streams(parsed):
            share_cores_among_streams()
        import_tensorflow()
        return work(parsed)
    except InputError as error:
        return _end(f"error: {error}", 2)
    except ComputationError as error:
        return _end(f"failed: {error}", 1)
    except OSError as error:
        return _end(f"error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", 2)
    except KeyboardInterrupt as stop:
        # What shells expect of a process that a signal ended; Ctrl-C is signal 2.
        return _end(f"interrupted: {str(stop) or 'what was finished is kept'}", 128 + getattr(stop, "signal", 2))
    except Exception as error:
        failure = computation_error(error)
        if failure is None:
            raise
        return _end(f"failed: {failure}", 1)


def _end(message: str, code: int) -> int:
    print(one_line(message), file=sys.stderr)
    return code


def one_line(message: str) -> str:
    """A message as one printable line."""
    return "".join(character if character.isprintable() else " " for character in message)


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Give a function that says that one more of `total` parts is done; shown with the time left where there is more than one."""
    from tqdm import tqdm

    interval = 0.5 if sys.stderr.isatty() else 20
    with tqdm(total=total, desc=label, file=sys.stderr, mininterval=interval, ascii=" =", disable=total < 2) as bar:
        yield lambda: bar.update() and None


@contextmanager
def stage_bars(label: str) -> Iterator[Callable[[str, int, int], None]]:
    """Give a function that says what is done at present, and how much of how much: a bar for each, one at a time but for "retraining"."""
    from tqdm import tqdm

    interval = 0.5 if sys.stderr.isatty() else 20
    bars: dict[str, Any] = {}

    def report(what: str, done: int, total: int) -> None:
        if what not in bars:
            for name in [name for name in bars if name != "retraining"]:
                bars.pop(name).close()
            bars[what] = tqdm(
                total=total,
                initial=done,
                desc=f"{label}: {what}",
                file=sys.stderr,
                mininterval=interval,
                ascii=" =",
            )
        bars[what].update(done - bars[what].n)

    try:
        yield report
    finally:
        for bar in bars.values():
            bar.close()

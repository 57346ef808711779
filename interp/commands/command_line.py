"""What the command lines share: one-line errors, exit codes, progress bars."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from interp.core.errors import ComputationError, InputError
from interp.core.quiet_import import import_tensorflow
from interp.core.standard_streams import lasting_streams
from interp.core.threads import share_cores_among_streams

if TYPE_CHECKING:
    from interp.training import Progress

# Radii and step sizes beyond this are mistakes.
LARGEST = 1e6

# Set before TensorFlow is imported; its start-up notes are not for a reader of our output.
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "MPLBACKEND": "Agg"}


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Shows defaults, where there is one, and the lines of examples as they are written."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        has_default = bool(action.option_strings) and action.default not in (None, False, True, argparse.SUPPRESS)
        return f"{action.help} (default: %(default)s)" if has_default else action.help


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, exit code 2, and whose help ends with `examples`.

    `script` is its name, unless it was started as one of the console commands of an installed package.
    """

    def __init__(self, script: str, description: str | None, examples: Sequence[str] = ()) -> None:
        started = os.path.basename(sys.argv[0])
        prog = started if started.startswith("interp-") else script
        super().__init__(
            prog=prog, description=description, formatter_class=HelpFormatter, allow_abbrev=False, epilog=None
        )
        if examples:
            command = f"python {prog}" if prog.endswith(".py") else prog
            self.epilog = "\n".join(["examples:", *(f"  {command} {line}" for line in examples)])

    def error(self, message: str) -> NoReturn:
        self.exit(2, one_line(f"error: {message} (see {self.prog} --help)") + "\n")


def run(
    parser: argparse.ArgumentParser,
    main: Callable[[argparse.Namespace], int],
    arguments: Sequence[str] | None = None,
    *,
    has_streams: Callable[[argparse.Namespace], bool] = lambda _: True,
) -> int:
    """Parse, call `main`, and return the exit code: its own, 2 after an InputError, 1 after a failed computation, 130 after Ctrl-C.

    `has_streams` says whether what was asked for shares its work out to streams.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with lasting_streams() as output:
        code = _run(parser.parse_args(arguments), main, has_streams)
        output.flush()
        if code == 0 and isinstance(output.error, BrokenPipeError):
            # Whoever read our output has gone, as `head` does.
            return 1
        if code == 0 and output.error is not None:
            return _end(
                f"error: cannot write standard output: {output.error.strerror}; files were written all the same", 2
            )
        return code


def _run(
    parsed: argparse.Namespace,
    main: Callable[[argparse.Namespace], int],
    has_streams: Callable[[argparse.Namespace], bool],
) -> int:
    try:
        if has_streams(parsed):
            share_cores_among_streams()
        import_tensorflow()
        return main(parsed)
    except InputError as error:
        return _end(f"error: {error}", 2)
    except ComputationError as error:
        return _end(f"failed: {error}", 1)
    except OSError as error:
        return _end(f"error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", 2)
    except KeyboardInterrupt as stop:
        # What shells expect of a process that a signal ended; Ctrl-C is signal 2.
        return _end(f"interrupted: {str(stop) or 'what was finished is kept'}", 128 + getattr(stop, "signal", 2))


def _end(message: str, code: int) -> int:
    print(one_line(message), file=sys.stderr)
    return code


def one_line(message: str) -> str:
    """A message as one printable line."""
    return "".join(character if character.isprintable() else " " for character in message)


@contextmanager
def training_bar(label: str, total_steps: int, *, shown: bool = True) -> Iterator[Callable[["Progress"], None]]:
    """Give the report function of a training that shows loss, accuracies and time left as a bar on the terminal."""
    from tqdm import tqdm

    names = {"loss": "loss", "accuracy": "clean", "robust_accuracy": "attacked"}
    # A log file gets a line now and then instead of a moving bar.
    interval = 0.5 if sys.stdout.isatty() else 20
    with tqdm(
        total=total_steps, desc=label, unit="step", file=sys.stdout, mininterval=interval, ascii=" =", disable=not shown
    ) as bar:

        def report(progress: "Progress") -> None:
            if bar.n == 0:
                # A resumed run has not done the earlier steps just now.
                bar.initial = bar.n = progress.step - 1
            measures = {names[name]: f"{value:.2f}" for name, value in progress.measures.items() if name in names}
            measures["images/s"] = f"{progress.images_per_second:.0f}"
            bar.set_postfix(measures, refresh=False)
            bar.update(progress.step - bar.n)

        yield report


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Give a function that says that one more of `total` parts is done; shown with the time left where there is more than one."""
    from tqdm import tqdm

    interval = 0.5 if sys.stderr.isatty() else 20
    with tqdm(total=total, desc=label, file=sys.stderr, mininterval=interval, ascii=" =", disable=total < 2) as bar:
        yield lambda: bar.update() and None


def whole_number(minimum: int) -> Callable[[str], int]:
    """An argument type: a whole number of at least `minimum`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number") from None
        if not minimum <= value < 2**31:
            wrong = f"less than {minimum}" if value < minimum else "too large"
            raise argparse.ArgumentTypeError(f"{text[:40]} is {wrong}")
        return value

    return parse


def fraction(text: str) -> float:
    """A number such as 0.3 or 8/255. Raises ValueError, ZeroDivisionError."""
    over, slash, under = text.partition("/")
    return float(over) / float(under) if slash else float(over)


def numbers(text: str) -> list[float]:
    """An argument type: finite numbers of at least 0, fractions such as 8/255 among them, separated by commas."""
    try:
        values = [fraction(part) for part in text.split(",")]
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 0,0.1,8/255") from None
    if not all(0 <= value <= LARGEST for value in values):
        raise argparse.ArgumentTypeError(f"{text!r} holds a number that is negative, too large or not finite")
    return values


def radius(text: str) -> float:
    """An argument type: a number above 0 and at most 1, or a fraction such as 8/255."""
    [value] = radii(text) if "," not in text else [0.0]
    if value == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 such as 0.1 or 8/255")
    return value


def radii(text: str) -> list[float]:
    """An argument type: radii of at most 1, separated by commas."""
    values = numbers(text)
    if max(values) > 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} holds more than 1, and images are in [0, 1]: write 8 levels of 255 as 8/255"
        )
    return values


def ratios(text: str) -> list[float]:
    """An argument type: different fractions strictly between 0 and 1, separated by commas."""
    values = list(dict.fromkeys(numbers(text)))
    if not all(0 < value < 1 for value in values):
        raise argparse.ArgumentTypeError(f"{text!r} holds a ratio that is not between 0 and 1, such as 0.5")
    return values


def words(text: str) -> list[str]:
    """An argument type: different names, separated by commas."""
    names = list(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of names such as gradient,grad_cam")
    return names


def number(*, above: float) -> Callable[[str], float]:
    """An argument type: a finite number above `above`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not above < value <= LARGEST:
            raise argparse.ArgumentTypeError(f"{text} is not above {above:g} and at most {LARGEST:g}")
        return value

    return parse

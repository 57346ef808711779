"""What the words of a command line are turned into: checked numbers and lists."""

import argparse
from collections.abc import Callable

# Radii and step sizes beyond this are mistakes.
LARGEST = 1e6


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


def distance(text: str) -> float:
    """An argument type: a number above 0, or a fraction such as 8/255."""
    [value] = numbers(text) if "," not in text else [0.0]
    if value == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 such as 0.1 or 8/255")
    return value


def nonnegative(text: str) -> float:
    """An argument type: a number of at least 0, or a fraction such as 8/255."""
    values = numbers(text)
    if len(values) != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 0 such as 0.1")
    return values[0]


def radius(text: str) -> float:
    """An argument type: a number above 0 and at most 1, or a fraction such as 8/255."""
    radii(text)
    return distance(text)


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


def number(*, above: float, below: float | None = None) -> Callable[[str], float]:
    """An argument type: a finite number above `above`, and below `below` where that is given."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if below is not None and not above < value < below:
            raise argparse.ArgumentTypeError(f"{text} is not above {above:g} and below {below:g}")
        if not above < value <= LARGEST:
            raise argparse.ArgumentTypeError(f"{text} is not above {above:g} and at most {LARGEST:g}")
        return value

    return parse

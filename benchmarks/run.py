"""Measure every row in a process of its own, print a table, and write benchmarks/results/bench.json and bench.png: `make bench`.

Costs are in U (unit.py), medians over rounds that measure U and the work in turn. Rows that name a trained network need it
(INTERP_NETWORKS_DIR) and MNIST (INTERP_DATA_DIR), and are skipped without. `--check` compares with the last accepted table,
`--accept` makes this run the accepted one.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kept_rows import read_rows
from rows import ROWS, Row

from interp.core.argument_types import whole_number
from interp.core.command_line import Parser
from interp.core.errors import InputError
from interp.core.files import write_json
from interp.core.provenance import describe_run

HERE = Path(__file__).resolve().parent
FILE, ACCEPTED = HERE / "results" / "bench.json", HERE / "accepted.json"
SLOWER = 1.25


def main() -> int:
    """Run the chosen rows; return 1 if a row became too slow, 2 after an error."""
    parser = Parser("benchmarks/run.py", __doc__)
    parser.add_argument("--only", nargs="+", metavar="PART", help="rows whose names hold one of these parts")
    parser.add_argument("--rounds", type=whole_number(1), default=5, help="rounds of each row (default 5)")
    table = parser.add_mutually_exclusive_group()
    table.add_argument("--check", action="store_true", help="compare with the accepted table; write nothing")
    table.add_argument("--accept", action="store_true", help="make what is measured the accepted table")
    parser.add_argument("--out", type=Path, default=FILE, help="file of the figures, with a picture beside it")
    arguments = parser.parse_args()
    return exit_code(lambda: run(arguments))


def exit_code(work: Callable[[], int]) -> int:
    """What the work of a script returns; 2 after an InputError, which is one line."""
    try:
        return work()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def made_by(arguments: argparse.Namespace) -> dict[str, Any]:
    """The run that figures are of; in which file they are, and where the peers' interpreter is, does not matter."""
    return describe_run({name: value for name, value in vars(arguments).items() if name not in {"out", "python"}})


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, keep or compare."""
    chosen = [row for row in ROWS if not arguments.only or any(part in row.name for part in arguments.only)]
    if not chosen:
        raise InputError(f"no row has {' or '.join(arguments.only)} in its name, such as {ROWS[0].name!r}")
    # What cannot be read is told before the hour of measuring.
    accepted, kept = read_rows(ACCEPTED), {} if arguments.check else read_rows(arguments.out)
    print(HEADER)
    began, results = time.monotonic(), {}
    for number, row in enumerate(chosen, 1):
        results[row.name] = result = measure(row, arguments.rounds)
        if result.get("has_naive"):
            # With TensorFlow's default threads, which it needs to use more than one core.
            result["naive_units"] = measure(row, arguments.rounds, "naive")["units"]
        passed = time.monotonic() - began
        left = passed / number * (len(chosen) - number)
        print(f"{line(row, result)}   [{number}/{len(chosen)}, {left / 60:.0f} min left]", flush=True)
        if not arguments.check:
            # At once, as a later row may fail. Rows that were not measured now stay, each with the run that it is of.
            kept = merged(kept, {row.name: {**result, "run": made_by(arguments)}})
            kept = {each.name: kept[each.name] for each in ROWS if each.name in kept}
            write_json(arguments.out, {"rows": kept})
    if arguments.check:
        return compare(results, accepted)
    if arguments.accept:
        now = {name: keep(row) for name, row in results.items()}
        write_json(ACCEPTED, {"rows": merged(accepted, now), "run": made_by(arguments)})
    from chart import draw

    picture = arguments.out.with_suffix(".png")
    draw(kept, picture)
    print(f"written: {arguments.out}, {picture}")
    return 0


def measure(row: Row, rounds: int, *version: str) -> dict[str, Any]:
    """What a process of its own found of a row, or of its naive version."""
    return result_of([sys.executable, str(HERE / "measure.py"), row.name, str(rounds), *version])


def result_of(command: list[str]) -> dict[str, Any]:
    """The last line that a command prints, as JSON values; nothing where it prints nothing. Raises InputError when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"{' '.join(command[1:3])} ended with code {done.returncode}: {last}")
    lines = done.stdout.strip().splitlines()
    return dict(json.loads(lines[-1])) if lines else {}


HEADER = (
    f"{'':62s} {'seconds':>8s} {'U':>8s} {'(range)':>15s} {'limit':>6s} {'naive/ours':>10s} {'of peak':>8s} {'GiB':>5s}"
)


def line(row: Row, result: dict[str, Any]) -> str:
    """A row of the table."""
    if "skipped" in result:
        return f"{row.name:62s} skipped: {result['skipped']}"
    spread = f"({result['lowest']:.1f}-{result['highest']:.1f})"
    naive = times_naive(row, result)
    share = f"{result['useful_gflops'] / result['matrix_peak_gflops']:.0%}" if "useful_gflops" in result else ""
    found = ", ".join(f"{name} {value}" for name, value in result["found"].items())
    limit = "" if row.limit is None else f"{row.limit:g}"
    return (
        f"{row.name:62s} {result['seconds']:8.3f} {result['units']:8.1f} {spread:>15s} {limit:>6s} {naive:>10s} {share:>8s} "
        f"{result['peak_gib']:5.2f} {found}"
    )


def times_naive(row: Row, result: dict[str, Any]) -> str:
    """How many times as long the naive version takes, and how many times it should where that is asked for."""
    if "naive_units" not in result:
        return ""
    wanted = "" if row.faster is None else f" of {row.faster:g}"
    return f"{result['naive_units'] / result['units']:.1f}{wanted}"


def keep(result: dict[str, Any]) -> dict[str, Any]:
    """What the accepted table says of a row."""
    return {name: result[name] for name in ("units", "seconds", "skipped") if name in result}


def merged(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The rows of before with those of now; one that was skipped now keeps what was measured of it."""
    measured = {name for name, row in before.items() if "units" in row}
    return before | {name: row for name, row in now.items() if "skipped" not in row or name not in measured}


def compare(results: dict[str, Any], accepted: dict[str, Any]) -> int:
    """Say which rows became slower than the accepted table allows; return 1 if any did."""
    slower = []
    for name, result in results.items():
        before = accepted.get(name, {}).get("units")
        if before is None or "units" not in result:
            print(f"not compared: {name}")
        elif result["units"] > SLOWER * before:
            slower.append(name)
            print(
                f"slower: {name}: {result['units']:.1f} U, accepted {before:.1f} U ({result['units'] / before:.2f} times)"
            )
    print(f"{len(slower)} of {len(results)} rows are more than {SLOWER - 1:.0%} slower than accepted")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())

"""Write the tables of docs/performance.md from benchmarks/results/*.json: `python benchmarks/tables.py`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rows import ROWS
from run import times_naive
from run_peers import COMPARISONS

from interp.core.files import write_text
from interp.core.json_values import parse_json

RESULTS = Path(__file__).resolve().parent / "results"
PAGE = RESULTS.parents[1] / "docs" / "performance.md"


def main() -> None:
    """Write the page anew."""
    write_text(PAGE, filled(PAGE.read_text(encoding="utf-8")))


def filled(text: str) -> str:
    """The page with what stands between the marks of each table replaced."""
    for table in (_bench, _peers, _auto_attack, _input, _levers):
        name = table.__name__.removeprefix("_")
        lines = "\n".join(table(parse_json((RESULTS / f"{name}.json").read_text(encoding="utf-8"))))
        pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = pattern.sub(lambda match, lines=lines: f"{match[1]}{lines}\n{match[2]}", text)
    return text


def _bench(record: dict[str, Any]) -> Iterator[str]:
    named = {row.name: row for row in ROWS}
    yield "| work | U | range | limit | seconds | first call | naive / ours | of peak | GiB |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, row in record["rows"].items():
        if "skipped" in row:
            continue
        share = f"{row['useful_gflops'] / row['matrix_peak_gflops']:.0%}" if "useful_gflops" in row else ""
        limit = "" if named[name].limit is None else f"{named[name].limit:g}"
        cells = (name, _three(row["units"]), f"{_three(row['lowest'])} to {_three(row['highest'])}", limit)
        # Rows measured before it was asked have none.
        first = _three(row["first_seconds"]) if "first_seconds" in row else ""
        yield _line(
            *cells, _three(row["seconds"]), first, times_naive(named[name], row), share, f"{row['peak_gib']:.2f}"
        )


def _peers(record: dict[str, Any]) -> Iterator[str]:
    goals = {row.ours: row.peers for row in COMPARISONS}
    yield "| work | U | times ours | goal | found | ours |"
    yield "|---|---|---|---|---|---|"
    for name, row in record["rows"].items():
        units = sum(part["units"] for part in row["ours"]) / len(row["ours"])
        yield _line(f"**{name}**", f"**{_three(units)}**", "", "", "", _found(row["ours"][0]))
        for peer, result in row["peers"].items():
            wanted = goals.get(name, {}).get(peer)
            goal = "" if wanted is None else f"{wanted:g}"
            times = f"{result['times']:.1f}"
            yield _line(peer.replace("_", " "), _three(result["units"]), times, goal, _found(result), "")


def _auto_attack(record: dict[str, Any]) -> Iterator[str]:
    yield "| published network | ours | theirs | seconds | theirs | share |"
    yield "|---|---|---|---|---|---|"
    for name, row in sorted(record["rows"].items()):
        ours, theirs = row["ours"], row["theirs"]
        found = (", ".join(f"{each['robust accuracy']:.3f}" for each in ours), f"{theirs['robust accuracy']:.3f}")
        seconds = ours[0]["seconds"], theirs["seconds"]
        yield _line(name, *found, *(f"{each:.1f}" for each in seconds), f"{seconds[0] / seconds[1]:.2f}")


def _input(record: dict[str, Any]) -> Iterator[str]:
    yield "| work | seconds | images a second | waiting |"
    yield "|---|---|---|---|"
    for name, row in record["rows"].items():
        waiting = f"{row['waiting']:.0%}" if "waiting" in row else ""
        yield _line(name, _three(row["seconds"]), _three(row["images a second"]), waiting)


def _levers(record: dict[str, Any]) -> Iterator[str]:
    names = list(record["units"])
    yield _line("U", *names)
    yield "|---" * (len(names) + 1) + "|"
    for row in record["units"][names[0]]:
        yield _line(row, *(_three(record["units"][name][row]) for name in names))


def _found(result: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in result["found"].items())


def _three(value: float) -> str:
    """A number to three digits, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()

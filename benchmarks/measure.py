"""Measure one row in this process and print what was found as a line of JSON: `python measure.py NAME ROUNDS [naive]`."""

import json
from dataclasses import asdict

from rows import ROWS
from timing import peak_gibibytes, seconds_of, time_in_turn
from unit import UnitProcess

from interp import share_cores_among_streams
from interp.core.argument_types import whole_number
from interp.core.command_line import Parser
from interp.core.errors import InputError, check_choice


def main() -> None:
    """Measure the row named by the first argument over as many rounds as the second says; a third, naive, its naive version."""
    parser, rows = Parser("benchmarks/measure.py", __doc__), {row.name: row for row in ROWS}
    parser.add_argument("name", help="the row")
    parser.add_argument("rounds", type=whole_number(1), help="how many")
    parser.add_argument("version", nargs="?", choices=["naive"], help="the naive version of the row")
    arguments = parser.parse_args()
    try:
        row = rows[check_choice("row", arguments.name, rows)]
    except InputError as error:
        parser.error(str(error))
    naive = arguments.version == "naive"
    if not naive:
        share_cores_among_streams()  # as the package's own commands do; written naively there are no streams to share them
    import works

    try:
        prepared = row.make(works)
    except InputError as error:
        print(json.dumps({"skipped": str(error)}))
        return
    work = prepared.naive if naive else prepared.work
    with UnitProcess() as unit:
        first = seconds_of(work)
        found = {} if naive else prepared.found()
        peak = peak_gibibytes()
        timing = time_in_turn({"work": work}, unit, rounds=arguments.rounds)["work"]
        result = {
            **asdict(timing),
            "first_seconds": first,
            "peak_gib": peak,
            "found": found,
            "matrix_peak_gflops": unit.peak,
        }
    result["has_naive"] = prepared.naive is not None
    if prepared.flops is not None:
        result["useful_gflops"] = prepared.flops / timing.seconds / 1e9
    print(json.dumps(result))


if __name__ == "__main__":
    main()

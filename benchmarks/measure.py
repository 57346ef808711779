"""Measure one row in this process and print what was found as a line of JSON: `python measure.py NAME ROUNDS`."""

import json
import sys
from dataclasses import asdict

from rows import ROWS
from timing import peak_gibibytes, time_in_turn
from unit import UnitProcess

from interp import share_cores_among_streams
from interp.core.errors import InputError


def main() -> None:
    """Measure the row named by the first argument over as many rounds as the second says."""
    row = next(row for row in ROWS if row.name == sys.argv[1])
    share_cores_among_streams()  # as the package's own commands do
    import works

    try:
        prepared = row.make(works)
    except InputError as error:
        print(json.dumps({"skipped": str(error)}))
        return
    with UnitProcess() as unit:
        named = {"work": prepared.work} | ({} if prepared.naive is None else {"naive": prepared.naive})
        prepared.work()
        found = prepared.found()
        peak = peak_gibibytes()
        timings = time_in_turn(named, unit, rounds=int(sys.argv[2]))
        result = {**asdict(timings["work"]), "peak_gib": peak, "found": found, "matrix_peak_gflops": unit.peak}
        if prepared.naive is not None:
            result["naive_units"] = timings["naive"].units
        if prepared.flops is not None:
            result["useful_gflops"] = prepared.flops / timings["work"].seconds / 1e9
    print(json.dumps(result))


if __name__ == "__main__":
    main()

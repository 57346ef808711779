"""Measure one peer in this process, in the peers' environment: `python measure.py WORK EXPORTED ROUNDS PYTHON-THAT-MEASURES-U`."""

import json
import os
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The interpreter puts only this script's own folder on the path.
sys.path.extend(str(Path(__file__).resolve().parents[1] / part) for part in ("", "real_network"))

import numpy as np
import works
from timing import peak_gibibytes, time_in_turn
from unit import UnitProcess


def main() -> None:
    """Print what was measured as a line of JSON."""
    warnings.simplefilter("ignore")
    name, exported, rounds, python = sys.argv[1:]
    arrays = dict(np.load(exported))
    if not hasattr(works, name):
        sys.exit(f"error: there is no work {name!r} in peers/works.py")
    work, judge = getattr(works, name)(arrays)
    with UnitProcess(python) as unit:
        found = judge(work())
        peak = peak_gibibytes()
        timing = time_in_turn({name: work}, unit, rounds=int(rounds))[name]
    print(json.dumps({**asdict(timing), "peak_gib": peak, "found": found}))


if __name__ == "__main__":
    main()

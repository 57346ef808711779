"""What a job costs besides its work: jobs that only wait, in processes and in Ray workers on this machine.

`python benchmarks/run_workers.py --workers 8 --jobs 80`. The jobs sleep, so more workers than cores stand for as many machines: what is
over the time of the jobs themselves is starting workers, handing jobs out, and sending what they share (`--megabytes`).
"""

import json
import time
from contextlib import closing
from typing import Any

import numpy as np
import ray

from interp.core.argument_types import nonnegative, whole_number
from interp.core.command_line import Parser
from interp.core.parallel import RayTasks, run_jobs
from interp.core.processes import Processes
from interp.core.sent_once import SentOnce
from interp.core.workers import Workers


def wait_and_look(shared: SentOnce, seconds: float) -> int:
    """Be a job: look at what is shared, then take so long."""
    time.sleep(seconds)
    return int(shared.parts[0].nbytes)


def measure(workers: Workers, jobs: int, seconds: float, megabytes: float) -> dict[str, float]:
    """Run the jobs twice, of which the first starts the workers."""
    found = {}
    for name in ("first", "then"):
        shared = SentOnce(np.zeros(round(megabytes * 2**20), np.uint8))
        began = time.perf_counter()
        for _ in run_jobs(
            workers,
            wait_and_look,
            ((number, lambda shared=shared: (shared, seconds)) for number in range(workers.count * jobs)),
        ):
            pass
        taken = time.perf_counter() - began
        found[f"{name}_seconds"] = round(taken, 3)
        # Workers work side by side: their jobs alone would take this long.
        found[f"{name}_milliseconds_a_job"] = round(1000 * (taken - jobs * seconds) / jobs, 2)
    return found


def main() -> None:
    """Measure each kind of workers."""
    parser = Parser("benchmarks/run_workers.py", __doc__)
    parser.add_argument("--workers", type=whole_number(1), default=8, help="how many (default 8)")
    parser.add_argument("--jobs", type=whole_number(1), default=20, help="of each worker (default 20)")
    parser.add_argument("--seconds", type=nonnegative, default=0.2, help="of a job (default 0.2)")
    parser.add_argument("--megabytes", type=nonnegative, default=20, help="that all jobs share (default 20)")
    arguments = parser.parse_args()
    asked = arguments.jobs, arguments.seconds, arguments.megabytes
    results: dict[str, Any] = {"workers": arguments.workers, "jobs": arguments.jobs}
    with closing(Processes(arguments.workers)) as processes:
        results["processes"] = measure(processes, *asked)
    # So many that this machine is said to have.
    ray.init(num_cpus=arguments.workers, log_to_driver=False, include_dashboard=False)
    results["ray"] = measure(RayTasks(ray), *asked)
    ray.shutdown()
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()

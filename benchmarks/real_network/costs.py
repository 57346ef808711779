"""What the library costs on EfficientNet-Lite0: `python costs.py [--directory DIRECTORY] [--only PART ...]`, after port.py.

Every row runs in a process of its own on the photographs that port.py wrote: first with tracing and then again, or once where it takes
minutes. Printed and kept in DIRECTORY/costs.json are seconds; seconds of the processor, which other work on the machine changes least;
these in input gradients of the network on all photographs (1 is one forward pass and its gradient for each); the peak of memory; and what
was found. Ends with code 1 where a row needs 4 GiB or more.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The interpreter puts only this script's own folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from blocks import SCALE
from kept_rows import read_rows
from run import exit_code, result_of
from timing import peak_gibibytes

from interp import share_cores_among_streams
from interp.core.command_line import Parser
from interp.core.errors import InputError
from interp.core.files import write_json
from interp.core.names import ENSEMBLES, MANY_PASSES, METHODS
from interp.core.provenance import describe_run

HERE = Path(__file__).resolve().parent
DIRECTORY = HERE.parents[1] / "build" / "real_network"
MODEL, PHOTOGRAPHS, REPORT = "efficientnet_lite0.keras", "photographs.npz", "costs.json"
MOST_GIBIBYTES = 4.0
EPSILON = 1 / 255
STEP = EPSILON / 4

# Of the adapted model, images and labels a row makes what it runs, which says what it found.
Run = Callable[[], dict[str, Any]]
Work = Callable[[Any, Any, Any], Run]


@dataclass(frozen=True)
class CostRow:
    """A row of the table; one that `takes_minutes` is measured with its tracing, and once."""

    work: Work
    takes_minutes: bool = False


def explain(name: str) -> Work:
    """Maps of all photographs by a method of that name."""

    def make(model: Any, images: Any, labels: Any) -> Run:
        from interp.attributions import find_attribution

        method = find_attribution(name).with_model(model)

        def run() -> dict[str, Any]:
            found = method.explain(images, labels)
            gap = {"largest gap": float(found.values["gap"].max())} if "gap" in found.values else {}
            return {"channels": int(found.maps.shape[-1]), **gap}

        return run

    return make


def attack_by(name: str, **settings: Any) -> Work:
    """The accuracy under an attack of interp.attacks."""

    def make(model: Any, images: Any, labels: Any) -> Run:
        from interp import attacks

        attack = getattr(attacks, name)(epsilon=EPSILON, **settings)
        return lambda: {"robust accuracy": float(attacks.correct(model, attack(model, images, labels), labels).mean())}

    return make


def top_k(k: int, steps: int) -> Work:
    """The top-k attack on Grad-CAM, with the prediction kept: the share of the k strongest of 7x7 positions that stay."""

    def make(model: Any, images: Any, labels: Any) -> Run:
        from interp import attacks
        from interp.attributions import GradCAM
        from interp.discrepancy import top_k_overlap

        settings = {"epsilon": EPSILON, "step_size": STEP, "steps": steps}
        attack = attacks.TopKInterpretation(k=k, interpretation="grad_cam", keep_prediction=True, **settings)
        method = GradCAM(model)

        def run() -> dict[str, Any]:
            found = attack(model, images, labels)
            # Of each position the middle of the 32x32 pixels that it became.
            clean, moved = (method(each, labels)[:, 16::32, 16::32, 0] for each in (images, found))
            overlap = top_k_overlap(clean.reshape(len(labels), -1), moved.reshape(len(labels), -1), k)
            kept = attacks.correct(model, found, labels)
            return {"overlap": float(overlap.mean()), "predictions kept": float(kept.mean())}

        return run

    return make


def strong(**settings: Any) -> Work:
    """The strong protocol at three radii."""

    def make(model: Any, images: Any, labels: Any) -> Run:
        from interp.evaluation import StrongProtocol, validity

        protocol = StrongProtocol(**settings)

        def run() -> dict[str, Any]:
            found = validity(model, images, labels, [0.0, EPSILON / 16, EPSILON / 4], protocol)
            flags = [flag.kind for flag in (*found.flags, *(flag for row in found.rows for flag in row.flags))]
            worst = [f"{row.worst_case:.3f} at {row.epsilon:.4f}" for row in found.rows]
            return {"worst case": worst, "flags": flags, "protocol": found.protocol}

        return run

    return make


ROWS: Mapping[str, CostRow] = {
    **{name: CostRow(explain(name), takes_minutes=name in MANY_PASSES) for name in METHODS},
    **{name: CostRow(explain(name), takes_minutes=True) for name in ENSEMBLES},
    "PGD, 10 steps": CostRow(attack_by("ProjectedGradientDescent", step_size=STEP, steps=10)),
    "PGD, 40 steps": CostRow(attack_by("ProjectedGradientDescent", step_size=STEP, steps=40)),
    "AutoPGD, 100 steps": CostRow(attack_by("AutoPGD")),
    "top-8 attack on Grad-CAM, prediction kept, 40 steps": CostRow(top_k(8, 40), takes_minutes=True),
    "strong protocol": CostRow(strong(steps=40, step_size=EPSILON / 32, restarts=2, queries=300), takes_minutes=True),
}


def main() -> int:
    """Measure the rows that are asked for; with --row one of them, in this process."""
    parser = Parser("benchmarks/real_network/costs.py", __doc__)
    parser.add_argument(
        "--directory", type=Path, default=DIRECTORY, help="where port.py wrote (default: build/real_network)"
    )
    parser.add_argument("--only", nargs="+", metavar="PART", help="rows whose names hold one of these parts")
    parser.add_argument("--row", choices=ROWS, metavar="NAME", help="one row, in this process, as a line of JSON")
    arguments = parser.parse_args()
    if arguments.row is not None:
        print(json.dumps(measure(ROWS[arguments.row], arguments.directory)))
        return 0
    return exit_code(lambda: measure_all(arguments.directory, arguments.only, vars(arguments)))


def measure_all(directory: Path, parts: list[str] | None, asked: Mapping[str, Any]) -> int:
    """Measure, print, keep. Raises InputError."""
    chosen = [name for name in ROWS if not parts or any(part in name for part in parts)]
    missing = [file for file in (MODEL, PHOTOGRAPHS) if not (directory / file).is_file()]
    if missing or not chosen:
        raise InputError(
            f"no row to measure with --only {parts}"
            if not chosen
            else f"{directory / missing[0]} is missing: run port.py"
        )
    file = directory / REPORT
    rows = read_rows(file)
    print(f"{'':52s} {'seconds':>8s} {'CPU s':>7s} {'grad.':>7s} {'GiB':>5s}  found")
    for name in chosen:
        command = [sys.executable, str(HERE / "costs.py"), f"--row={name}", f"--directory={directory}"]
        rows[name] = result = result_of(command)
        found = ", ".join(f"{key} {value}" for key, value in result["found"].items())
        figures = f"{result['seconds']:8.2f} {result['processor_seconds']:7.2f} {result['gradients']:7.1f} {result['peak_gib']:5.2f}"
        print(f"{name:52s} {figures}  {found}", flush=True)
        write_json(
            file, {"rows": {name: rows[name] for name in ROWS if name in rows}, "run": describe_run(dict(asked))}
        )
    print(f"written: {file}")
    return int(any(rows[name]["peak_gib"] >= MOST_GIBIBYTES for name in chosen))


def measure(row: CostRow, directory: Path) -> dict[str, Any]:
    """One row, in this process."""
    share_cores_among_streams()  # as the package's own commands do
    import numpy as np

    import interp
    from interp import data
    from interp.models import adapt

    test = data.load(directory / PHOTOGRAPHS, "test")
    images, labels = np.asarray(test.images), test.labels
    model = adapt(interp.load_model(directory / MODEL), scale=SCALE)
    model(images[:1])

    run, gradient = (make(model, images, labels) for make in (row.work, explain("gradient")))
    gradient()
    if not row.takes_minutes:
        run()
    before = _seconds(gradient)[1]
    seconds, processor_seconds, found = _seconds(run)
    unit = (before + _seconds(gradient)[1]) / 2
    return {
        "seconds": seconds,
        "processor_seconds": processor_seconds,
        "gradients": processor_seconds / unit,
        "peak_gib": peak_gibibytes(),
        "images": len(images),
        "found": found,
    }


def _seconds(run: Run) -> tuple[float, float, dict[str, Any]]:
    """Seconds, those of the processor, and what was found."""
    began, used = time.perf_counter(), time.process_time()
    found = run()
    return time.perf_counter() - began, time.process_time() - used, found


if __name__ == "__main__":
    sys.exit(main())

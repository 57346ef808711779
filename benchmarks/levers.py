"""What each idea behind the speed gives, by leaving it out: `python benchmarks/levers.py`.

Every work runs with TensorFlow's default threads and with the cores shared among streams, each in a process of its own.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from run import exit_code, result_of
from timing import time_in_turn
from unit import UnitProcess

from interp.core.command_line import Parser
from interp.core.files import write_json
from interp.core.provenance import describe_run

RESULTS = Path(__file__).resolve().parent / "results" / "levers.json"
SHARED = "cores shared among streams"
THREADS = ("default threads", SHARED)


def main() -> int:
    """Measure with both kinds of threads; with --threads one of them, in this process."""
    parser = Parser("benchmarks/levers.py", __doc__)
    parser.add_argument("--threads", choices=THREADS, help="these alone, in this process, as a line of JSON")
    arguments = parser.parse_args()
    if arguments.threads is None:
        return exit_code(compare)
    measure(arguments.threads == SHARED)
    return 0


def compare() -> int:
    """Measure in two processes and print their figures beside each other."""
    found = {name: result_of([sys.executable, __file__, f"--threads={name}"]) for name in THREADS}
    write_json(RESULTS, {"units": found, "run": describe_run({})})
    print(f"{'U':64s}" + "".join(f"{name:>28s}" for name in THREADS))
    for row in found["default threads"]:
        print(f"{row:64s}" + "".join(f"{found[name][row]:28.1f}" for name in THREADS))
    return 0


def measure(shared: bool) -> None:
    """Print U of every work as JSON."""
    from interp import share_cores_among_streams

    if shared:
        share_cores_among_streams()
    import numpy as np
    import works

    from interp.attributions import CAM
    from interp.core import compiled, streams
    from interp.models.pixel_layout import PlainLayout
    from interp.models.prepared import PreparedModel
    from interp.training import step as training_step

    number = streams.count_streams()

    @contextmanager
    def parallel(count: int) -> Iterator[None]:
        with ExitStack() as stack:
            for module in (compiled, training_step):
                stack.enter_context(mock.patch.object(module, "count_streams", return_value=count))
            yield

    def within(work: Any, *contexts: Any) -> Any:
        def run() -> None:
            with ExitStack() as stack:
                for context in contexts:
                    stack.enter_context(context())
                work()

        return run

    def pgd(*, fold: bool = True, plain: bool = False, **changes: Any) -> Any:
        images, labels = np.random.RandomState(0).rand(200, 28, 28, 1).astype(np.float32), np.arange(200) % 10
        network = works.build_network("small", (28, 28, 1), 10, fold_tail=fold)
        if plain:
            network.layout = PlainLayout(2)
        attack = works.ProjectedGradientDescent(epsilon=0.3, step_size=0.01, steps=40, **changes)
        return lambda: attack(network, images, labels)

    one, several = partial(parallel, 1), partial(parallel, number)
    # Another class of methods, which is asked for its maps in every step.
    maps = partial(mock.patch, "interp.attacks.searched_maps.CAM", type("Other", (CAM,), {}))
    pixels = [
        partial(mock.patch.object, PreparedModel, "lift", lambda self, points: points),
        partial(mock.patch.object, PreparedModel, "logits_of_lifted", PreparedModel.logits),
    ]
    aai = works.TopKInterpretation

    def smooth_grad() -> Any:
        make = works.attributions
        return works.attribution(lambda model: make.SmoothGrad(make.VanillaGradient(model), samples=50), 200, None).work

    def integrated() -> Any:
        return works.attribution(lambda model: works.attributions.IntegratedGradients(model, steps=100), 200, None).work

    def step(tag: str, count: int) -> Any:
        with parallel(count):
            return works.step_of(tag, "mnist", "small").work

    named = {
        "PGD: layer by layer, images as they are, one stream": within(pgd(fold=False, plain=True), one),
        "PGD: linear tail folded": within(pgd(plain=True), one),
        "PGD: and pixels rearranged": within(pgd(), one),
        "PGD: and two streams": within(pgd(), several),
        "PGD: and bfloat16": within(pgd(precision="bfloat16"), several),
        "training step, adv: one stream": step("adv", 1),
        "training step, adv: streams": step("adv", number),
        "training step, int: one stream": step("int", 1),
        "training step, int: streams": step("int", number),
        "AAI: maps in every step": within(works.attack_row(aai(epsilon=0.3), 200, None).work, maps),
        "AAI: a linear function of the activations": works.attack_row(aai(epsilon=0.3), 200, None).work,
        "integrated gradients, 100 points: summed over pixels": within(integrated(), *pixels),
        "integrated gradients, 100 points: summed after the first convolution": integrated(),
        "SmoothGrad, 50 samples: summed over pixels": within(smooth_grad(), *pixels),
        "SmoothGrad, 50 samples: summed after the first convolution": smooth_grad(),
    }
    with UnitProcess() as unit:
        timings = time_in_turn(named, unit, rounds=5)
    print(json.dumps({name: timing.units for name, timing in timings.items()}))


if __name__ == "__main__":
    sys.exit(main())

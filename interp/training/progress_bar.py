"""The progress of a training on the terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from interp.training.trainer import Progress


@contextmanager
def training_bar(label: str, total_steps: int, *, shown: bool = True) -> Iterator[Callable[[Progress], None]]:
    """Give the report function of a training that shows loss, accuracies and time left as a bar on the terminal."""
    names = {"loss": "loss", "accuracy": "clean", "robust_accuracy": "attacked"}
    # A log file gets a line now and then instead of a moving bar.
    interval = 0.5 if sys.stdout.isatty() else 20
    with tqdm(
        total=total_steps, desc=label, unit="step", file=sys.stdout, mininterval=interval, ascii=" =", disable=not shown
    ) as bar:

        def report(progress: Progress) -> None:
            if bar.n == 0:
                # A resumed run has not done the earlier steps just now.
                bar.initial = bar.n = progress.step - 1
            measures = {names[name]: f"{value:.2f}" for name, value in progress.measures.items() if name in names}
            measures["images/s"] = f"{progress.images_per_second:.0f}"
            bar.set_postfix(measures, refresh=False)
            bar.update(progress.step - bar.n)

        yield report

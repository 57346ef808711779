"""How long photographs in files keep a training waiting: `python benchmarks/run_input.py`.

Makes a directory of JPEG files, and measures how fast one and two threads decode them into the cache. Then a `small` network is trained
for an epoch on what was decoded, cropped and flipped: each batch is made while the one before is computed with, as trainings do, or when
it is asked for. What is written is the time of an epoch and the share of it in which the step waits for its batch.
"""

import os
import statistics
import tempfile
import time
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from interp import share_cores_among_streams
from interp.core.argument_types import whole_number
from interp.core.command_line import Parser
from interp.core.files import write_json
from interp.core.provenance import describe_run
from interp.data import Dataset, load

RESULTS = Path(__file__).resolve().parent / "results" / "input.json"
HEIGHT, WIDTH, CLASSES, BATCH = 375, 500, 4, 25
SIDE = 224


def make_photographs(root: Path, count: int) -> None:
    """Write so many files, of noise that is coarse and fine, as photographs are."""
    generator = np.random.default_rng(0)
    for number in range(count):
        pixels = np.zeros((HEIGHT, WIDTH, 3))
        for cell in (125, 25, 5, 1):
            coarse = generator.integers(256, size=(HEIGHT // cell, WIDTH // cell, 3), dtype=np.uint8)
            pixels += np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)) * cell**0.5
        pixels *= 255 / pixels.max()
        folder = root / "test" / f"class{number % CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.jpg", quality=90)


def decode(root: Path, cache: Path, threads: int) -> tuple[Dataset, float]:
    """The photographs, and the seconds that so many threads took to decode them into an empty cache."""
    with mock.patch.dict(os.environ, INTERP_CACHE_DIR=str(cache)), mock.patch("os.cpu_count", return_value=threads):
        began = time.perf_counter()
        return load(root, "test", image_size=SIDE), time.perf_counter() - began


class _WhenAsked:
    """In place of a thread that works ahead: what is asked for is done at once."""

    def __init__(self, workers: int) -> None:
        pass

    def __enter__(self) -> "_WhenAsked":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def submit(self, work: Any, *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*arguments))
        return done


WAYS: dict[str, Any] = {
    "ahead": nullcontext,
    "when asked for": lambda: mock.patch("interp.training.batches.ThreadPoolExecutor", _WhenAsked),
}


def epochs(photographs: Dataset, tag: str, rounds: int) -> dict[str, dict[str, float]]:
    """Seconds of an epoch and the share of them spent waiting, for both ways in turn."""
    import keras
    import tensorflow as tf

    from interp.models import build_network
    from interp.training import find_objective, plain_schedule
    from interp.training.augmentation import crop_and_flip
    from interp.training.batches import made_ahead
    from interp.training.step import make_step

    plain = plain_schedule(epochs=1, batch_size=BATCH, learning_rate=1e-4)
    schedule = replace(plain, epsilon=1 / 255, attack_steps=2, attack_step_size=0.5 / 255)
    network = build_network("small", photographs.images[:1].shape[1:], CLASSES)
    step = make_step(network, find_objective(tag), keras.optimizers.Adam(1e-4), schedule, penalty_weight=0.0)
    numbers = tf.constant(schedule.epsilon), tf.constant([99, 0], tf.int64), tf.constant(0.0)

    def epoch(way: AbstractContextManager[Any]) -> tuple[float, float]:
        waited, began = 0.0, time.perf_counter()
        with way:
            batches = made_ahead(photographs, crop_and_flip, BATCH, 99, range(len(photographs) // BATCH))
            while True:
                asked = time.perf_counter()
                batch = next(batches, None)
                waited += time.perf_counter() - asked
                if batch is None:
                    return time.perf_counter() - began, waited
                images, labels = batch
                measures = step(tf.constant(images), tf.constant(labels, tf.int64), *numbers)
                tf.nest.map_structure(np.asarray, measures)

    epoch(nullcontext())  # traces and compiles
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            found[name].append(epoch(way()))
    return {
        name: {
            "seconds": statistics.median(seconds for seconds, _ in each),
            "waiting": statistics.median(waited / seconds for seconds, waited in each),
        }
        for name, each in found.items()
    }


def main() -> None:
    """Measure, print, keep."""
    parser = Parser("benchmarks/run_input.py", __doc__)
    parser.add_argument("--images", type=whole_number(BATCH), default=400, help="how many files (default 400)")
    parser.add_argument("--rounds", type=whole_number(1), default=5, help="of each measurement (default 5)")
    arguments = parser.parse_args()
    share_cores_among_streams()
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "photographs"
        make_photographs(root, arguments.images)
        taken: dict[int, list[float]] = {1: [], 2: []}
        for number in range(arguments.rounds):
            for threads, seconds in taken.items():
                photographs, passed = decode(root, Path(temporary) / f"cache{number}{threads}", threads)
                seconds.append(passed)
        for threads, seconds in taken.items():
            name = f"decoding, {threads} thread{'s' * (threads > 1)}"
            rows[name] = {"seconds": statistics.median(seconds)}
        for tag in ("normal", "adv"):
            for way, found in epochs(photographs, tag, arguments.rounds).items():
                rows[f"epoch, {tag}, batches made {way}"] = found
    for name, row in rows.items():
        # An incomplete last batch is no part of an epoch.
        images = arguments.images // BATCH * BATCH if name.startswith("epoch") else arguments.images
        row["images a second"] = images / row["seconds"]
        waiting = f"  {row['waiting']:4.0%} waiting" if "waiting" in row else ""
        print(f"{name:44s} {row['seconds']:7.2f} s {row['images a second']:7.0f} images a second{waiting}")
    write_json(RESULTS, {"rows": rows, "images": arguments.images, "run": describe_run(vars(arguments))})
    print(f"written: {RESULTS}")


if __name__ == "__main__":
    main()

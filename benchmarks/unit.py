"""The unit of cost U, and how anything is timed against it.

U is one compiled forward-and-input-gradient pass of the unfolded MNIST `small` network over 50 images, float32. Times of two
machines, or of two hours on a shared machine, do not compare; ratios to U measured in the same run do.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from interp import data
from interp.evaluation import sample_images
from interp.models import build_network


def images_and_labels(real: bool) -> tuple[np.ndarray, np.ndarray]:
    """200 images of 28x28: of the MNIST test set in INTERP_DATA_DIR, or noise, which costs the same."""
    if not real:
        return np.random.RandomState(0).rand(200, 28, 28, 1).astype(np.float32), np.arange(200) % 10
    sample, _ = sample_images(data.load("mnist", "test"), 200)
    return np.asarray(sample.images), sample.labels


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """Median time of `work` after two runs that warm it up."""
    work()
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def unit_work() -> Callable[[], object]:
    """The work whose time is U."""
    network = build_network("small", (28, 28, 1), 10, fold_tail=False)
    images = tf.constant(np.random.RandomState(0).rand(50, 28, 28, 1), tf.float32)
    labels = tf.constant(np.arange(50) % 10)

    @tf.function(autograph=False)
    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, network(images))
        return tape.gradient(loss, images)

    return gradient


def against_unit(work: Callable[[], object], rounds: int = 5) -> tuple[float, float]:
    """Return the time of `work` in U and in seconds: medians over rounds that measure U and `work` in turn."""
    unit = unit_work()
    pairs = [(median_seconds(unit, 30), median_seconds(work, 3)) for _ in range(rounds)]
    return statistics.median(seconds / u for u, seconds in pairs), statistics.median(seconds for _, seconds in pairs)

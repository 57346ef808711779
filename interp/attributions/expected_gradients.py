"""Expected gradients, also called GradientSHAP (Erion et al. 2021)."""

from dataclasses import dataclass, field, replace
from typing import Any

import tensorflow as tf

from interp.attributions.attribution import Attribution, Maps
from interp.attributions.baselines import baseline_images, check_baseline
from interp.attributions.gradients import OfGradients
from interp.attributions.relu_rules import STEEPNESS
from interp.core.checks import check_number
from interp.models.prepared import PreparedModel

# While an attack searches: so many samples at most. What it finds is measured with all.
SEARCHED = 4
# Keeps these draws apart from the noise of an ensemble with the same seed.
STREAM = 2**20


@dataclass(frozen=True, eq=False)
class ExpectedGradients(OfGradients):
    """Mean of (image - baseline) times the gradient at a random place between them (Erion et al. 2021).

    Maps have the shape of the images; the method is also called GradientSHAP. Each of the samples draws one of the
    baselines and a place on the straight way from it to the image. The sum of a map is f(image) minus the mean
    f(baseline), up to the error of the draws. Attacks search with four samples at most.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        softplus: Steepness, above 0, of the softplus whose derivative ReLU passes back in place of its step (default:
            none; attacks search with 20).
        baselines: Images (k, height, width, channels) to draw from, such as some of the training set, or a value in
            [0, 1], an image (height, width, channels), "mean" (of each image and channel) or "blur" (each image after a
            Gaussian blur).
        samples: Number of samples that are drawn for each image, at least 1.
        seed: Seed of all random draws, which depend on the place of an image among the images, too.
        at_once: Whether all samples are in memory at once: for training.

    Raises:
        InputError: A setting is out of its range or unknown; when called, images and baselines differ in shape.

    Example:
        `ExpectedGradients(model, baselines=train_images[:100], samples=200)(images, labels)`
    """

    baselines: Any = field(default=0.0, kw_only=True)
    samples: int = field(default=50, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    # All samples in memory at once, as IntegratedGradients has it.
    at_once: bool = field(default=False, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "baselines", check_baseline("baselines", self.baselines))
        check_number("samples", self.samples, minimum=1, whole=True, maximum=1_000_000)
        check_number("seed", self.seed, minimum=0, whole=True)

    def for_search(self) -> "ExpectedGradients":
        return replace(self, samples=min(self.samples, SEARCHED), softplus=self.softplus or STEEPNESS)

    def for_training(self) -> Attribution:
        return replace(self.for_search(), at_once=True)

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        images = model.leave(points)
        baselines = baseline_images("baselines", self.baselines, images)
        chosen, positions = self.draws(rows, baselines.shape[1])
        positions = tf.cast(positions, images.dtype)
        total = tf.shape(images)[0] * self.samples

        def add(first: tf.Tensor, summed: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            index = tf.range(first, tf.minimum(first + count, total))
            places, sample = index // self.samples, index % self.samples
            drawn = tf.stack([places, sample], -1)
            # All images share baselines that are given.
            shared = tf.zeros_like(places) if baselines.shape[0] == 1 else places
            start = tf.gather_nd(baselines, tf.stack([shared, tf.gather_nd(chosen, drawn)], -1))
            way = tf.gather(images, places) - start
            between = start + tf.gather_nd(positions, drawn)[:, None, None, None] * way
            between.set_shape([None, *images.shape[1:]])
            gradient, _ = self.label_gradient(model, model.enter(between), tf.gather(labels, places))
            return first + count, tf.tensor_scatter_nd_add(summed, places[:, None], way * gradient)

        zero = tf.zeros_like(images)
        if self.at_once:
            summed = add(tf.constant(0), zero, total)[1]
        else:
            chunk = tf.constant(self.points_at_a_time(tuple(images.shape[1:])))
            _, summed = tf.while_loop(
                lambda first, _: first < total,
                lambda first, summed: add(first, summed, chunk),
                (tf.constant(0), zero),
                parallel_iterations=1,
            )
        return Maps(summed / self.samples, model.logits(points))

    def draws(self, rows: tf.Tensor, count: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Which of `count` baselines, and where on the way from it in [0, 1): (n, samples) each for the images at `rows`."""
        shape = [self.samples]

        def draw(row: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            seed = tf.random.fold_in(tf.stack([self.seed, row]), STREAM)
            chosen = tf.random.stateless_uniform(shape, tf.random.fold_in(seed, 0), 0, count, tf.int32)
            return chosen, tf.random.stateless_uniform(shape, tf.random.fold_in(seed, 1))

        return tf.map_fn(draw, rows, fn_output_signature=(tf.TensorSpec(shape, tf.int32), tf.TensorSpec(shape)))

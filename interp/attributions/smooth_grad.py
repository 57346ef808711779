"""Ensembles over noisy copies of an image: SmoothGrad, its squares and its variance."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import keras
import numpy as np
import tensorflow as tf

from interp.attributions.attribution import VALUES, Attribution, Maps
from interp.attributions.chunks import in_chunks
from interp.attributions.gradients import OfOneClass, VanillaGradient, gradient_of, of_labels
from interp.attributions.relu_rules import relu_gradient
from interp.core.checks import check_instance, check_number
from interp.models.prepared import PreparedModel

# While an attack searches: so many samples at most, the first of them. What it finds is measured with all.
SEARCHED = 4
# Uniform numbers below it count as this, whose logarithm is finite: that of TensorFlow.
SMALLEST_UNIFORM = 1e-7


@dataclass(frozen=True, eq=False)
class NoiseEnsemble(OfOneClass):
    """A statistic of the raw maps of `samples` noisy copies of each image, by any `attribution`, whose model it takes.

    The noise is Gaussian, of standard deviation `noise_level` times (maximum - minimum of the image), and not clipped. It depends
    on `seed` and the place of an image among the images.
    """

    centred: ClassVar[bool] = False
    sums_gradients: ClassVar[bool] = False

    model: keras.Model | None = field(default=None, init=False, repr=False)
    attribution: Attribution = VanillaGradient()  # noqa: RUF009, it is frozen
    samples: int = field(default=50, kw_only=True)
    noise_level: float = field(default=0.15, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    # All samples in memory at once, as IntegratedGradients has it. Inside a loop TensorFlow softens the first derivative of ReLU too.
    at_once: bool = field(default=False, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        example = "VanillaGradient(model)"
        check_instance(f"the attribution of {type(self).__name__}", self.attribution, Attribution, example)
        object.__setattr__(self, "model", self.attribution.model)
        super().__post_init__()
        check_number("samples", self.samples, minimum=1, whole=True, maximum=1_000_000)
        check_number("noise_level", self.noise_level, minimum=0)
        check_number("seed", self.seed, minimum=0, whole=True)

    def for_search(self) -> Attribution:
        return replace(self, attribution=self.attribution.for_search(), samples=min(self.samples, SEARCHED))

    def for_training(self) -> Attribution:
        return replace(self, attribution=self.attribution.for_training(), at_once=True)

    def with_model(self, model: keras.Model | None) -> Self:
        return replace(self, attribution=self.attribution.with_model(model))

    def find_layer(self, model: keras.Model | None, few: tf.Tensor) -> str | None:
        return self.attribution.find_layer(model, few)

    @property
    def name(self) -> str:
        return f"{type(self).__name__}({self.attribution.name})"

    @property
    def _depth(self) -> int:
        """How many ensembles stand inside this one, each with noise of its own."""
        inner = self.attribution
        return 1 + inner._depth if isinstance(inner, NoiseEnsemble) else 0

    @abstractmethod
    def statistic(self, mean: tf.Tensor, mean_square: tf.Tensor) -> tf.Tensor:
        """The statistic from mean and mean square of the maps, measured from the map without noise where `centred`."""

    def points_at_a_time(self, shape: tuple[int, ...]) -> int:
        if self.chunk_size is None:
            return self.attribution.points_at_a_time(shape)
        return super().points_at_a_time(shape)

    def images_at_a_time(self, shape: tuple[int, ...]) -> int:
        return max(1, self.points_at_a_time(shape) // self._samples_at_a_time(shape))

    def _samples_at_a_time(self, shape: tuple[int, ...]) -> int:
        """Drawn together: by the size of the images alone, so that no chunk size changes the noise."""
        return max(1, min(self.samples, VALUES // int(np.prod(shape))))

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        logits = model.logits(points)
        # A subclass may make something else of the gradient.
        if self.sums_gradients and type(self.attribution) is VanillaGradient:
            return Maps(self._mean_gradient(model, points, labels, rows, self.attribution.softplus), logits)

        def explain(*noisy: tf.Tensor) -> tf.Tensor:
            return self.attribution.pictures(model, *noisy)[0]

        # Where it is not used TensorFlow leaves the clean map out.
        clean = explain(points, labels, rows)
        zero = tf.zeros(tf.concat([tf.shape(points)[:1], clean.shape[1:]], 0), clean.dtype)
        centre = clean if self.centred else zero

        def add(maps: tf.Tensor, sums: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
            maps = maps - centre[:, None]
            return sums[0] + tf.reduce_sum(maps, 1), sums[1] + tf.reduce_sum(maps * maps, 1)

        total, squares = self._add_up(explain, add, (zero, zero), model, points, labels, rows)
        return Maps(self.statistic(total / self.samples, squares / self.samples), logits)

    def _mean_gradient(
        self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor, softplus: float | None
    ) -> tf.Tensor:
        """The mean of plain gradients, summed before they are brought back to pixels."""

        def gradient(noisy: tf.Tensor, labels: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            lifted = model.lift(noisy)
            with relu_gradient(model.model, "gradient", lifted, softplus=softplus):
                return gradient_of(of_labels(model.logits_of_lifted(lifted), labels), lifted)

        def add(gradients: tf.Tensor, sums: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
            return (sums[0] + tf.reduce_sum(gradients, 1),)

        zero = tf.zeros_like(model.lift(points))
        (total,) = self._add_up(gradient, add, (zero,), model, points, labels, rows)
        return model.leave(model.pull_back(points, total / self.samples))

    def _add_up(
        self,
        function: Callable[..., tf.Tensor],
        add: Callable[[tf.Tensor, Any], tuple[tf.Tensor, ...]],
        zeros: tuple[tf.Tensor, ...],
        model: PreparedModel,
        points: tf.Tensor,
        labels: tf.Tensor,
        rows: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        """Sums over all samples by `add`, of `function(points, labels, rows)` of noisy copies (n, count, ...)."""
        images = model.leave(points)
        shape = tuple(images.shape[1:])
        together, chunk = self._samples_at_a_time(shape), self.points_at_a_time(shape)
        sigma = self.noise_level * (tf.reduce_max(images, (1, 2, 3)) - tf.reduce_min(images, (1, 2, 3)))

        def add_block(first: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
            count = tf.minimum(together, self.samples - first)
            noise = tf.cast(self._noise(rows, first // together, together, shape)[:, :count], images.dtype)
            noisy = tf.reshape(images[:, None] + sigma[:, None, None, None, None] * noise, [-1, *shape])
            # Who draws numbers of its own, such as the random baseline, draws the same ones for all copies of an image.
            arrays = model.enter(noisy), tf.repeat(labels, count), tf.repeat(rows, count)
            whole = self.at_once or together <= chunk
            found = function(*arrays) if whole else in_chunks(function, arrays, chunk, images.dtype)
            found = tf.reshape(found, tf.concat([[tf.shape(images)[0], count], tf.shape(sums[0])[1:]], 0))
            return first + count, *add(found, sums)

        if self.at_once:
            sums = zeros
            for first in range(0, self.samples, together):
                sums = add_block(tf.constant(first), *sums)[1:]
            return sums
        return tf.while_loop(
            lambda first, *_: first < self.samples, add_block, (tf.constant(0), *zeros), parallel_iterations=1
        )[1:]

    def _noise(self, rows: tf.Tensor, block: tf.Tensor, together: int, shape: tuple[int, ...]) -> tf.Tensor:
        """Standard normal (n, together, height, width, channels); a draw for each image and block of samples."""
        drawn = [together, *shape]

        def draw(row: tf.Tensor) -> tf.Tensor:
            seed = tf.random.fold_in(tf.stack([self.seed, row]), self._depth)
            return standard_normal(drawn, tf.random.fold_in(seed, block))

        return tf.map_fn(draw, rows, fn_output_signature=tf.TensorSpec(drawn))


def standard_normal(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """`tf.random.stateless_normal(shape, seed)` to rounding in float32, in six tenths of its time.

    Both make two normal numbers of two uniform ones (Box and Muller 1958): TensorFlow one pair after the other, this all together.
    """
    count = math.prod(shape)
    uniform = tf.random.stateless_uniform([-(-count // 2), 2], seed)
    # Read as complex numbers, the two of each pair come apart and together without a copy by steps of two.
    pairs = tf.bitcast(uniform, tf.complex64)
    radius = tf.sqrt(-2 * tf.math.log(tf.maximum(tf.math.real(pairs), SMALLEST_UNIFORM)))
    angle = 2 * math.pi * tf.math.imag(pairs)
    normal = tf.bitcast(tf.complex(radius * tf.sin(angle), radius * tf.cos(angle)), tf.float32)
    return tf.reshape(tf.reshape(normal, [-1])[:count], shape)


@dataclass(frozen=True, eq=False)
class SmoothGrad(NoiseEnsemble):
    """Mean of the maps of noisy copies of each image (Smilkov et al. 2017).

    The noise is Gaussian and not clipped. Attacks search with four samples at most.

    Args:
        attribution: The method whose maps are taken, with its model; without one the ensemble is a description alone
            (default: VanillaGradient()).
        chunk_size: Number of images in memory at a time (default: that of the attribution).
        samples: Number of noisy copies of each image, at least 1.
        noise_level: Standard deviation of the noise, in shares of (maximum - minimum of the image); at least 0.
        seed: Seed of all random draws, which depend on the place of an image among the images, too.
        at_once: Whether all samples are in memory at once: for training.

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    sums_gradients = True

    def statistic(self, mean: tf.Tensor, mean_square: tf.Tensor) -> tf.Tensor:
        return mean


@dataclass(frozen=True, eq=False)
class SmoothGradSquared(NoiseEnsemble):
    """Mean of the squared maps of noisy copies of each image (Hooker et al. 2019).

    The noise is Gaussian and not clipped. Attacks search with four samples at most.

    Args:
        attribution: The method whose maps are taken, with its model; without one the ensemble is a description alone
            (default: VanillaGradient()).
        chunk_size: Number of images in memory at a time (default: that of the attribution).
        samples: Number of noisy copies of each image, at least 1.
        noise_level: Standard deviation of the noise, in shares of (maximum - minimum of the image); at least 0.
        seed: Seed of all random draws, which depend on the place of an image among the images, too.
        at_once: Whether all samples are in memory at once: for training.

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    def statistic(self, mean: tf.Tensor, mean_square: tf.Tensor) -> tf.Tensor:
        return mean_square


@dataclass(frozen=True, eq=False)
class SmoothGradVar(NoiseEnsemble):
    """Variance of the maps of noisy copies of each image, VarGrad (Adebayo et al. 2018).

    The noise is Gaussian and not clipped. Attacks search with four samples at most.

    Args:
        attribution: The method whose maps are taken, with its model; without one the ensemble is a description alone
            (default: VanillaGradient()).
        chunk_size: Number of images in memory at a time (default: that of the attribution).
        samples: Number of noisy copies of each image, at least 1.
        noise_level: Standard deviation of the noise, in shares of (maximum - minimum of the image); at least 0.
        seed: Seed of all random draws, which depend on the place of an image among the images, too.
        at_once: Whether all samples are in memory at once: for training.

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    # Measured from the map without noise, small variances of large maps do not drown in rounding.
    centred = True

    def statistic(self, mean: tf.Tensor, mean_square: tf.Tensor) -> tf.Tensor:
        return tf.maximum(mean_square - mean * mean, 0)

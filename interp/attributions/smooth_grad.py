"""Ensembles over noisy copies of an image: SmoothGrad, its squares and its variance."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import tensorflow as tf

from interp.attributions.attribution import VALUES, Attribution
from interp.attributions.explained import Explained, gradient_of, of_labels
from interp.attributions.vanilla_gradient import VanillaGradient
from interp.core.checks import check_instance, check_number
from interp.models.recorded_model import RecordedModel


class NoiseEnsemble(Attribution):
    """A statistic of the raw maps of `samples` noisy copies of each image, by any attribution.

    The noise is Gaussian, of standard deviation `noise_level` times (maximum - minimum of the image), and not clipped. It depends
    on `seed` and the place of an image among the images.
    """

    centred: ClassVar[bool] = False
    sums_gradients: ClassVar[bool] = False

    def __init__(
        self,
        attribution: Attribution,
        *,
        samples: int = 50,
        noise_level: float = 0.15,
        seed: int = 0,
        chunk_size: int | None = None,
    ) -> None:
        check_instance(f"the attribution of {type(self).__name__}", attribution, Attribution, "VanillaGradient(model)")
        super().__init__(attribution.model, layer=attribution.layer, chunk_size=chunk_size)
        check_number("samples", samples, minimum=1, whole=True, maximum=1_000_000)
        check_number("noise_level", noise_level, minimum=0)
        check_number("seed", seed, minimum=0, whole=True)
        self.attribution, self.samples, self.noise_level, self.seed = attribution, samples, noise_level, seed

    @property
    def _depth(self) -> int:
        """How many ensembles stand inside this one, each with noise of its own."""
        inner = self.attribution
        return 1 + inner._depth if isinstance(inner, NoiseEnsemble) else 0

    @property
    def name(self) -> str:
        return f"{type(self).__name__}({self.attribution.name})"

    @abstractmethod
    def _statistic(self, mean: tf.Tensor, mean_square: tf.Tensor) -> tf.Tensor:
        """The statistic from mean and mean square of the maps, measured from the map without noise where `centred`."""

    def chunk_size(self, shape: tuple[int, ...]) -> int:
        return self._chunk_size or self.attribution.chunk_size(shape)

    def _look_inside(self, few: tf.Tensor) -> tuple[RecordedModel | None, str | None]:
        return self.attribution._look_inside(few)

    def _images_at_a_time(self, shape: tuple[int, ...]) -> int:
        return max(1, self.chunk_size(shape) // self._samples_at_a_time(shape))

    def _samples_at_a_time(self, shape: tuple[int, ...]) -> int:
        """Drawn together: by the size of the images alone, so that no chunk size changes the noise."""
        size = 1
        for side in shape:
            size *= int(side)
        return max(1, min(self.samples, VALUES // size))

    def _maps(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        shape = tuple(images.shape[1:])
        together, chunk = self._samples_at_a_time(shape), self.chunk_size(shape)
        sigma = self.noise_level * (tf.reduce_max(images, (1, 2, 3)) - tf.reduce_min(images, (1, 2, 3)))
        if self.sums_gradients and isinstance(self.attribution, VanillaGradient):
            return (self._mean_gradient(explained, images, labels, rows, sigma),)

        def explain(*noisy: tf.Tensor) -> tf.Tensor:
            return self.attribution._maps(explained, *noisy)[0]

        # Where it is not used TensorFlow leaves the clean map out.
        clean = explain(images, labels, rows)
        zero = tf.zeros(tf.concat([tf.shape(images)[:1], clean.shape[1:]], 0))
        centre = clean if self.centred else zero

        def add(first: tf.Tensor, total: tf.Tensor, squares: tf.Tensor) -> tuple[tf.Tensor, ...]:
            flat, count = self._noisy(images, rows, sigma, first)
            # Who draws numbers of its own, such as the random baseline, draws the same ones for all copies of an image.
            arrays = flat, tf.repeat(labels, count), tf.repeat(rows, count)
            maps = explain(*arrays) if together <= chunk else _in_chunks(explain, arrays, chunk)
            maps = tf.reshape(maps, tf.concat([[tf.shape(images)[0], count], clean.shape[1:]], 0)) - centre[:, None]
            return first + count, total + tf.reduce_sum(maps, 1), squares + tf.reduce_sum(maps * maps, 1)

        _, total, squares = tf.while_loop(
            lambda first, *_: first < self.samples, add, (tf.constant(0), zero, zero), parallel_iterations=1
        )
        return (self._statistic(total / self.samples, squares / self.samples),)

    def _mean_gradient(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor, sigma: tf.Tensor
    ) -> tf.Tensor:
        """The mean of plain gradients, summed before they are brought back to pixels."""
        forward, shape = explained.forward_of_images(), tuple(images.shape[1:])
        together, chunk = self._samples_at_a_time(shape), self.chunk_size(shape)

        def gradient(noisy: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            lifted = forward.lift(noisy)
            return gradient_of(of_labels(forward.logits_of_lifted(lifted), labels), lifted)

        zero = tf.zeros_like(forward.lift(images))

        def add(first: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            flat, count = self._noisy(images, rows, sigma, first)
            arrays = flat, tf.repeat(labels, count)
            gradients = gradient(*arrays) if together <= chunk else _in_chunks(gradient, arrays, chunk)
            gradients = tf.reshape(gradients, tf.concat([[tf.shape(images)[0], count], tf.shape(zero)[1:]], 0))
            return first + count, total + tf.reduce_sum(gradients, 1)

        total = tf.while_loop(
            lambda first, _: first < self.samples, add, (tf.constant(0), zero), parallel_iterations=1
        )[1]
        return forward.pull_back(images, total / self.samples)

    def _noisy(
        self, images: tf.Tensor, rows: tf.Tensor, sigma: tf.Tensor, first: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The block of samples that begins at `first`, (n * count, height, width, channels), and how many it has of each image."""
        shape = tuple(images.shape[1:])
        together = self._samples_at_a_time(shape)
        count = tf.minimum(together, self.samples - first)
        noise = self._noise(rows, first // together, together, shape)[:, :count]
        return tf.reshape(images[:, None] + sigma[:, None, None, None, None] * noise, [-1, *shape]), count

    def _noise(self, rows: tf.Tensor, block: tf.Tensor, together: int, shape: tuple[int, ...]) -> tf.Tensor:
        """Standard normal (n, together, height, width, channels); a draw for each image and block of samples."""
        drawn = [together, *shape]

        def draw(row: tf.Tensor) -> tf.Tensor:
            seed = tf.random.fold_in(tf.stack([self.seed, row]), self._depth)
            return tf.random.stateless_normal(drawn, tf.random.fold_in(seed, block))

        return tf.map_fn(draw, rows, fn_output_signature=tf.TensorSpec(drawn))


def _in_chunks(function: Callable[..., tf.Tensor], arrays: tuple[tf.Tensor, ...], chunk_size: int) -> tf.Tensor:
    """`function` of all rows of the arrays, `chunk_size` of them at a time."""
    total = tf.shape(arrays[0])[0]
    count = -(-total // chunk_size)
    parts = tf.TensorArray(tf.float32, count, infer_shape=False)

    def add(number: tf.Tensor, parts: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        chunk = slice(number * chunk_size, (number + 1) * chunk_size)
        return number + 1, parts.write(number, function(*(array[chunk] for array in arrays)))

    return tf.while_loop(lambda number, _: number < count, add, (tf.constant(0), parts), parallel_iterations=1)[
        1
    ].concat()


class SmoothGrad(NoiseEnsemble):
    """Mean of the maps of noisy copies (Smilkov et al. 2017)."""

    sums_gradients = True

    def _statistic(self, mean: tf.Tensor, mean_square: tf.Tensor) -> tf.Tensor:
        return mean


class SmoothGradSquared(NoiseEnsemble):
    """Mean of the squared maps of noisy copies (Hooker et al. 2019)."""

    def _statistic(self, mean: tf.Tensor, mean_square: tf.Tensor) -> tf.Tensor:
        return mean_square


class SmoothGradVar(NoiseEnsemble):
    """Variance of the maps of noisy copies, VarGrad (Adebayo et al. 2018)."""

    # Measured from the map without noise, small variances of large maps do not drown in rounding.
    centred = True

    def _statistic(self, mean: tf.Tensor, mean_square: tf.Tensor) -> tf.Tensor:
        return tf.maximum(mean_square - mean * mean, 0)

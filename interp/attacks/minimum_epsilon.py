"""The smallest l_inf radius at which a targeted attack succeeds (Boopathy et al. 2020, section 6)."""

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.classification import target_margin
from interp.attacks.loop import Evaluation
from interp.attacks.targeted import DIRECTIONS, REFERENCE_SCALE, TargetedSteps
from interp.core.balls import LinfBall
from interp.core.checks import check_images, check_labels, check_number
from interp.core.compiled import CompiledFunctions, run_in_batches
from interp.core.errors import InputError, check_choice
from interp.models.forward import prepare_forward
from interp.models.model_check import check_model

FIRST_RADIUS = 0.05


@dataclasses.dataclass(frozen=True)
class Smallest:
    """What was found for each image: adversarial images (n, height, width, channels), their radii (n,), and which were broken.

    An image that no radius up to 1 broke has the radius NaN and is returned as it came.
    """

    adversarial: np.ndarray
    epsilons: np.ndarray
    broken: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class MinimumEpsilon:
    """Bisection of the radius per image, all inside one compiled graph; `attack(model, images, targets)` gives a Smallest.

    Each of `rounds` radii, from 0.05 on and up to 1, is tried by `steps` steps that start in turn at the image and at random.
    Images that no radius broke are searched again, up to `restarts` times, from random shades of grey: away from all images, where
    gradients that training flattened around them are of use again. `direction="reference"` starts at the image only and steps as
    the paper's code does (with 10 steps), see TargetedSteps. Raises InputError.
    """

    rounds: int = 10
    steps: int = 20
    restarts: int = 5
    direction: str = "sign"
    _compiled: CompiledFunctions = dataclasses.field(default_factory=CompiledFunctions, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_number("rounds", self.rounds, minimum=1, whole=True)
        check_number("steps", self.steps, minimum=1, whole=True)
        check_number("restarts", self.restarts, minimum=0, whole=True)
        check_choice("direction", self.direction, DIRECTIONS)

    def __call__(
        self, model: keras.Model, images: Any, targets: Any, *, seed: int = 0, batch_size: int = 250
    ) -> Smallest:
        """Search for each image (n, height, width, channels) in [0, 1] the smallest radius that makes the model see `targets` (n,)."""
        check_number("seed", seed, minimum=0, whole=True)
        check_number("batch_size", batch_size, minimum=1, whole=True)
        originals = check_images(images)
        wanted = check_labels(targets, originals, check_model(model, originals))
        found, radii = originals.numpy(), np.full(len(originals), np.inf, np.float32)
        for restart in range(1 + self.restarts * (self.direction == "sign")):
            rows = np.flatnonzero(np.isinf(radii))
            if not len(rows):
                break
            search = self._compile(model, originals, restart)
            draws = _offsets(originals, seed) if restart == 0 else _greys(originals, (seed, restart))
            arrays = tuple(tf.gather(array, rows) for array in (originals, wanted, draws))
            found[rows], radii[rows] = (part.numpy() for part in run_in_batches(search, arrays, batch_size))
        if not np.isfinite(found).all():
            raise InputError("the model's gradient is NaN or infinite on some of the images, so they cannot be attacked")
        broken = np.isfinite(radii)
        return Smallest(found, np.where(broken, radii, np.nan), broken)

    def _compile(self, model: keras.Model, images: tf.Tensor, restart: int) -> Any:
        batch = tf.TensorSpec([None, *images.shape[1:]], tf.float32)
        rows = [batch, tf.TensorSpec([None], tf.int64), batch]
        numbers = int(self.rounds), int(self.steps), REFERENCE_SCALE / len(images), int(restart)

        def run(*arguments: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return self._search(model, *arguments)

        return self._compiled.bind(model, (self.direction, tuple(images.shape[1:])), run, rows, numbers)

    def _search(
        self,
        model: keras.Model,
        images: tf.Tensor,
        targets: tf.Tensor,
        draws: tf.Tensor,
        rounds: tf.Tensor,
        steps: tf.Tensor,
        scale: tf.Tensor,
        restart: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        targeted = TargetedSteps(self.direction, steps, scale)
        forward = prepare_forward(model, rearrange=True)
        clean, drawn = forward.enter(images), forward.enter(draws)

        def objective(points: tf.Tensor) -> Evaluation:
            value = -target_margin(forward.logits(points), targets)
            return Evaluation(value, value)

        def try_radius(
            number: tf.Tensor,
            radius: tf.Tensor,
            low: tf.Tensor,
            high: tf.Tensor,
            best: tf.Tensor,
            smallest: tf.Tensor,
        ) -> tuple[tf.Tensor, ...]:
            each = radius[:, None, None, None]
            project = LinfBall().projection(images, each, forward.enter)
            # Every other radius is tried from the image itself: far from images many networks have no useful gradient.
            near = clean + tf.cast(number % 2, tf.float32) * each * drawn
            start = project(tf.where(restart > 0, drawn, near)) if targeted.by_sign else clean
            found = targeted.run(objective, start, radius, project)
            broken = objective(found).value > 0
            better = broken & (radius < smallest)
            best = tf.where(better[:, None, None, None], found, best)
            smallest = tf.where(better, radius, smallest)
            low, high = tf.where(broken, low, radius), tf.where(broken, radius, high)
            middle = (low + high) / 2
            radius = tf.where(broken, middle, tf.minimum(2 * radius, middle))
            return number + 1, radius, low, high, best, smallest

        none = tf.zeros_like(targets, tf.float32)
        state = (0, none + FIRST_RADIUS, none, none + 1, clean, none + np.inf)
        *_, best, smallest = tf.while_loop(lambda number, *_: number < rounds, try_radius, state)
        return forward.leave(best), smallest


def _offsets(images: tf.Tensor, seed: int) -> tf.Tensor:
    return LinfBall().random(tf.shape(images), tf.constant(1.0), tf.constant([seed, 0], tf.int64))


def _greys(images: tf.Tensor, seed: tuple[int, int]) -> tf.Tensor:
    """One shade an image, with a little noise."""
    shades = tf.random.stateless_uniform((len(images), 1, 1, 1), seed)
    noise = tf.random.stateless_uniform(tf.shape(images), (seed[0] + 1, seed[1]), -0.1, 0.1)
    return tf.clip_by_value(shades + noise, 0.0, 1.0)

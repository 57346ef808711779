"""The smallest l_inf radius at which a targeted attack succeeds (Boopathy et al. 2020, section 6)."""

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.classification import target_margin
from interp.attacks.loop import Evaluation, ascend
from interp.core.balls import LinfBall
from interp.core.checks import check_images, check_labels, check_number
from interp.core.compiled import CompiledFunctions, run_in_batches
from interp.core.errors import InputError, check_choice
from interp.models.forward import prepare_forward
from interp.models.model_check import check_model

DIRECTIONS = ("sign", "reference")
FIRST_RADIUS = 0.05
STEP_FRACTION = 0.2
# The paper's code multiplies the gradient of a batch mean by this before it clips it to [-1, 1].
REFERENCE_SCALE = 1000.0


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

    Each of `rounds` radii, from 0.05 on and up to 1, is tried by `steps` shrinking steps, at first a fifth of it, along the sign of
    the target margin's gradient; they start in turn at the image and at random, and the worst iterate counts.
    `direction="reference"` starts at the image, follows the clipped gradient with even steps, and takes the last iterate, as the
    paper's code does (with 10 steps): it hardly moves where gradients are small. Raises InputError.
    """

    rounds: int = 10
    steps: int = 20
    direction: str = "sign"
    _compiled: CompiledFunctions = dataclasses.field(default_factory=CompiledFunctions, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_number("rounds", self.rounds, minimum=1, whole=True)
        check_number("steps", self.steps, minimum=1, whole=True)
        check_choice("direction", self.direction, DIRECTIONS)

    def __call__(
        self, model: keras.Model, images: Any, targets: Any, *, seed: int = 0, batch_size: int = 250
    ) -> Smallest:
        """Search for each image (n, height, width, channels) in [0, 1] the smallest radius that makes the model see `targets` (n,)."""
        check_number("seed", seed, minimum=0, whole=True)
        check_number("batch_size", batch_size, minimum=1, whole=True)
        originals = check_images(images)
        wanted = check_labels(targets, originals, check_model(model, originals))
        noise = LinfBall().random(tf.shape(originals), tf.constant(1.0), tf.constant([seed, 0], tf.int64))
        batch = tf.TensorSpec([None, *originals.shape[1:]], tf.float32)
        rows = [batch, tf.TensorSpec([None], tf.int64), batch]
        numbers = int(self.rounds), int(self.steps), REFERENCE_SCALE / originals.shape[0]

        def run(*arguments: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return self._search(model, *arguments)

        compiled = self._compiled.bind(model, (self.direction, tuple(originals.shape[1:])), run, rows, numbers)
        found, radii = (part.numpy() for part in run_in_batches(compiled, (originals, wanted, noise), batch_size))
        if not np.isfinite(found).all():
            raise InputError(
                "the model's gradient is NaN or infinite on some of the images, so they cannot be attacked"
            )
        return Smallest(found, np.where(np.isfinite(radii), radii, np.nan), np.isfinite(radii))

    def _search(
        self,
        model: keras.Model,
        images: tf.Tensor,
        targets: tf.Tensor,
        noise: tf.Tensor,
        rounds: tf.Tensor,
        steps: tf.Tensor,
        scale: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        ball, by_sign = LinfBall(), self.direction == "sign"
        forward = prepare_forward(model, rearrange=True)
        clean, offset = forward.enter(images), forward.enter(noise)

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
            project = ball.projection(images, each, forward.enter)

            def move(points: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
                if not by_sign:
                    return project(points + STEP_FRACTION * each * tf.clip_by_value(scale * gradient, -1.0, 1.0))
                shrink = 1 - tf.cast(step, tf.float32) / tf.cast(steps, tf.float32)
                return project(points + STEP_FRACTION * shrink * each * ball.steepest(gradient))

            # Every other radius is tried from the image itself: far from images many networks have no useful gradient.
            start = project(clean + tf.cast(number % 2, tf.float32) * each * offset) if by_sign else clean
            found = ascend(objective, move, start, steps, keep_worst=by_sign)
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

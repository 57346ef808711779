"""The smallest l_inf radius at which a targeted attack succeeds (Boopathy et al. 2020, section 6)."""

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.classification import target_margin
from interp.attacks.loop import Evaluation, Objective, Rows, choose, until_broken, value_and_gradient, worse
from interp.attacks.targeted import DIRECTIONS, REFERENCE_SCALE, TargetedSteps
from interp.core.balls import LinfBall
from interp.core.checks import MOST_STEPS, check_images, check_labels, check_number
from interp.core.compiled import CompiledFunctions, run_in_batches
from interp.core.errors import InputError, check_choice
from interp.models.model_check import check_model_once
from interp.models.prepared import prepare

FIRST_RADIUS, RESTART_RADIUS = 0.05, 0.5


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
    Images that no radius broke are searched again from `restarts` random shades of grey: away from all images, where gradients that
    training flattened around them are of use again. `direction="reference"` starts at the image only and steps as the paper's code
    does (with 10 steps), see TargetedSteps. Raises InputError.
    """

    rounds: int = 10
    steps: int = 20
    restarts: int = 5
    direction: str = "sign"
    _compiled: CompiledFunctions = dataclasses.field(default_factory=CompiledFunctions, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_number("rounds", self.rounds, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("steps", self.steps, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("restarts", self.restarts, minimum=0, whole=True)
        check_choice("direction", self.direction, DIRECTIONS)

    def __call__(
        self, model: keras.Model, images: Any, targets: Any, *, seed: int = 0, batch_size: int = 250
    ) -> Smallest:
        """Search for each image (n, height, width, channels) in [0, 1] the smallest radius that makes the model see `targets` (n,)."""
        check_number("seed", seed, minimum=0, whole=True)
        check_number("batch_size", batch_size, minimum=1, whole=True)
        originals = check_images(images)
        wanted = check_labels(targets, originals, check_model_once(self._compiled, model, originals))
        found, radii = self._run(model, originals, wanted, _offsets(originals, seed), batch_size)
        rows = np.flatnonzero(np.isinf(radii))
        if len(rows) and self.direction == "sign" and self.restarts:
            again = np.repeat(rows, self.restarts)
            greys = tf.reshape(_greys(originals, rows, self.restarts, seed), (-1, *originals.shape[1:]))
            places = tf.gather(originals, again), tf.gather(wanted, again), greys
            tried, reached = self._run(model, *places, batch_size, restart=True)
            best = reached.reshape(len(rows), -1).argmin(1) + np.arange(len(rows)) * self.restarts
            found[rows], radii[rows] = tried[best], reached[best]
        if np.isnan(radii).any():
            raise InputError(
                f"the model's gradient or logits are NaN or infinite on {np.isnan(radii).sum()} of {len(radii)} images under attack"
            )
        broken = np.isfinite(radii)
        return Smallest(found, np.where(broken, radii, np.nan), broken)

    def _run(
        self,
        model: keras.Model,
        images: tf.Tensor,
        targets: tf.Tensor,
        draws: tf.Tensor,
        batch_size: int,
        *,
        restart: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        batch = tf.TensorSpec([None, *images.shape[1:]], tf.float32)
        rows = [batch, tf.TensorSpec([None], tf.int64), batch]
        numbers = int(self.rounds), int(self.steps), REFERENCE_SCALE / len(images), restart

        def search(*arguments: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return self._search(model, *arguments)

        compiled = self._compiled.bind(model, (self.direction, tuple(images.shape[1:])), search, rows, numbers)
        found, radii = run_in_batches(compiled, (images, targets, draws), batch_size)
        return found.numpy(), radii.numpy()

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
        forward = prepare(model, rearrange=True)
        clean, drawn = forward.enter(images), forward.enter(draws)

        def towards(targets: tf.Tensor) -> Objective:
            def objective(points: tf.Tensor) -> Evaluation:
                value = -target_margin(forward.logits(points), targets)
                return Evaluation(value, value)

            return objective

        def step(number: tf.Tensor, rows: Rows) -> Rows:
            points, radius, limits = rows["points"], rows["radius"], (rows["lower"], rows["upper"])
            gradient, evaluation = value_and_gradient(towards(rows["targets"]), points)
            worst, harm = worse(points, evaluation.harm, rows["worst"], rows["harm"])
            moved = LinfBall().inside(targeted.move(points, gradient, radius, number), limits, radius)
            return {**rows, "points": moved, "worst": worst, "harm": harm}

        def attack(start: tf.Tensor, radius: tf.Tensor, limits: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
            """What was found within the limits, and its harm, positive at the target."""
            if not targeted.by_sign:
                last = targeted.run(towards(targets), start, radius, limits)
                return last, towards(targets)(last).harm
            rows = {"points": start, "targets": targets, "radius": radius, "lower": limits[0], "upper": limits[1]}
            rows |= {"worst": start, "harm": tf.fill(tf.shape(radius), start.dtype.min)}
            # An image that is broken needs no more steps at this radius. One step more, because a step judges where it starts.
            return until_broken(step, rows, steps + 1)

        def try_radius(
            number: tf.Tensor,
            radius: tf.Tensor,
            low: tf.Tensor,
            high: tf.Tensor,
            best: tf.Tensor,
            smallest: tf.Tensor,
        ) -> tuple[tf.Tensor, ...]:
            each = radius[:, None, None, None]
            limits = LinfBall().limits(images, each, forward.enter)
            # Every other radius is tried from the image itself: far from images many networks have no useful gradient.
            near = clean + tf.cast(number % 2, tf.float32) * each * drawn
            far = tf.where(restart, drawn, near)
            start = LinfBall().inside(far, limits, radius) if targeted.by_sign else clean
            found, harm = attack(start, radius, limits)
            broken = harm > 0
            better = broken & (radius < smallest)
            best = choose(better, found, best)
            # No radius is smaller than NaN, so it stays, and is reported at the end.
            smallest = tf.where(tf.math.is_nan(harm), np.float32(np.nan), tf.where(better, radius, smallest))
            low, high = tf.where(broken, low, radius), tf.where(broken, radius, high)
            middle = (low + high) / 2
            radius = tf.where(broken, middle, tf.minimum(2 * radius, middle))
            return number + 1, radius, low, high, best, smallest

        none = tf.zeros_like(targets, tf.float32)
        state = (0, none + tf.where(restart, RESTART_RADIUS, FIRST_RADIUS), none, none + 1, clean, none + np.inf)
        *_, best, smallest = tf.while_loop(lambda number, *_: number < rounds, try_radius, state)
        return forward.leave(best), smallest


def _offsets(images: tf.Tensor, seed: int) -> tf.Tensor:
    return LinfBall().random(tf.shape(images), tf.constant(1.0), tf.constant([seed, 0], tf.int64))


def _greys(images: tf.Tensor, rows: np.ndarray, count: int, seed: int) -> tf.Tensor:
    """`count` shades for each of the rows, (rows, count, height, width, channels), with a little noise that all images share."""
    shades = tf.gather(tf.random.stateless_uniform((len(images), count, 1, 1, 1), (seed, 1)), rows)
    noise = tf.random.stateless_uniform((1, count, *images.shape[1:]), (seed, 2), -0.1, 0.1)
    return tf.clip_by_value(shades + noise, 0.0, 1.0)

"""The smallest radius, in linf or l2, at which a targeted attack succeeds (Boopathy et al. 2020, section 6)."""

import dataclasses
import math
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.attack import numbers, static, structure
from interp.attacks.classification import TINY, target_margin
from interp.attacks.loop import Evaluation, ascend_until_broken
from interp.attacks.targeted import REFERENCE_SCALE, TargetedSteps, Trial, bisect
from interp.core.balls import find_ball
from interp.core.checks import MOST_STEPS, check_images, check_labels, check_number
from interp.core.compiled import bind_for, run_in_batches
from interp.core.errors import InputError, check_choice
from interp.core.names import DIRECTIONS
from interp.core.results import Tabular
from interp.core.tables import Cell, cells_of
from interp.models.model_check import check_model_once
from interp.models.prepared import prepare

# The radius that is tried first. Smallest radii in l2 depend on the size of images far less than the diagonal of their cube does.
FIRST_RADIUS = {"linf": 0.05, "l2": 0.5}
# That of searches far from the image, as a share of the largest one.
RESTART_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class MinimumEpsilonResult(Tabular):
    """What was found for each of n images; one that no radius broke is returned as it came.

    Attributes:
        adversarial: The images, float32 (n, height, width, channels) in [0, 1].
        epsilons: Smallest radius found (n,), in the attack's norm; NaN where none was.
        broken: Booleans (n,), for which of them the target is predicted.
    """

    adversarial: np.ndarray
    epsilons: np.ndarray
    broken: np.ndarray

    def columns(self) -> dict[str, list[Cell]]:
        """A row an image; one that no radius broke has none."""
        return {
            "image": cells_of(np.arange(len(self.broken))),
            "broken": cells_of(self.broken),
            "eps": cells_of(self.epsilons),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class MinimumEpsilon:
    """The smallest radius at which a targeted attack succeeds, bisected per image (Boopathy et al. 2020, section 6).

    `attack(model, images, targets)` returns a MinimumEpsilonResult. Radii in linf begin at 0.05 and go up to 1, in l2
    they begin at 0.5 and go up to the diagonal of the cube of images, sqrt(height * width * channels). Steps start in
    turn at the image and at random.

    Args:
        rounds: Number of radii that are tried for each image, at least 1.
        steps: Number of steps at each radius, at least 1.
        restarts: Number of random shades of grey from which images that no radius broke are searched again by sign, 0
            or more: away from all images, gradients that training flattened around them are of use again.
        direction: "sign" steps along the steepest direction, in linf the gradient's sign; "reference" starts at the
            image only and steps as the paper's code does (with 10 steps), in linf alone.
        norm: Norm of the radii: "linf" (the largest change of a pixel) or "l2" (over all pixels and channels).

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    rounds: int = 10
    steps: int = 20
    restarts: int = 5
    direction: str = static("sign")
    norm: str = static("linf")

    def __post_init__(self) -> None:
        check_number("rounds", self.rounds, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("steps", self.steps, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("restarts", self.restarts, minimum=0, whole=True)
        check_choice("direction", self.direction, DIRECTIONS)
        find_ball(self.norm)
        if self.direction == "reference" and self.norm != "linf":
            raise InputError(
                f"the direction reference is that of the paper's code, whose radii are in linf, and the norm came as {self.norm}: take the "
                "direction sign"
            )

    def __call__(
        self, model: keras.Model, images: Any, targets: Any, *, seed: int = 0, batch_size: int = 250
    ) -> MinimumEpsilonResult:
        """Search the smallest radius of each image.

        Args:
            model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
            images: float32 (n, height, width, channels) in [0, 1].
            targets: Integers (n,), the target classes.
            seed: Seed of all random draws.
            batch_size: Number of images processed at a time; random draws do not depend on it.

        Returns:
            A MinimumEpsilonResult.

        Raises:
            InputError: An argument cannot be used, or the model's gradient or logits are NaN or infinite under attack.
        """
        check_number("seed", seed, minimum=0, whole=True)
        check_number("batch_size", batch_size, minimum=1, whole=True)
        originals = check_images(images)
        wanted = check_labels(targets, originals, check_model_once(model, originals), what="target class")
        offsets = find_ball(self.norm).random(tf.shape(originals), tf.constant(1.0), tf.constant([seed, 0], tf.int64))
        found, radii = self._run(model, originals, wanted, offsets, batch_size)
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
        return MinimumEpsilonResult(found, np.where(broken, radii, np.nan), broken)

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
        arrays = images, targets, draws
        scalars = {**numbers(self), "scale": REFERENCE_SCALE / len(images), "restart": restart}
        compiled = bind_for(model, structure(self), partial(self._search, model), arrays, scalars)
        found, radii = run_in_batches(compiled, arrays, batch_size)
        return found.numpy(), radii.numpy()

    def _search(
        self,
        model: keras.Model,
        images: tf.Tensor,
        targets: tf.Tensor,
        draws: tf.Tensor,
        numbers: Mapping[str, tf.Tensor],
    ) -> tuple[tf.Tensor, tf.Tensor]:
        steps, restart = numbers["steps"], numbers["restart"]
        ball = find_ball(self.norm)
        targeted = TargetedSteps(self.direction, steps, numbers["scale"], ball)
        forward = prepare(model, rearrange=ball.pixelwise)
        clean, drawn = forward.enter(images), forward.enter(draws)

        def objective(points: tf.Tensor, facts: _Facts) -> Evaluation:
            value = -target_margin(forward.logits(points), facts.targets)
            # A target that ties with another class is not predicted: its image goes on.
            return Evaluation(value, tf.where(value == 0, -TINY, value))

        def move(points: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor, facts: _Facts) -> tf.Tensor:
            moved = targeted.move(points, gradient, facts.radius, step)
            return targeted.inside(moved, facts.limits, facts.radius)

        def attack(start: tf.Tensor, facts: _Facts) -> tuple[tf.Tensor, tf.Tensor]:
            """What was found within the limits, and its harm, positive at the target."""
            if targeted.by_sign:
                # An image that is broken needs no more steps at this radius.
                return ascend_until_broken(objective, move, start, facts, steps)
            last = targeted.run(lambda points: objective(points, facts), start, facts.radius, facts.limits)
            return last, objective(last, facts).harm

        def try_radius(number: tf.Tensor, radius: tf.Tensor) -> Trial:
            each = radius[:, None, None, None]
            facts = _Facts(targets, radius, ball.limits(images, each, forward.enter))
            # Every other radius is tried from the image itself: far from images many networks have no useful gradient.
            near = clean + tf.cast(number % 2, tf.float32) * each * drawn
            far = tf.where(restart, drawn, near)
            start = targeted.inside(far, facts.limits, radius) if targeted.by_sign else clean
            found, harm = attack(start, facts)
            broken = harm > 0
            cost = tf.where(tf.math.is_nan(harm), np.float32(np.nan), tf.where(broken, radius, np.inf))
            return Trial(found, cost, ~broken)

        largest = 1.0 if self.norm == "linf" else math.sqrt(math.prod(images.shape[1:]))
        begin = tf.where(restart, RESTART_SHARE * largest, FIRST_RADIUS[self.norm])
        first = tf.zeros_like(targets, tf.float32) + begin
        best, smallest = bisect(try_radius, first, clean, numbers["rounds"], largest)
        return forward.leave(best), smallest


class _Facts(NamedTuple):
    """What belongs to each image at a radius."""

    targets: tf.Tensor
    radius: tf.Tensor
    limits: tuple[tf.Tensor, ...]


def _greys(images: tf.Tensor, rows: np.ndarray, count: int, seed: int) -> tf.Tensor:
    """`count` shades for each of the rows, (rows, count, height, width, channels), with a little noise that all images share."""
    shades = tf.gather(tf.random.stateless_uniform((len(images), count, 1, 1, 1), (seed, 1)), rows)
    noise = tf.random.stateless_uniform((1, count, *images.shape[1:]), (seed, 2), -0.1, 0.1)
    return tf.clip_by_value(shades + noise, 0.0, 1.0)

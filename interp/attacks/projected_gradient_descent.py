"""Projected gradient descent (Madry et al. 2018), and which precision searches faster on this machine."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from interp.attacks.attack import Batch, PredictionAttack, check_steps, static
from interp.attacks.goals import Classes, Untargeted
from interp.attacks.loop import Evaluation, ascend, ascend_until_broken
from interp.core.balls import find_ball
from interp.core.checks import check_instance, check_number
from interp.core.errors import InputError, check_choice
from interp.core.names import ITERATES, PRECISIONS
from interp.models.low_precision import check_precision
from interp.models.network import Network
from interp.models.prepared import prepare

# Of the largest logit: more than bfloat16, with 8 bits, misses it by.
ROUNDING = 0.02
# What `faster_precision` measures, and how much faster bfloat16 must be: near a tie, chance would decide from run to run.
TIMED_IMAGES, TIMED_STEPS, ROUNDS, ENOUGH = 100, 5, 3, 0.85


@dataclass(frozen=True, kw_only=True)
class ProjectedGradientDescent(PredictionAttack):
    """PGD: steps that raise the cross-entropy, by its log odds, within a ball around the image (Madry et al. 2018).

    With a target as `goal` they lower the cross-entropy of the target. Without a random start, and with the last
    iterate, it is the protocol of Boopathy et al. 2020.

    Args:
        goal: What is to be reached: Untargeted() (any class but the label), Targeted(classes), RandomTarget() or
            Likeliest().
        epsilon: Radius of the ball, for images in [0, 1]; in linf at most 1.
        step_size: Size of a step in the norm, for images in [0, 1]; above 0, in linf at most 1.
        steps: Number of steps, at least 1.
        norm: Norm of the ball, "linf" or "l2" (over all pixels and channels).
        random_start: Whether steps start at random in the ball, else at the image.
        restarts: Number of random starts, at least 1; the worst result of each image is returned. More than 1 need
            `random_start`.
        iterate: "last" returns where the steps end, "worst" the most harmful iterate of each image, "first" the first
            that reaches the goal, after which nothing more is spent on the image.
        precision: "float32", or "bfloat16" for gradients, on the package's networks. With the first iterate whether the
            goal is reached is then decided with room for rounding; what is found is judged in float32.

    Raises:
        InputError: A setting is out of its range or unknown; when called, "bfloat16" came for a model that is no
            network of this package.
    """

    epsilon: float
    step_size: float
    steps: int = 40
    norm: str = static("linf")
    random_start: bool = False
    restarts: int = 1
    iterate: str = static("last")
    precision: str = static("float32")

    def __post_init__(self) -> None:
        super().__post_init__()
        find_ball(self.norm)
        check_steps(self.epsilon, self.step_size, self.steps, self.norm)
        check_number("restarts", self.restarts, minimum=1, whole=True)
        check_choice("iterate", self.iterate, ITERATES)
        check_precision(self.precision)
        if self.restarts > 1 and not self.random_start:
            raise InputError(
                f"restarts={self.restarts} without a random start repeats one attack: set random_start=True"
            )

    @property
    def _leaves_broken(self) -> bool:
        return self.iterate == "first"

    def _starts(self, images: tf.Tensor, seed: int) -> Iterator[tuple[tf.Tensor, ...]]:
        if not self.random_start:
            yield (images,)
            return
        ball = find_ball(self.norm)
        for restart in range(self.restarts):
            yield (ball.random_point(images, self.epsilon, (seed, restart)),)

    def _run(self, batch: Batch) -> tf.Tensor:
        epsilon, step_size, steps = (batch.numbers[name] for name in ("epsilon", "step_size", "steps"))
        ball = find_ball(self.norm)
        forward = prepare(batch.model, rearrange=ball.pixelwise, precision=self.precision)
        facts = _Facts(batch.classes, ball.limits(batch.images, epsilon, forward.enter))
        start = forward.enter(batch.draws[0])

        def evaluate(points: tf.Tensor, facts: _Facts) -> Evaluation:
            outputs = forward.logits(points)
            harm = self.goal.harm(outputs, facts.classes)
            if self.precision != "float32" and self.iterate == "first":
                harm -= ROUNDING * tf.reduce_max(tf.abs(outputs), -1)
            return Evaluation(self.goal.value(outputs, facts.classes), harm)

        def move(points: tf.Tensor, gradient: tf.Tensor, _: tf.Tensor, facts: _Facts) -> tf.Tensor:
            return ball.inside(points + step_size * ball.steepest(gradient), facts.limits, epsilon)

        if self.iterate == "first":
            found, _ = ascend_until_broken(evaluate, move, start, facts, steps, images=batch.together)
            return forward.leave(found)
        found = ascend(
            lambda points: evaluate(points, facts),
            lambda points, gradient, step: move(points, gradient, step, facts),
            start,
            steps,
            keep_worst=self.iterate == "worst",
        )
        return forward.leave(found)


class _Facts(NamedTuple):
    """What belongs to each image."""

    classes: Classes
    limits: tuple[tf.Tensor, ...]


def faster_precision(attack: ProjectedGradientDescent, model: keras.Model, images: Any, labels: Any) -> str:
    """Time a short attack in float32 and in bfloat16, and return the faster precision on this machine.

    Args:
        attack: The attack that is to be run; five of its steps are timed, three times in each precision.
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid. One that is no network of this
            package keeps its own precision.
        images: float32 (n, height, width, channels) in [0, 1], of which the first 100 are used.
        labels: Integers (n,), the true classes.

    Returns:
        "bfloat16" where it takes less than 0.85 of the time, else "float32".

    Raises:
        InputError: An argument cannot be used.
    """
    check_instance(
        "the attack",
        attack,
        ProjectedGradientDescent,
        "ProjectedGradientDescent(epsilon=8/255, step_size=2/255, steps=10)",
    )
    check_instance("the model", model, keras.Model, "load_model('mnist_smallgap_int_20')")
    if type(model) is not Network:
        return "float32"
    images, labels = images[:TIMED_IMAGES], labels[:TIMED_IMAGES]
    seconds = {}
    for precision in PRECISIONS:
        # Given targets would be too many for so few images.
        short = replace(attack, steps=TIMED_STEPS, restarts=1, iterate="last", precision=precision, goal=Untargeted())
        short(model, images, labels)  # compiles
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            short(model, images, labels)
            times.append(time.perf_counter() - began)
        seconds[precision] = statistics.median(times)
    return "bfloat16" if seconds["bfloat16"] < ENOUGH * seconds["float32"] else "float32"

"""Projected gradient descent (Madry et al. 2018)."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import tensorflow as tf

from interp.attacks.attack import Attack, Batch, check_steps
from interp.attacks.classification import log_odds_against, margin
from interp.attacks.loop import Evaluation, Rows, ascend, until_broken, value_and_gradient, worse
from interp.core.balls import find_ball
from interp.core.checks import check_number
from interp.core.errors import InputError, check_choice
from interp.models.forward import prepare_forward
from interp.models.low_precision import check_precision

ITERATES = ("last", "worst", "first")
# Of the largest logit: more than bfloat16, with 8 bits, misses it by.
ROUNDING = 0.02


@dataclass(frozen=True, kw_only=True)
class ProjectedGradientDescent(Attack):
    """Steps of size `step_size` that raise the cross-entropy, by its log odds, within `epsilon` of the image in the `norm` linf or l2.

    Without `random_start` the attack starts at the image, and `iterate="last"` returns where it ends: the protocol of
    Boopathy et al. 2020. `restarts` random starts keep each image's worst result; `iterate="worst"` its worst iterate;
    `iterate="first"` the first that is misclassified, after which nothing more is spent on the image. With the `precision` bfloat16
    gradients are computed in it, on the package's networks; whether an image is misclassified is decided with room for its
    rounding, and in the end in float32. Raises InputError.
    """

    epsilon: float
    step_size: float
    steps: int = 40
    norm: str = "linf"
    random_start: bool = False
    restarts: int = 1
    iterate: str = "last"
    precision: str = "float32"

    def __post_init__(self) -> None:
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

    def _structure(self) -> Hashable:
        return self.norm, self.iterate, self.precision

    def _numbers(self) -> tuple[float | int, ...]:
        return float(self.epsilon), float(self.step_size), int(self.steps)

    def _run(self, batch: Batch) -> tf.Tensor:
        model, images, labels, draws, numbers = batch
        epsilon, step_size, steps = numbers
        ball = find_ball(self.norm)
        forward = prepare_forward(model, rearrange=ball.pixelwise, precision=self.precision)
        limits = ball.limits(images, epsilon, forward.enter)
        start = forward.enter(draws[0])

        def evaluate(points: tf.Tensor, labels: tf.Tensor) -> Evaluation:
            outputs = forward.logits(points)
            harm = margin(outputs, labels)
            if self.precision != "float32" and self.iterate == "first":
                harm -= ROUNDING * tf.reduce_max(tf.abs(outputs), -1)
            return Evaluation(log_odds_against(outputs, labels), harm)

        def move(points: tf.Tensor, gradient: tf.Tensor, limits: tuple[tf.Tensor, ...]) -> tf.Tensor:
            return ball.inside(points + step_size * ball.steepest(gradient), limits, epsilon)

        if self.iterate != "first":
            found = ascend(
                lambda points: evaluate(points, labels),
                lambda points, gradient, _: move(points, gradient, limits),
                start,
                steps,
                keep_worst=self.iterate == "worst",
            )
            return forward.leave(found)

        def step(_: tf.Tensor, rows: Rows) -> Rows:
            gradient, evaluation = value_and_gradient(lambda points: evaluate(points, rows["labels"]), rows["points"])
            worst, harm = worse(rows["points"], evaluation.harm, rows["worst"], rows["harm"])
            bounds = tuple(rows[f"limit {index}"] for index in range(len(limits)))
            return {**rows, "points": move(rows["points"], gradient, bounds), "worst": worst, "harm": harm}

        rows = {"points": start, "labels": labels, "worst": start, "harm": tf.fill(tf.shape(labels), start.dtype.min)}
        rows |= {f"limit {index}": limit for index, limit in enumerate(limits)}
        # One more, because a step judges the points that it moves on from.
        return forward.leave(until_broken(step, rows, steps + 1)[0])

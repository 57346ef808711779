"""Projected gradient descent (Madry et al. 2018)."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import keras
import tensorflow as tf

from interp.attacks.attack import Attack, check_steps
from interp.attacks.classification import cross_entropy, margin
from interp.attacks.loop import Evaluation, ascend
from interp.core.balls import find_ball
from interp.core.checks import check_number
from interp.core.errors import InputError, check_choice
from interp.models.forward import prepare_forward


@dataclass(frozen=True, kw_only=True)
class ProjectedGradientDescent(Attack):
    """Steps of size `step_size` that raise the cross-entropy, within `epsilon` of the image in the `norm` linf or l2.

    Without `random_start` the attack starts at the image, and `iterate="last"` returns where it ends: the protocol of
    Boopathy et al. 2020. `restarts` random starts keep each image's worst result; `iterate="worst"` its worst iterate.
    Raises InputError.
    """

    epsilon: float
    step_size: float
    steps: int = 40
    norm: str = "linf"
    random_start: bool = False
    restarts: int = 1
    iterate: str = "last"

    def __post_init__(self) -> None:
        check_steps(self.epsilon, self.step_size, self.steps)
        check_number("restarts", self.restarts, minimum=1, whole=True)
        find_ball(self.norm)
        check_choice("iterate", self.iterate, ("last", "worst"))
        if self.restarts > 1 and not self.random_start:
            raise InputError(
                f"restarts={self.restarts} without a random start repeats one attack: set random_start=True"
            )

    def _starts(self, images: tf.Tensor, seed: int) -> Iterator[tf.Tensor]:
        if not self.random_start:
            yield images
            return
        ball = find_ball(self.norm)
        for restart in range(self.restarts):
            offset = ball.random(
                tf.shape(images), tf.constant(self.epsilon, tf.float32), tf.constant([seed, restart], tf.int64)
            )
            yield ball.project(images + offset, images, tf.constant(self.epsilon, tf.float32))

    def _structure(self) -> Hashable:
        return self.norm, self.iterate

    def _numbers(self) -> tuple[float | int, ...]:
        return float(self.epsilon), float(self.step_size), int(self.steps)

    def _run(
        self, model: keras.Model, images: tf.Tensor, labels: tf.Tensor, start: tf.Tensor, *numbers: tf.Tensor
    ) -> tf.Tensor:
        epsilon, step_size, steps = numbers
        ball = find_ball(self.norm)
        forward = prepare_forward(model, rearrange=ball.pixelwise)
        project = ball.projection(images, epsilon, forward.enter)

        def objective(points: tf.Tensor) -> Evaluation:
            outputs = forward.logits(points)
            return Evaluation(cross_entropy(outputs, labels), margin(outputs, labels))

        def move(points: tf.Tensor, gradient: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return project(points + step_size * ball.steepest(gradient))

        found = ascend(objective, move, forward.enter(start), steps, keep_worst=self.iterate == "worst")
        return forward.leave(found)

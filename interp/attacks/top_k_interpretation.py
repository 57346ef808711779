"""The top-k attack on an interpretation (Ghorbani et al. 2019, arXiv 1710.10547; AAI in Boopathy et al. 2020)."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import tensorflow as tf

from interp.attacks.attack import Attack, Batch, check_steps
from interp.attacks.loop import Evaluation, ascend
from interp.core.balls import LinfBall
from interp.core.checks import check_number
from interp.core.errors import InputError, check_choice
from interp.discrepancy.interpretations import INTERPRETATIONS, prepare_interpretation
from interp.models.forward import prepare_forward


@dataclass(frozen=True, kw_only=True)
class TopKInterpretation(Attack):
    """Signed steps that lower the true class's map at the `k` strongest positions it has on the clean image.

    Starts uniformly in the l_inf ball of radius `epsilon` and returns the last iterate. `interpretation` is cam, cam++, ig or
    representation; all but ig need a model that ends in average pooling and a dense layer. The prediction may change: what is reported
    of this attack is over images whose prediction did not. Raises InputError.
    """

    epsilon: float
    step_size: float = 0.01
    steps: int = 200
    k: int = 8
    interpretation: str = "cam"

    def __post_init__(self) -> None:
        check_steps(self.epsilon, self.step_size, self.steps)
        check_number("k", self.k, minimum=1, whole=True)
        check_choice("interpretation", self.interpretation, INTERPRETATIONS)

    def _starts(self, images: tf.Tensor, seed: int) -> Iterator[tuple[tf.Tensor, ...]]:
        yield (LinfBall().random_point(images, self.epsilon, (seed, 0)),)

    def _structure(self) -> Hashable:
        return self.interpretation, self.k

    def _numbers(self) -> tuple[float | int, ...]:
        return float(self.epsilon), float(self.step_size), int(self.steps)

    def _run(self, batch: Batch) -> tf.Tensor:
        model, images, labels, draws, numbers = batch
        epsilon, step_size, steps = numbers
        ball = LinfBall()
        forward = prepare_forward(model, rearrange=True)
        interpretation = prepare_interpretation(self.interpretation, forward)
        project = ball.projection(images, epsilon, forward.enter)
        entered = forward.enter(images)
        clean = interpretation.maps(entered, labels[:, None])[:, 0]
        if clean.shape[-1] is not None and self.k > clean.shape[-1]:
            raise InputError(f"k came as {self.k}, the maps have {clean.shape[-1]} positions: choose a smaller k")
        strength = interpretation.sums_at(entered, labels, tf.math.top_k(clean, self.k).indices)

        def objective(points: tf.Tensor) -> Evaluation:
            value = -strength(points)
            return Evaluation(value, value)

        def move(points: tf.Tensor, gradient: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return project(points + step_size * ball.steepest(gradient))

        return forward.leave(ascend(objective, move, forward.enter(draws[0]), steps))

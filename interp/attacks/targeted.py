"""The steps that minimum-eps and interpretability sneaking attacks share: towards a target class, in a ball of a radius per image."""

from dataclasses import dataclass

import tensorflow as tf

from interp.attacks.loop import Objective, ascend
from interp.core.balls import LinfBall
from interp.core.errors import check_choice

DIRECTIONS = ("sign", "reference")
STEP_FRACTION = 0.2
# The paper's code multiplies the gradient of a batch mean by this before it clips it to [-1, 1].
REFERENCE_SCALE = 1000.0


@dataclass(frozen=True)
class TargetedSteps:
    """Steps of a fifth of the radius along the sign of the gradient, shrinking to nothing.

    The direction "reference" clips the gradient, times `scale`, to [-1, 1] and keeps the size of the steps, as the paper's code
    does: it hardly moves where gradients are small. Raises InputError for another direction.
    """

    direction: str
    steps: tf.Tensor
    scale: tf.Tensor

    def __post_init__(self) -> None:
        check_choice("direction", self.direction, DIRECTIONS)

    @property
    def by_sign(self) -> bool:
        """Whether the direction is the gradient's sign."""
        return self.direction == "sign"

    def move(self, points: tf.Tensor, gradient: tf.Tensor, radius: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """The next points, not yet projected; `radius` (n,)."""
        size = STEP_FRACTION * radius[:, None, None, None]
        if not self.by_sign:
            return points + size * tf.clip_by_value(self.scale * gradient, -1.0, 1.0)
        shrink = 1 - tf.cast(step, tf.float32) / tf.cast(self.steps, tf.float32)
        return points + shrink * size * LinfBall().steepest(gradient)

    def run(
        self, objective: Objective, start: tf.Tensor, radius: tf.Tensor, limits: tuple[tf.Tensor, ...]
    ) -> tf.Tensor:
        """Raise the objective from `start` within the limits of an l_inf ball; by sign the worst iterate counts, else the last."""

        def move(points: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
            return LinfBall().inside(self.move(points, gradient, radius, step), limits, radius)

        return ascend(objective, move, start, self.steps, keep_worst=self.by_sign)

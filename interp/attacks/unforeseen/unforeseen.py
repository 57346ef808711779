"""What the unforeseen attacks share: pictures made from latents, and the search for the worst latents (Kang et al. 2019)."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import tensorflow as tf

from interp.attacks.attack import Attack, Batch, number, static
from interp.attacks.classification import margin
from interp.attacks.goals import Classes, Clean, Goal, Towards, Untargeted, check_goal
from interp.attacks.loop import Evaluation, ascend
from interp.attacks.unforeseen import canvas
from interp.core.checks import MOST_STEPS, check_number
from interp.core.errors import InputError, check_choice
from interp.models.prepared import prepare

ROUNDING = 1e-5


@dataclass(frozen=True)
class DrawnTarget(Towards):
    """Away from the label, towards a class drawn for each image at every restart from the seed of the call (Kang et al. 2019)."""

    def targets(self, labels: tf.Tensor, count: int, seed: int, restart: int, logits: Clean) -> tf.Tensor:
        drawn = tf.random.stateless_uniform([len(labels)], tf.random.fold_in(tf.constant([seed, restart], tf.int64), 0))
        return (labels + 1 + tf.cast(drawn * (count - 1), tf.int64)) % count

    def harm(self, logits: tf.Tensor, classes: Classes) -> tf.Tensor:
        return margin(logits, classes.labels)


GOALS: dict[str, Goal] = {"random_target": DrawnTarget(), "untargeted": Untargeted()}


def find_goal(goal: str | Goal) -> Goal:
    """Return the goal of this name, or the one given. Raises InputError."""
    if isinstance(goal, str):
        return GOALS[check_choice("goal", goal, GOALS)]
    check_goal(goal)
    return goal


@dataclass(frozen=True, kw_only=True)
class UnforeseenAttack(Attack):
    """An attack of budget `epsilon` on the latents of a picture: fog, say, of which the latents are the height map.

    `goal` "random_target" lowers the cross-entropy of a class drawn for each image, never its own, and takes the last latents, as the
    published attack does; any misclassification counts. All others take the latents that harm most: "untargeted", which raises that of
    the label, Targeted(classes) and RandomTarget(). Steps have the size `step_size` (default: epsilon / sqrt(steps)). The worst of
    `restarts` starts counts. Images of other sides than multiples of 16 get black margins, grey ones three channels, and are cut back.
    Kang et al. 2019, arXiv 1908.08016. Raises InputError.
    """

    epsilon: float
    steps: int = 200
    goal: str | Goal = static("random_target", key=lambda goal: type(find_goal(goal)))
    restarts: int = 1
    step_size: float | None = number(None, read=lambda attack: attack._size)

    def __post_init__(self) -> None:
        check_number("epsilon", self.epsilon, minimum=0, strict=True)
        check_number("steps", self.steps, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("restarts", self.restarts, minimum=1, whole=True)
        if self.step_size is not None:
            check_number("step_size", self.step_size, minimum=0, strict=True)
        find_goal(self.goal)

    @property
    def _goal(self) -> Goal:
        return find_goal(self.goal)

    @property
    def _size(self) -> float:
        return float(self.epsilon / self.steps**0.5 if self.step_size is None else self.step_size)

    @property
    def _leaves_broken(self) -> bool:
        return True

    def _starts(self, images: tf.Tensor, seed: int) -> Iterator[tuple[tf.Tensor, ...]]:
        if images.shape[-1] not in (1, 3):
            raise InputError(
                f"images came with {images.shape[-1]} channels, unforeseen attacks need 1 (grey) or 3 (colour)"
            )
        for restart in range(self.restarts):
            pair = tf.constant([seed, restart], tf.int64)
            yield self._draw(images, tf.random.fold_in(pair, 1), restart)

    def _run(self, batch: Batch) -> tf.Tensor:
        images, start, fixed = batch.images, batch.draws[0], batch.draws[1:]
        epsilon, step_size, steps = (batch.numbers[name] for name in ("epsilon", "step_size", "steps"))
        goal = self._goal
        forward = prepare(batch.model, rearrange=True)
        clean = canvas.enter(images)

        def picture(latents: tf.Tensor) -> tf.Tensor:
            return canvas.leave(self._picture(clean, latents, fixed, epsilon), images.shape)

        def objective(latents: tf.Tensor) -> Evaluation:
            logits = forward.classify(picture(latents))
            return Evaluation(goal.value(logits, batch.classes), goal.harm(logits, batch.classes))

        def move(latents: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
            return self._keep(self._move(latents, gradient, step, step_size, epsilon), fixed, epsilon)

        start = self._keep(start, fixed, epsilon)
        return picture(ascend(objective, move, start, steps, keep_worst=not isinstance(goal, DrawnTarget)))

    @abstractmethod
    def _draw(self, images: tf.Tensor, seed: tf.Tensor, restart: int) -> tuple[tf.Tensor, ...]:
        """Latents to start from, one row an image, and whatever else is drawn for each image and stays."""

    @abstractmethod
    def _picture(
        self, images: tf.Tensor, latents: tf.Tensor, fixed: tuple[tf.Tensor, ...], epsilon: tf.Tensor
    ) -> tf.Tensor:
        """Pictures (n, height, width, 3) in [0, 1] of images (n, height, width, 3), differentiable in the latents."""

    @abstractmethod
    def _keep(self, latents: tf.Tensor, fixed: tuple[tf.Tensor, ...], epsilon: tf.Tensor) -> tf.Tensor:
        """The nearest valid latents."""

    def _move(
        self, latents: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor, step_size: tf.Tensor, epsilon: tf.Tensor
    ) -> tf.Tensor:
        """The latents after a step along the gradient.

        It is of the same size in every latent, but for those whose gradient is nothing but rounding beside the image's largest.
        """
        sizes = tf.abs(gradient)
        noise = ROUNDING * tf.reduce_max(sizes, range(1, len(gradient.shape)), keepdims=True)
        return latents + step_size * tf.where(sizes > noise, tf.sign(gradient), 0.0)

"""What the unforeseen attacks share: pictures made from latents, and the search for the worst latents (Kang et al. 2019)."""

from abc import abstractmethod
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import tensorflow as tf

from interp.attacks.attack import Attack, Batch
from interp.attacks.classification import log_odds_against, margin
from interp.attacks.loop import Evaluation, ascend
from interp.attacks.unforeseen import canvas
from interp.core.checks import MOST_STEPS, check_number
from interp.core.errors import InputError, check_choice
from interp.models.forward import prepare_forward

GOALS = ("random_target", "untargeted")
ROUNDING = 1e-5


@dataclass(frozen=True, kw_only=True)
class UnforeseenAttack(Attack):
    """An attack of budget `epsilon` on the latents of a picture: fog, say, of which the latents are the height map.

    `goal` random_target lowers the cross-entropy of a class drawn for each image, never its own, and takes the last latents, as
    the published attack does; untargeted raises that of its own class and takes the latents that harm most. Steps have the size
    `step_size`, epsilon / sqrt(steps) without it. The worst of `restarts` starts counts. Images of other sides than multiples of
    16 get black margins, grey ones three channels, and are cut back. Kang et al. 2019, arXiv 1908.08016. Raises InputError.
    """

    epsilon: float
    steps: int = 200
    goal: str = "random_target"
    restarts: int = 1
    step_size: float | None = None

    def __post_init__(self) -> None:
        check_number("epsilon", self.epsilon, minimum=0, strict=True)
        check_number("steps", self.steps, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("restarts", self.restarts, minimum=1, whole=True)
        if self.step_size is not None:
            check_number("step_size", self.step_size, minimum=0, strict=True)
        check_choice("goal", self.goal, GOALS)

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
            target = tf.random.stateless_uniform([len(images)], tf.random.fold_in(pair, 0))
            yield (target, *self._draw(images, tf.random.fold_in(pair, 1), restart))

    def _structure(self) -> Hashable:
        return (self.goal,)

    def _numbers(self) -> tuple[float | int, ...]:
        size = self.epsilon / self.steps**0.5 if self.step_size is None else self.step_size
        return float(self.epsilon), float(size), self.steps

    def _run(self, batch: Batch) -> tf.Tensor:
        model, images, labels, draws, numbers = batch
        epsilon, step_size, steps = numbers
        drawn, start, *fixed = draws
        forward = prepare_forward(model, rearrange=True)
        clean = canvas.enter(images)

        def picture(latents: tf.Tensor) -> tf.Tensor:
            return canvas.leave(self._picture(clean, latents, tuple(fixed), epsilon), images.shape)

        def objective(latents: tf.Tensor) -> Evaluation:
            logits = forward.classify(picture(latents))
            classes = logits.shape[-1]
            if self.goal == "untargeted":
                return Evaluation(log_odds_against(logits, labels), margin(logits, labels))
            shift = 1 + tf.cast(drawn * (classes - 1), tf.int64)
            return Evaluation(-log_odds_against(logits, (labels + shift) % classes), margin(logits, labels))

        def move(latents: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
            return self._keep(self._move(latents, gradient, step, step_size, epsilon), tuple(fixed), epsilon)

        start = self._keep(start, tuple(fixed), epsilon)
        return picture(ascend(objective, move, start, steps, keep_worst=self.goal == "untargeted"))

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

    @abstractmethod
    def _move(
        self, latents: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor, step_size: tf.Tensor, epsilon: tf.Tensor
    ) -> tf.Tensor:
        """The latents after a step along the gradient."""


def sign_step(latents: tf.Tensor, gradient: tf.Tensor, step_size: tf.Tensor) -> tf.Tensor:
    """A step of the same size in every latent, but for those whose gradient is nothing but rounding beside the image's largest."""
    sizes = tf.abs(gradient)
    noise = ROUNDING * tf.reduce_max(sizes, range(1, len(gradient.shape)), keepdims=True)
    return latents + step_size * tf.where(sizes > noise, tf.sign(gradient), 0.0)

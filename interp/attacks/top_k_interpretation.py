"""The top-k attack on an interpretation (Ghorbani et al. 2019, arXiv 1710.10547; AAI in Boopathy et al. 2020)."""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import tensorflow as tf

from interp.attacks.attack import Attack, Batch, check_steps, static
from interp.attacks.classification import margin
from interp.attacks.loop import Evaluation, ascend, choose
from interp.attacks.searched_maps import SearchedMaps, attacked_method, check_attackable, method_key
from interp.attributions import Attribution
from interp.core.balls import find_ball
from interp.core.checks import check_number
from interp.core.errors import InputError, check_choice
from interp.core.names import RANKINGS
from interp.core.tables import counted
from interp.models.prepared import prepare

# What a changed prediction costs where it is to stay: this many times the margin of the other class and this lead.
PENALTY, LEAD = 10.0, 0.1


@dataclass(frozen=True, kw_only=True)
class TopKInterpretation(Attack):
    """Steps that lower the label's map at the strongest positions it has on the clean image (Ghorbani et al. 2019).

    It starts uniformly in the ball, steps along the steepest direction, in linf the gradient's sign, and returns the
    last iterate, whose prediction may be another one: what is reported of it is over images whose prediction stayed.
    Gradients of ReLU networks are searched with softplus's derivative.

    Args:
        epsilon: Radius of the ball, for images in [0, 1]; in linf at most 1.
        step_size: Size of a step in the norm, for images in [0, 1]; above 0, in linf at most 1.
        steps: Number of steps, at least 1.
        norm: Norm of the ball, "linf" or "l2" (over all pixels and channels).
        k: Number of strongest positions, at least 1 and at most those of the map.
        interpretation: Explanation method that a gradient can follow, by name or as an object, such as "cam",
            "gradient" or GradCAM(layer="conv").
        keep_prediction: Whether a change of the prediction costs; then of the iterates with the clean prediction, the
            clean image among them, that of the lowest sum is returned.
        ranking: "signed" reads maps as they are, "magnitude" as the sums of their magnitudes over the channels.

    Raises:
        InputError: A setting is out of its range or unknown; when called, the model does not have such maps, or they do
            not change with the image.
    """

    epsilon: float
    step_size: float = 0.01
    steps: int = 200
    norm: str = static("linf")
    k: int = static(8)
    interpretation: str | Attribution = static("cam", key=method_key)
    keep_prediction: bool = static(False)
    ranking: str = static("signed")

    def __post_init__(self) -> None:
        find_ball(self.norm)
        check_steps(self.epsilon, self.step_size, self.steps, self.norm)
        check_number("k", self.k, minimum=1, whole=True)
        attacked_method(self.interpretation)
        check_choice("ranking", self.ranking, RANKINGS)

    def _check(self, model: keras.Model, images: tf.Tensor) -> None:
        check_attackable(attacked_method(self.interpretation), model, images)

    def _starts(self, images: tf.Tensor, seed: int) -> Iterator[tuple[tf.Tensor, ...]]:
        yield find_ball(self.norm).random_point(images, self.epsilon, (seed, 0)), tf.range(len(images))

    def _run(self, batch: Batch) -> tf.Tensor:
        images, labels = batch.images, batch.classes.labels
        start, rows = batch.draws
        epsilon, step_size, steps = (batch.numbers[name] for name in ("epsilon", "step_size", "steps"))
        ball, method = find_ball(self.norm), attacked_method(self.interpretation)
        magnitude = self.ranking == "magnitude"
        prepared = prepare(batch.model, rearrange=ball.pixelwise)
        project = ball.projection(images, epsilon, prepared.enter)
        entered = prepared.enter(images)
        clean, logits = SearchedMaps(method, prepared, rows, magnitude)(entered, labels[:, None])
        if clean.shape[-1] is not None and self.k > clean.shape[-1]:
            raise InputError(
                f"k came as {self.k}, the maps have {counted(clean.shape[-1], 'position')}: choose a smaller k"
            )
        positions = tf.math.top_k(clean[:, 0], self.k).indices
        strength = SearchedMaps(method.for_search(), prepared, rows, magnitude).sums_at(entered, labels, positions)
        predicted = tf.argmax(logits, -1)

        def objective(points: tf.Tensor) -> Evaluation:
            sums, logits = strength(points)
            if not self.keep_prediction:
                return Evaluation(-sums, -sums)
            scale = tf.stop_gradient(tf.abs(sums)) + 1e-12
            over = margin(logits, predicted)
            value = -sums / scale - PENALTY * tf.nn.relu(over + LEAD)
            return Evaluation(value, tf.where(over < 0, -sums, sums.dtype.min))

        def move(points: tf.Tensor, gradient: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return project(points + step_size * ball.steepest(gradient))

        found = ascend(objective, move, prepared.enter(start), steps, keep_worst=self.keep_prediction)
        if self.keep_prediction:
            better = objective(found).harm > objective(entered).harm
            found = choose(better, found, entered)
        return prepared.leave(found)

"""The search inside a training step: images that maximise what an objective's attack looks at."""

import keras
import tensorflow as tf

from interp.attacks.loop import Evaluation, ascend
from interp.core.balls import find_ball
from interp.models.prepared import prepare
from interp.training.batches import Batch
from interp.training.objectives import Objective
from interp.training.schedule import Schedule
from interp.training.views import Pair, View


def attack_batch(
    model: keras.Model,
    objective: Objective,
    batch: Batch,
    epsilon: tf.Tensor,
    schedule: Schedule,
    penalty_weight: float,
) -> tf.Tensor:
    """Return the images that maximise the objective's attack term within `epsilon`, from the batch's start, or that start itself.

    For use inside tf.function.
    """
    if objective.attack is None:
        return batch.start if objective.near else batch.images
    term, ball = objective.attack, find_ball(schedule.norm)

    def search() -> tf.Tensor:
        forward = prepare(model, rearrange=ball.pixelwise, precision=schedule.attack_precision)
        clean = View(forward, forward.enter(batch.images), explanation=objective.explanation, rows=batch.rows)
        project = ball.projection(batch.images, epsilon, forward.enter)

        def value(points: tf.Tensor) -> Evaluation:
            values = term(Pair(clean, clean.at(points), batch.labels, penalty_weight, searching=True))
            return Evaluation(values, values)

        def move(points: tf.Tensor, gradient: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return project(points + schedule.attack_step_size * ball.steepest(gradient))

        # Asked once outside of the loop, so that what the term needs of the clean view is computed here and not in every
        # step; the rest of this call is unused and pruned from the graph.
        entered = forward.enter(batch.start)
        value(entered)
        return forward.leave(ascend(value, move, entered, schedule.attack_steps))

    # While the radius is 0 there is nothing to search.
    return tf.cond(epsilon > 0, search, lambda: batch.images)

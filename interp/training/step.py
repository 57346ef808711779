"""One training step, inner attack and update, as one compiled function."""

from typing import Any

import keras
import tensorflow as tf

from interp.attacks.classification import margin
from interp.attacks.loop import Evaluation, ascend
from interp.core.balls import LinfBall
from interp.models.forward import NetworkForward
from interp.models.network import Network
from interp.training.objectives import Objective
from interp.training.schedule import Schedule
from interp.training.views import Pair, View


def attack_batch(
    network: Network,
    objective: Objective,
    images: tf.Tensor,
    labels: tf.Tensor,
    start: tf.Tensor,
    epsilon: tf.Tensor,
    schedule: Schedule,
    penalty_weight: float,
) -> tf.Tensor:
    """Return the images that maximise the objective's attack term within `epsilon`, from `start`.

    For use inside tf.function; images (n, height, width, channels), labels (n,).
    """
    if objective.attack is None:
        return images
    term, ball = objective.attack, LinfBall()

    def search() -> tf.Tensor:
        forward = NetworkForward(network)
        clean = View(forward, forward.enter(images))
        project = ball.projection(images, epsilon, forward.enter)

        def value(points: tf.Tensor) -> Evaluation:
            values = term(Pair(clean, clean.at(points), labels, penalty_weight))
            return Evaluation(values, values)

        def move(points: tf.Tensor, gradient: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return project(points + schedule.attack_step_size * ball.steepest(gradient))

        # Asked once outside of the loop, so that what the term needs of the clean view is computed here and not in every
        # step; the rest of this call is unused and pruned from the graph.
        entered = forward.enter(start)
        value(entered)
        return forward.leave(ascend(value, move, entered, schedule.attack_steps))

    # While the radius is 0 there is nothing to search.
    return tf.cond(epsilon > 0, search, lambda: images)


def make_step(
    network: Network, objective: Objective, optimizer: keras.Optimizer, schedule: Schedule, *, penalty_weight: float
) -> Any:
    """Return a compiled function (images, labels, epsilon, seed (2,)) -> measures of the batch, which updates the network.

    Measures: loss, clean accuracy, accuracy on the attacked images (where there is an inner attack), and whether loss and
    gradients are finite. Weights are updated only when they are.
    """
    ball = LinfBall()
    variables = network.trainable_variables
    optimizer.build(variables)

    def step(images: tf.Tensor, labels: tf.Tensor, epsilon: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        start = ball.project(images + ball.random(tf.shape(images), epsilon, seed), images, epsilon)
        moved = attack_batch(network, objective, images, labels, start, epsilon, schedule, penalty_weight)
        with tf.GradientTape() as tape:
            forward = NetworkForward(network)
            clean = View(forward, forward.enter(images), training=True)
            attacked = clean if objective.attack is None else clean.at(forward.enter(moved))
            loss = tf.reduce_mean(objective.loss(Pair(clean, attacked, labels, penalty_weight)))
        gradients = tape.gradient(loss, variables)
        finite = [tf.math.is_finite(loss), *(tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients)]
        measures = {"loss": loss, "accuracy": _accuracy(clean, labels), "finite": tf.reduce_all(finite)}
        if objective.attack is not None:
            measures["robust_accuracy"] = _accuracy(attacked, labels)
        tf.cond(measures["finite"], lambda: _update(optimizer, gradients, variables), lambda: tf.constant(False))
        return measures

    shape = [None, *network.image_shape]
    signature = [tf.TensorSpec(shape), tf.TensorSpec([None], tf.int64), tf.TensorSpec([]), tf.TensorSpec([2], tf.int64)]
    return tf.function(step, input_signature=signature, autograph=False).get_concrete_function()


def _accuracy(view: View, labels: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(margin(view.logits, labels) < 0, tf.float32))


def _update(optimizer: keras.Optimizer, gradients: list[tf.Tensor], variables: list[Any]) -> tf.Tensor:
    optimizer.apply(gradients, variables)
    return tf.constant(True)

"""One training step, inner attack and update, as one compiled function."""

from typing import Any

import keras
import tensorflow as tf

from interp.attacks.classification import margin
from interp.attacks.loop import Evaluation, ascend
from interp.core.balls import LinfBall
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
    penalty: float,
    beta: float,
) -> tf.Tensor:
    """Return the images that maximise the objective's attack term within `epsilon`, from `start`; for use inside tf.function."""
    if objective.attack is None:
        return images
    term, ball, tail = objective.attack, LinfBall(), network.tail()
    # The clean pass does not change during the attack.
    clean = View(network, tail, images)

    def value(points: tf.Tensor) -> Evaluation:
        values = term(Pair(clean, View(network, tail, points), labels, penalty, beta))
        return Evaluation(values, values)

    def move(points: tf.Tensor, gradient: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        return ball.project(points + schedule.attack_step_size * ball.steepest(gradient), images, epsilon)

    # While the radius is 0 there is nothing to search.
    return tf.cond(epsilon > 0, lambda: ascend(value, move, start, schedule.attack_steps), lambda: images)


def make_step(
    network: Network,
    objective: Objective,
    optimizer: keras.Optimizer,
    schedule: Schedule,
    *,
    penalty: float,
    beta: float,
) -> Any:
    """Return a compiled function (images, labels, epsilon, seed (2,)) -> measures of the batch, which updates the network.

    Measures: loss, clean accuracy, accuracy on the attacked images, and whether loss and gradients are finite.
    Weights are updated only when they are.
    """
    ball = LinfBall()
    variables = network.trainable_variables
    optimizer.build(variables)

    def step(images: tf.Tensor, labels: tf.Tensor, epsilon: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        start = ball.project(images + ball.random(tf.shape(images), epsilon, seed), images, epsilon)
        attacked_images = attack_batch(network, objective, images, labels, start, epsilon, schedule, penalty, beta)
        with tf.GradientTape() as tape:
            tail = network.tail()
            clean = View(network, tail, images, training=True)
            attacked = clean if objective.attack is None else View(network, tail, attacked_images, training=True)
            loss = tf.reduce_mean(objective.loss(Pair(clean, attacked, labels, penalty, beta)))
        gradients = tape.gradient(loss, variables)
        finite = tf.reduce_all(
            [tf.math.is_finite(loss), *(tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients)]
        )
        right = [tf.reduce_mean(tf.cast(margin(view.logits, labels) < 0, tf.float32)) for view in (clean, attacked)]
        tf.cond(finite, lambda: _update(optimizer, gradients, variables), lambda: tf.constant(False))
        return {"loss": loss, "accuracy": right[0], "robust_accuracy": right[1], "finite": finite}

    shape = [None, *network.image_shape]
    signature = [tf.TensorSpec(shape), tf.TensorSpec([None], tf.int64), tf.TensorSpec([]), tf.TensorSpec([2], tf.int64)]
    return tf.function(step, input_signature=signature, autograph=False).get_concrete_function()


def _update(optimizer: keras.Optimizer, gradients: list[tf.Tensor], variables: list[Any]) -> tf.Tensor:
    optimizer.apply(gradients, variables)
    return tf.constant(True)

"""One training step, inner attack and update, as one compiled function."""

from functools import cache, partial
from typing import Any

import keras
import tensorflow as tf

from interp.attacks.classification import margin
from interp.attacks.loop import Evaluation, ascend
from interp.core.balls import LinfBall
from interp.core.checks import check_instance
from interp.core.streams import count_streams
from interp.models.forward import NetworkForward
from interp.models.network import Network
from interp.training.objectives import Objective, find_objective
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
        forward = NetworkForward(network, precision=schedule.attack_precision)
        clean = View(forward, forward.enter(images))
        project = ball.projection(images, epsilon, forward.enter)

        def value(points: tf.Tensor) -> Evaluation:
            values = term(Pair(clean, clean.at(points), labels, penalty_weight, searching=True))
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
    network: Network,
    objective: str | Objective,
    optimizer: keras.Optimizer,
    schedule: Schedule,
    *,
    penalty_weight: float,
) -> Any:
    """Return a compiled function (images, labels, epsilon, seed (2,), stop) -> measures of the batch; it updates the network.

    The step runs on every replica of the strategy in whose scope this is called: each takes its share of the batch, and loss,
    gradients and measures are those of the whole batch. Measures: loss, clean accuracy, accuracy on the attacked images (where
    there is an inner attack), whether loss and gradients are finite, and whether any process asked to stop. With one replica,
    weights are updated only when all is finite. Raises InputError.
    """
    objective = find_objective(objective)
    check_instance("the optimizer", optimizer, keras.Optimizer, "keras.optimizers.Adam(1e-3)")
    check_instance("the schedule", schedule, Schedule, "Schedule(...) or PAPER['mnist']")
    ball = LinfBall()
    variables = network.trainable_variables
    optimizer.build(variables)
    strategy = tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    # Of one graph, parts that do not need each other run side by side.
    streams = count_streams() if replicas == 1 else 1

    def replica_step(
        streams: int, images: tf.Tensor, labels: tf.Tensor, epsilon: tf.Tensor, seed: tf.Tensor, stop: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        context = tf.distribute.get_replica_context()
        batch = tf.shape(images)[0]
        # Drawn for the whole batch, so that the number of replicas does not matter.
        start = ball.project(images + ball.random(tf.shape(images), epsilon, seed), images, epsilon)
        if replicas > 1:
            index = context.replica_id_in_sync_group
            mine = slice(batch * index // replicas, batch * (index + 1) // replicas)
            images, labels, start = images[mine], labels[mine], start[mine]
        before = [tf.identity(variable) for variable in network.non_trainable_variables]
        share = 1 / tf.cast(batch, tf.float32)
        shares = list(zip(*(_share_out(array, streams) for array in (images, labels, start)), strict=True))
        moved = [
            attack_batch(network, objective, images, labels, start, epsilon, schedule, penalty_weight)
            for images, labels, start in shares
        ]
        if network.normalises_batches:
            shares, moved = [(images, labels, start)], [tf.concat(moved, 0)]
        with tf.GradientTape() as tape:
            forward = NetworkForward(network)
            pairs = [
                make_pair(forward, objective, images, labels, found, penalty_weight)
                for (images, labels, _), found in zip(shares, moved, strict=True)
            ]
            loss = share * tf.add_n([tf.reduce_sum(objective.loss(pair)) for pair in pairs])
        gradients = tape.gradient(loss, variables)
        broken = 1 - tf.cast(is_finite(loss, gradients), tf.float32)
        sums = {
            "loss": loss,
            "accuracy": share * tf.add_n([count_correct(pair.clean, pair.labels) for pair in pairs]),
            "broken": broken,
            "stop": tf.identity(stop),
        }
        if objective.attack is not None:
            sums["robust_accuracy"] = share * tf.add_n([count_correct(pair.attacked, pair.labels) for pair in pairs])
        if replicas > 1:
            sums = context.all_reduce(tf.distribute.ReduceOp.SUM, sums)
            optimizer.apply(gradients, variables)
        else:
            update_if(broken == 0, optimizer, gradients, variables, network, before)
        return sums

    @cache
    def compile_step(streams: int) -> Any:
        def step(*batch: tf.Tensor) -> dict[str, tf.Tensor]:
            results = strategy.run(partial(replica_step, streams), batch)
            return {name: strategy.experimental_local_results(value)[0] for name, value in results.items()}

        scalar = tf.TensorSpec([])
        rows = [tf.TensorSpec([None, *network.image_shape]), tf.TensorSpec([None], tf.int64)]
        signature = [*rows, scalar, tf.TensorSpec([2], tf.int64), scalar]
        return tf.function(step, input_signature=signature, autograph=False).get_concrete_function()

    compile_step(streams)
    # A batch of fewer images than streams, such as the last of an epoch may be, leaves no stream empty.
    return lambda images, *numbers: compile_step(min(streams, len(images)))(images, *numbers)


def make_pair(
    forward: NetworkForward,
    objective: Objective,
    images: tf.Tensor,
    labels: tf.Tensor,
    moved: tf.Tensor,
    penalty_weight: float,
    *,
    training: bool = True,
) -> Pair:
    """The views of clean and `moved` images that the objective's loss is computed from."""
    clean = View(forward, forward.enter(images), training=training)
    attacked = clean if objective.attack is None else clean.at(forward.enter(moved))
    return Pair(clean, attacked, labels, penalty_weight)


def _share_out(array: tf.Tensor, parts: int) -> list[tf.Tensor]:
    """The rows of an array in so many parts, as equal as they can be."""
    rows = tf.shape(array)[0]
    return [array[rows * part // parts : rows * (part + 1) // parts] for part in range(parts)]


def count_correct(view: View, labels: tf.Tensor) -> tf.Tensor:
    """How many images of a view the network gets right."""
    return tf.reduce_sum(tf.cast(margin(view.measured_logits, labels) < 0, tf.float32))


def is_finite(loss: tf.Tensor, gradients: list[tf.Tensor]) -> tf.Tensor:
    """Whether a loss and its gradients are finite."""
    finite = [tf.math.is_finite(loss), *(tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients)]
    return tf.reduce_all(finite)


def update_if(
    fine: tf.Tensor,
    optimizer: keras.Optimizer,
    gradients: list[tf.Tensor],
    variables: list[Any],
    network: Network,
    before: list[tf.Tensor],
) -> None:
    """Update the variables if all is `fine`, else give the others of the network their values of `before`.

    Batch normalisation has moved its statistics by then; a broken step takes that back too.
    """
    tf.cond(
        fine,
        lambda: _update(optimizer, gradients, variables),
        lambda: _assign(network.non_trainable_variables, before),
    )


def _update(optimizer: keras.Optimizer, gradients: list[tf.Tensor], variables: list[Any]) -> tf.Tensor:
    optimizer.apply(gradients, variables)
    return tf.constant(True)


def _assign(variables: list[Any], values: list[tf.Tensor]) -> tf.Tensor:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return tf.constant(False)

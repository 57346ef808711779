"""One training step, inner attack and update, as one compiled function."""

from functools import cache, partial
from typing import Any

import keras
import tensorflow as tf

from interp.attacks.classification import margin
from interp.core.checks import check_instance
from interp.core.streams import count_streams
from interp.models.network import Network
from interp.models.prepared import PreparedModel, prepare
from interp.training.batches import Batch, draw_batch, part_of
from interp.training.inner_attack import attack_batch
from interp.training.objectives import Objective, check_explanation, find_objective
from interp.training.schedule import Schedule
from interp.training.update import is_finite, statistics_of, update_if
from interp.training.views import Pair, View


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
    check_explanation(objective, network)
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
        share = 1 / tf.cast(tf.shape(images)[0], tf.float32)
        batch = draw_batch(images, labels, epsilon, seed)
        if replicas > 1:
            batch = part_of(batch, context.replica_id_in_sync_group, replicas)
        statistics = statistics_of(network)
        # Searches of the parts do not need each other, so they run side by side.
        split = [part_of(batch, number, streams) for number in range(streams)]
        found = [attack_batch(network, objective, part, epsilon, schedule, penalty_weight) for part in split]
        # A network that looks at the statistics of a whole batch gets it in one part.
        whole = [(batch, tf.concat(found, 0))]
        parts = whole if network.normalises_batches else list(zip(split, found, strict=True))
        with tf.GradientTape() as tape:
            forward = prepare(network, rearrange=True)
            pairs = [make_pair(forward, objective, part, moved, penalty_weight) for part, moved in parts]
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
            update_if(broken == 0, optimizer, gradients, network, statistics)
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
    forward: PreparedModel,
    objective: Objective,
    batch: Batch,
    moved: tf.Tensor,
    penalty_weight: float,
    *,
    training: bool = True,
) -> Pair:
    """The views of clean and `moved` images that the objective's loss is computed from."""
    points = forward.enter(batch.images)
    clean = View(forward, points, training=training, explanation=objective.explanation, rows=batch.rows)
    attacked = clean if objective.attack is None else clean.at(forward.enter(moved))
    return Pair(clean, attacked, batch.labels, penalty_weight)


def count_correct(view: View, labels: tf.Tensor) -> tf.Tensor:
    """How many images of a view the network gets right."""
    return tf.reduce_sum(tf.cast(margin(view.measured_logits, labels) < 0, tf.float32))

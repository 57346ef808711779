"""One training step, inner attack and update, as one compiled function."""

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import keras
import tensorflow as tf

from interp.core.checks import check_instance, check_number
from interp.core.compiled import drop_dead_losses
from interp.core.errors import InputError, check_choice
from interp.core.names import BATCH_STATISTICS
from interp.core.streams import count_streams
from interp.models.model_check import check_model
from interp.models.network import Network
from interp.models.prepared import PreparedModel, prepare
from interp.training.batches import Batch, draw_batch, part_of
from interp.training.inner_attack import attack_batch
from interp.training.model_state import ModelState, TrainingMode
from interp.training.objectives import Objective, check_explanation, find_objective
from interp.training.replica_statistics import check_shared_statistics, shared_statistics
from interp.training.schedule import Schedule
from interp.training.update import is_finite, update_if
from interp.training.views import Pair, View

# Images of a part of a batch on which the clean accuracy is measured where the loss looks at attacked ones alone: a pass of all would take
# a sixth of a step with one inner step.
SAMPLED = 16


def make_step(
    model: keras.Model,
    objective: str | Objective,
    optimizer: keras.Optimizer,
    schedule: Schedule,
    *,
    penalty_weight: float,
    image_shape: tuple[int, int, int] | None = None,
    batch_statistics: str = "each",
    class_weights: Mapping[int, float] | None = None,
    state: ModelState | None = None,
) -> Any:
    """Return a compiled function (images, labels, epsilon, seed (2,), stop) -> measures of the batch; it updates the model.

    The step runs on every replica of the strategy in whose scope this is called: each takes its share of the batch, and loss,
    gradients and measures are those of the whole batch. Measures: loss, clean accuracy (on the first images of a batch where the loss
    looks at attacked ones alone), accuracy on the attacked images (where there is an inner attack), whether loss and gradients are
    finite, and whether any process asked to stop. With one replica, weights are updated only when all is finite. `image_shape` is by
    default the one that the model says. Raises InputError.
    """
    objective = find_objective(objective)
    check_instance("the optimizer", optimizer, keras.Optimizer, "keras.optimizers.Adam(1e-3)")
    check_instance("the schedule", schedule, Schedule, "Schedule(...) or PAPER['mnist']")
    check_choice("batch_statistics", batch_statistics, BATCH_STATISTICS)
    shape = image_shape or tuple(model.input_shape[1:])
    classes = count_classes(model, shape)
    check_explanation(objective, model, shape)
    weights = None if class_weights is None else weight_vector(class_weights, classes)
    state = state or ModelState(model, shape)
    if batch_statistics != "fixed" and tf.distribute.get_strategy().num_replicas_in_sync > 1:
        check_shared_statistics(model, state.statistics)
    variables = model.trainable_variables
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
        batch = draw_batch(images, labels, epsilon, seed, schedule.norm)
        if replicas > 1:
            batch = part_of(batch, context.replica_id_in_sync_group, replicas)
        statistics = state.values()
        # Searches of the parts do not need each other, so they run side by side.
        split = [part_of(batch, number, streams) for number in range(streams)]
        found = [attack_batch(model, objective, part, epsilon, schedule, penalty_weight) for part in split]
        # A model that looks at a whole batch gets it in one part.
        parts = [(batch, tf.concat(found, 0))] if state.looks_at_batches else list(zip(split, found, strict=True))
        with tf.GradientTape() as tape:
            forward = prepare(model, rearrange=True)
            training = PairTraining(state, seed, batch_statistics)
            pairs = [make_pair(forward, objective, part, moved, penalty_weight, training) for part, moved in parts]
            loss = share * tf.add_n([tf.reduce_sum(weighted(objective.loss(pair), pair, weights)) for pair in pairs])
            # Those of a model that is passed as a whole: other ones have none.
            loss = tf.add_n([loss, *(tf.reduce_sum(each) / replicas for each in pairs[0].losses)])
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, variables)
        broken = 1 - tf.cast(is_finite(optimizer, loss, gradients), tf.float32)
        sums = {
            "loss": loss,
            "accuracy": share * tf.add_n([pair.clean.count_correct(pair.labels, SAMPLED) for pair in pairs]),
            "broken": broken,
            "stop": tf.identity(stop),
        }
        if objective.attack is not None:
            sums["robust_accuracy"] = share * tf.add_n([pair.attacked.count_correct(pair.labels) for pair in pairs])
        if replicas > 1:
            sums = context.all_reduce(tf.distribute.ReduceOp.SUM, sums)
            optimizer.apply(gradients, variables)
        else:
            update_if(broken == 0, optimizer, gradients, state, statistics)
        return sums

    rows = [tf.TensorSpec([None, *shape]), tf.TensorSpec([None], tf.int64)]

    @cache
    def compile_step(streams: int) -> Any:
        def step(*batch: tf.Tensor) -> dict[str, tf.Tensor]:
            with shared_statistics(replicas):
                results = strategy.run(partial(replica_step, streams), batch)
            return {name: strategy.experimental_local_results(value)[0] for name, value in results.items()}

        scalar = tf.TensorSpec([])
        signature = [*rows, scalar, tf.TensorSpec([2], tf.int64), scalar]
        compiled = tf.function(step, input_signature=signature, autograph=False).get_concrete_function()
        drop_dead_losses(model, rows[0])
        return compiled

    compile_step(streams)
    # A batch of fewer images than streams, such as the last of an epoch may be, leaves no stream empty.
    return lambda images, *numbers: compile_step(min(streams, len(images)))(images, *numbers)


def count_classes(model: keras.Model, image_shape: tuple[int, int, int]) -> int:
    """The number of classes of a model, checked on noise if it is not of this package. Raises InputError."""
    if type(model) is Network:
        return model.classes
    return check_model(model, tf.random.stateless_uniform([2, *image_shape], (0, 0)))


def weight_vector(class_weights: Mapping[int, float], classes: int) -> tf.Tensor:
    """The weight of every class (K,) from those that are named by number; 1 for the others. Raises InputError."""
    check_instance("class_weights", class_weights, Mapping, "{0: 1.0, 1: 5.0}")
    values = [1.0] * classes
    for label, weight in class_weights.items():
        if isinstance(label, bool) or label not in range(classes):
            raise InputError(
                f"class_weights name the class {label!r}, the model has classes 0 to {classes - 1}: give numbers of these"
            )
        check_number(f"the weight of class {label}", weight, minimum=0)
        values[int(label)] = float(weight)
    return tf.constant(values, tf.float32)


def weighted(values: tf.Tensor, pair: Pair, weights: tf.Tensor | None) -> tf.Tensor:
    """A value per image times the weight of the image's class."""
    return values if weights is None else values * tf.gather(weights, pair.labels)


class PairTraining:
    """The passes of a pair in training mode: both draw alike from `seed`, and `batch_statistics` says whose statistics are kept."""

    def __init__(self, state: ModelState, seed: tf.Tensor, batch_statistics: str) -> None:
        self.chosen, fixed = batch_statistics, batch_statistics == "fixed"
        self.alone = TrainingMode(state, seed, fixed=fixed)
        self.clean = TrainingMode(state, seed, batch_statistics != "attacked", fixed)
        self.attacked = TrainingMode(state, seed, batch_statistics != "clean", fixed)


def make_pair(
    forward: PreparedModel,
    objective: Objective,
    batch: Batch,
    moved: tf.Tensor,
    penalty_weight: float,
    training: PairTraining | None,
) -> Pair:
    """The views of clean and `moved` images that the objective's loss is computed from, in inference mode without `training`."""
    points, attacks = forward.enter(batch.images), objective.attack is not None
    mode = None if training is None else training.clean if attacks else training.alone
    clean = View(forward, points, training=mode, explanation=objective.explanation, rows=batch.rows)
    if not attacks:
        near = clean.at(forward.enter(moved)) if objective.near else clean
        return Pair(clean, near, batch.labels, penalty_weight, directions=batch.directions)
    attacked = clean.at(forward.enter(moved), training=None if training is None else training.attacked)
    if training is not None and training.chosen == "clean":
        # A loss that looks at attacked images alone would make no such pass.
        clean.run()
    return Pair(clean, attacked, batch.labels, penalty_weight, directions=batch.directions)

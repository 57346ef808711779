"""A training objective under Keras's own loop, for those who have callbacks, data pipelines and optimisers of theirs."""

import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.core.checks import RANGE_TOLERANCE, check_images, check_instance, check_labels, check_number, kind_of
from interp.core.errors import InputError
from interp.models.network import Network
from interp.models.prepared import prepare
from interp.training.batches import draw_batch
from interp.training.errors import TrainingDiverged
from interp.training.inner_attack import attack_batch
from interp.training.objectives import Objective, check_explanation, find_objective, resolve_penalty, with_explanation
from interp.training.schedule import Schedule
from interp.training.step import count_correct, make_pair
from interp.training.update import is_finite, statistics_of, update_if

NO_WEIGHTS = (
    "RobustModel takes batches of (images, labels) without sample weights, and sample_weight or class_weight came: leave them out, and "
    "let images that should count more come more often"
)
# What Keras's compile takes and this model would not use, with what is there instead.
UNUSED = {
    **dict.fromkeys(
        ("loss", "loss_weights"), "what is minimised is the objective; another loss is an Objective of its own"
    ),
    **dict.fromkeys(
        ("metrics", "weighted_metrics"),
        "the history holds loss, accuracy and robust_accuracy; measure others on `network` in a callback",
    ),
}
# How tf.ensure_shape says it.
_OTHER_SHAPE = re.compile(r"Shape of tensor \S* ?(\[.*?\]) is not compatible with expected shape (\[.*?\])")
# What the model notes of a batch inside the graph, to be told outside of it.
FINE, BAD_INPUT, DIVERGED = 0.0, 1.0, 2.0


@keras.saving.register_keras_serializable(package="interp")
class RobustModel(keras.Model):
    """`model.fit` on it minimises a training objective of this package on its `network`; it predicts as the network does.

    The inner attack and the ramp of its radius, counted in optimiser steps, come from `schedule`; epochs, batches, optimiser and
    learning rate are those given to `compile` and `fit`. Images are float32 (n, height, width, channels) in [0, 1], labels integers
    (n,) or (n, 1). History and callbacks see loss, accuracy and robust_accuracy (under the inner attack), on validation images too,
    there at the full radius. A batch that breaks this, or gives a loss or gradient that is not finite, changes no weight.
    `interp.training.train` does the same resumably, with streams and replicas. Raises InputError, TrainingDiverged.
    """

    # Keras's, made by make_train_function and its brothers.
    train_function: Any
    test_function: Any
    predict_function: Any

    def __init__(
        self,
        network: Network,
        objective: str | Objective,
        schedule: Schedule,
        *,
        penalty_weight: float | None = None,
        seed: int = 99,
        name: str | None = None,
    ) -> None:
        if not isinstance(network, Network):
            raise InputError(
                f"RobustModel takes this package's networks, got {kind_of(network)}: make one with build_network"
            )
        check_instance("the schedule", schedule, Schedule, "Schedule(...) or PAPER['mnist']")
        check_number("seed", seed, minimum=0, whole=True)
        # Whatever the global policy: the network computes in float32, and no optimiser has to scale its loss.
        super().__init__(name=name or f"robust_{network.name}", dtype="float32")
        if self.distribute_strategy.num_replicas_in_sync > 1:
            raise InputError(
                "RobustModel trains with one replica: use interp.training.train inside the strategy's scope"
            )
        self.network = network
        self.objective = find_objective(objective)
        check_explanation(self.objective, network)
        self.schedule = schedule
        self.penalty_weight = resolve_penalty(self.objective, penalty_weight)
        self.seed = seed
        self._means = {key: keras.metrics.Mean(name=key) for key in ("loss", "accuracy")}
        if self.objective.attack is not None:
            self._means["robust_accuracy"] = keras.metrics.Mean(name="robust_accuracy")
        # What was seen of the first batch that was not fine: how it was not, least and largest value, lowest and highest label.
        self._seen = tf.Variable(tf.zeros([5]), trainable=False)
        self.build((None, *network.image_shape))

    def build(self, input_shape: Any) -> None:
        # The network is built already.
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: Any = None) -> tf.Tensor:
        return self.network(inputs, training=training)

    def compile(self, optimizer: Any = "rmsprop", *unused: Any, **options: Any) -> None:
        """As Keras's; loss and metrics are the objective's, so giving others raises InputError."""
        given = dict(zip(("loss", "loss_weights", "metrics", "weighted_metrics"), unused, strict=False))
        for name, instead in UNUSED.items():
            if given.get(name, options.get(name)) is not None:
                raise InputError(f"compile came with {name}, which RobustModel would not use: leave it out; {instead}")
        super().compile(optimizer, *unused, **options)
        if not isinstance(self.optimizer, keras.Optimizer) or isinstance(
            self.optimizer, keras.optimizers.LossScaleOptimizer
        ):
            raise InputError(
                f"the optimizer came as {type(self.optimizer).__name__}, expected a keras.Optimizer for float32 such as Adam(1e-3)"
            )
        self.optimizer.build(self.network.trainable_variables)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        # Files of before there was a check may hold what is refused now.
        kept = {name: value for name, value in config.items() if name not in UNUSED}
        self.compile(**keras.saving.deserialize_keras_object(kept))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        # Keras resets these at the start of each epoch.
        return list(self._means.values())

    def make_train_function(self, force: bool = False) -> None:
        if self.train_function is None or force:
            super().make_train_function(force)
            self.train_function = self._telling(self.train_function)

    def make_test_function(self, force: bool = False) -> None:
        if self.test_function is None or force:
            super().make_test_function(force)
            self.test_function = self._telling(self.test_function)

    def make_predict_function(self, force: bool = False) -> None:
        if self.predict_function is None or force:
            super().make_predict_function(force)
            self.predict_function = self._telling(self.predict_function)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        images, labels = self._checked(*_unpack(data))
        step = tf.cast(self.optimizer.iterations, tf.int64)
        first, last = self.schedule.ramp
        # As Schedule.radius, in the graph.
        reached = tf.cast(step - first, tf.float32) / max(last - first, 1)
        epsilon = self.schedule.epsilon * tf.where(step >= last, 1.0, tf.clip_by_value(reached, 0.0, 1.0))
        statistics = statistics_of(self.network)
        with tf.GradientTape() as tape:
            loss = self._measure(
                images, labels, epsilon, tf.stack([tf.constant(self.seed, tf.int64), step]), training=True
            )
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.network.trainable_variables)
        state = tf.where(is_finite(loss, gradients), FINE, DIVERGED)
        self._note(tf.concat([[state], self._seen[1:]], 0))
        update_if(self._seen[0] == FINE, self.optimizer, gradients, self.network, statistics)
        return {key: mean.result() for key, mean in self._means.items()}

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        images, labels = self._checked(*_unpack(data))
        seed = tf.constant([self.seed, 0], tf.int64)
        self._measure(images, labels, tf.constant(self.schedule.epsilon, tf.float32), seed, training=False)
        return {key: mean.result() for key, mean in self._means.items()}

    def predict_step(self, data: Any) -> tf.Tensor:
        images, *_ = keras.utils.unpack_x_y_sample_weight(data)
        return self(self._checked(images)[0], training=False)

    def _checked(self, images: Any, labels: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
        """The batch within the contract, and a note of it if it came outside; labels 0 where there are none. Raises InputError."""
        shape = self.network.image_shape
        if tf.is_tensor(images) and images.dtype.is_floating:
            images = tf.cast(images, tf.float32)
        if (
            tf.is_tensor(images)
            and not images.shape.is_fully_defined()
            and images.shape.is_compatible_with((None, *shape))
        ):
            # What a pipeline, or a graph made for several shapes, knows only when it runs.
            images = tf.ensure_shape(images, (None, *shape))
        images = check_images(images, shape)
        if labels is None:
            labels = tf.zeros(tf.shape(images)[:1], tf.int64)
        elif tf.is_tensor(labels) and labels.shape.rank is None:
            labels = tf.ensure_shape(tf.reshape(labels, [tf.shape(images)[0], -1]), (None, 1))[:, 0]
        elif labels.shape[1:] == (1,):
            labels = labels[:, 0]
        labels = check_labels(labels, images, self.network.classes)
        finite = tf.reduce_all(tf.math.is_finite(images))
        low, high = (tf.where(finite, ends(images), np.nan) for ends in (tf.reduce_min, tf.reduce_max))
        first, last = tf.reduce_min(labels), tf.reduce_max(labels)
        fine = finite & (low >= -RANGE_TOLERANCE) & (high <= 1 + RANGE_TOLERANCE)
        fine &= (first >= 0) & (last < self.network.classes)
        found = [tf.where(fine, FINE, BAD_INPUT), low, high, *(tf.cast(end, tf.float32) for end in (first, last))]
        self._note(tf.stack(found))
        # What is computed of a bad batch is thrown away, but must be computed without an error.
        images = tf.clip_by_value(tf.where(tf.math.is_finite(images), images, 0.0), 0.0, 1.0)
        return images, tf.clip_by_value(labels, 0, self.network.classes - 1)

    def _note(self, found: tf.Tensor) -> None:
        """Keep what was seen of a batch, unless a batch before it, that nobody was told of yet, was not fine."""
        self._seen.assign(tf.where(self._seen[0] == FINE, found, self._seen))

    def _telling(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, which raises what was noted while it ran: an error of the graph itself would have lost its words."""

        def run(*batches: Any) -> Any:
            try:
                result = function(*batches)
            except tf.errors.InvalidArgumentError as error:
                found = _OTHER_SHAPE.search(error.message)
                if found is None:
                    raise
                what = (
                    f"labels came with rows of shape {found[1]}, expected integers (n,): for one-hot rows take argmax(-1)"
                    if found[2] == "[?,1]"
                    else f"images came with shape {found[1]}, the network takes {found[2]}: resize them, or add the missing axis"
                )
                raise InputError(what) from error
            state, *range_of_values = (float(value) for value in self._seen.numpy())
            if state != FINE:
                self._seen.assign(tf.zeros_like(self._seen))
                low, high, first, last = range_of_values
                # Two pixels, or two labels, that are as wrong as the batch was.
                pixels = check_images(tf.reshape([low, high], (2, 1, 1, 1)))
                check_labels(tf.cast([first, last], tf.int64), pixels, self.network.classes)
                raise TrainingDiverged(
                    f"the loss or a gradient was not finite at step {int(self.optimizer.iterations)}, and no weight was changed by it: "
                    "lower the learning rate or the penalty weight"
                )
            return result

        return run

    def _measure(
        self, images: tf.Tensor, labels: tf.Tensor, epsilon: tf.Tensor, seed: tf.Tensor, *, training: bool
    ) -> tf.Tensor:
        """The objective's mean loss on a batch, attacked within `epsilon`; the means take note."""
        batch = draw_batch(images, labels, epsilon, seed)
        moved = attack_batch(self.network, self.objective, batch, epsilon, self.schedule, self.penalty_weight)
        forward = prepare(self.network, rearrange=True)
        pair = make_pair(
            forward, self.objective, batch, tf.stop_gradient(moved), self.penalty_weight, training=training
        )
        loss = tf.reduce_mean(self.objective.loss(pair))
        count = tf.cast(tf.shape(images)[0], tf.float32)
        measured = {"loss": loss, "accuracy": count_correct(pair.clean, labels) / count}
        if self.objective.attack is not None:
            measured["robust_accuracy"] = count_correct(pair.attacked, labels) / count
        for key, value in measured.items():
            self._means[key].update_state(value, sample_weight=count)
        return loss

    def get_config(self) -> dict[str, Any]:
        return {
            "network": keras.saving.serialize_keras_object(self.network),
            "objective": self.objective.tag,
            "schedule": vars(self.schedule),
            "penalty_weight": self.penalty_weight if self.objective.penalty_weight is not None else None,
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "RobustModel":
        schedule = dict(config["schedule"])
        schedule["learning_rates"] = tuple(tuple(pair) for pair in schedule["learning_rates"])
        schedule["ramp"] = tuple(schedule["ramp"])
        network = keras.saving.deserialize_keras_object(config["network"])
        return cls(**{**config, "network": network, "schedule": Schedule(**schedule)})


def _unpack(data: Any) -> tuple[Any, Any]:
    images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    if weights is not None:
        raise InputError(NO_WEIGHTS)
    if labels is None:
        raise InputError("RobustModel takes batches of (images, labels), no labels came: give them beside the images")
    return images, labels

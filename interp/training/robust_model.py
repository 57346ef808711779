"""A training objective under Keras's own loop, for those who have callbacks, data pipelines and optimisers of theirs."""

from typing import Any

import keras
import tensorflow as tf

from interp.core.balls import LinfBall
from interp.core.errors import InputError
from interp.models.forward import NetworkForward
from interp.models.network import Network
from interp.training.objectives import Objective, find_objective, resolve_penalty
from interp.training.schedule import Schedule
from interp.training.step import attack_batch, count_correct, make_pair

NO_WEIGHTS = "RobustModel takes batches of (images, labels) without sample weights: weigh classes by sampling them"


@keras.saving.register_keras_serializable(package="interp")
class RobustModel(keras.Model):
    """`model.fit` on it minimises a training objective of this package on its `network`; it predicts as the network does.

    The inner attack and the ramp of its radius, counted in optimiser steps, come from `schedule`; epochs, batches, optimiser and
    learning rate are those given to `compile` and `fit`. Images are float32 (n, height, width, channels) in [0, 1], labels integers
    (n,). History and callbacks see loss, accuracy and robust_accuracy (under the inner attack), on validation images too, there at the
    full radius. `interp.training.train` does the same resumably, with streams and replicas. Raises InputError.
    """

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
                f"RobustModel takes this package's networks, got {type(network).__name__}: make one with build_network"
            )
        super().__init__(name=name or f"robust_{network.name}")
        self.network = network
        self.objective = find_objective(objective) if isinstance(objective, str) else objective
        self.schedule = schedule
        self.penalty_weight = resolve_penalty(self.objective, penalty_weight)
        self.seed = seed
        self._means = {key: keras.metrics.Mean(name=key) for key in ("loss", "accuracy")}
        if self.objective.attack is not None:
            self._means["robust_accuracy"] = keras.metrics.Mean(name="robust_accuracy")
        self.build((None, *network.image_shape))

    def build(self, input_shape: Any) -> None:
        # The network is built already.
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: Any = None) -> tf.Tensor:
        return self.network(inputs, training=training)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        # Keras resets these at the start of each epoch.
        return list(self._means.values())

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        images, labels = _unpack(data)
        step = tf.cast(self.optimizer.iterations, tf.int64)
        first, last = self.schedule.ramp
        # As Schedule.radius, in the graph.
        reached = tf.cast(step - first, tf.float32) / max(last - first, 1)
        epsilon = self.schedule.epsilon * tf.where(step >= last, 1.0, tf.clip_by_value(reached, 0.0, 1.0))
        variables = self.network.trainable_variables
        with tf.GradientTape() as tape:
            loss = self._measure(
                images, labels, epsilon, tf.stack([tf.constant(self.seed, tf.int64), step]), training=True
            )
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {key: mean.result() for key, mean in self._means.items()}

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        images, labels = _unpack(data)
        seed = tf.constant([self.seed, 0], tf.int64)
        self._measure(images, labels, tf.constant(self.schedule.epsilon, tf.float32), seed, training=False)
        return {key: mean.result() for key, mean in self._means.items()}

    def _measure(
        self, images: tf.Tensor, labels: tf.Tensor, epsilon: tf.Tensor, seed: tf.Tensor, *, training: bool
    ) -> tf.Tensor:
        """The objective's mean loss on a batch, attacked within `epsilon`; the means take note."""
        ball = LinfBall()
        start = ball.project(images + ball.random(tf.shape(images), epsilon, seed), images, epsilon)
        moved = attack_batch(
            self.network, self.objective, images, labels, start, epsilon, self.schedule, self.penalty_weight
        )
        forward = NetworkForward(self.network)
        pair = make_pair(
            forward, self.objective, images, labels, tf.stop_gradient(moved), self.penalty_weight, training=training
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


def _unpack(data: Any) -> tuple[tf.Tensor, tf.Tensor]:
    images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    if labels is None or weights is not None:
        raise InputError(NO_WEIGHTS)
    return tf.cast(images, tf.float32), tf.cast(tf.reshape(labels, [-1]), tf.int64)

"""A training objective under Keras's own loop, for those who have callbacks, data pipelines and optimisers of theirs."""

from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from interp.attributions import name_of
from interp.core.checks import check_instance, check_number, kind_of
from interp.core.errors import InputError, check_choice
from interp.core.names import BATCH_STATISTICS
from interp.models.model_ends import image_input_shape
from interp.models.prepared import prepare
from interp.training.batch_guard import BatchGuard, unpack
from interp.training.batches import draw_batch
from interp.training.inner_attack import attack_batch
from interp.training.model_state import ModelState, regularisation
from interp.training.objectives import (
    OBJECTIVES,
    Objective,
    check_explanation,
    find_objective,
    resolve_penalty,
    with_explanation,
)
from interp.training.schedule import Schedule, for_objective
from interp.training.step import PairTraining, count_classes, make_pair
from interp.training.update import is_finite, update_if

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


def _batches(optimizer: keras.Optimizer) -> Any:
    """The variable that counts an optimizer's batches: with gradient_accumulation_steps, its `iterations` count only every n-th."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return next(variable for variable in inner.variables if variable.name == "iteration")


@keras.saving.register_keras_serializable(package="interp")
class RobustModel(keras.Model):
    """Any Keras model as one whose `fit` minimises a training objective of this package; it predicts as that model does.

    Epochs, batches, optimizer and learning rate are those given to `compile` and `fit`. Images are float32 (n, height, width, channels) in
    [0, 1], labels integers (n,) or (n, 1). A batch of another kind, or with a loss or gradient that is not finite, changes no weight.
    History and callbacks see loss, accuracy and robust_accuracy (under the inner attack), on validation images too, there at the full
    radius. `interp.training.train` does the same and can be resumed, and works with several replicas; its description says what happens to
    batch normalisation, dropout and frozen layers.

    Args:
        network: A network of the package or a Keras model as `train` takes it, with one shape of images.
        objective: A training method or its name, such as "adv", "trades" or "int".
        schedule: The inner attack and the ramp of its radius, counted in steps, such as `usual_schedule(len(images), 8 / 255)`.
        penalty_weight: Weight of the second term of the objective (default: its usual one).
        seed: Seed of inner attacks, dropout and other random layers.
        batch_statistics: Whose statistics batch normalisation keeps: "each", "clean", "attacked" or "fixed", as for `train`.
        name: Name of this model (default: "robust_" and that of the network).

    Raises:
        InputError: An argument is not as described, or the network cannot serve the objective.
        TrainingDiverged: While it is fitted, a loss or gradient is not finite.

    Example:
        ```python
        schedule = interp.training.usual_schedule(len(images), 8 / 255)
        robust = interp.training.RobustModel(model, "adv", schedule)
        robust.compile(keras.optimizers.AdamW(1e-3, weight_decay=1e-4))
        # By default `fit` makes one epoch, in which the radius would hardly grow.
        robust.fit(images, labels, batch_size=schedule.batch_size, epochs=schedule.epochs, class_weight={0: 1.0, 1: 3.0})
        model.save("mine_adv.keras")
        ```
    """

    # Keras's, made by make_train_function and the other two.
    train_function: Any
    test_function: Any
    predict_function: Any

    def __init__(
        self,
        network: keras.Model,
        objective: str | Objective,
        schedule: Schedule,
        *,
        penalty_weight: float | None = None,
        seed: int = 99,
        batch_statistics: str = "each",
        name: str | None = None,
    ) -> None:
        if not isinstance(network, keras.Model):
            raise InputError(
                f"RobustModel takes Keras models, got {kind_of(network)}: make one with build_network, or load yours"
            )
        if not getattr(network, "inputs", None):
            raise InputError(
                "the model does not know the shape of its images: give what interp.models.adapt(model, scale='0..1', images=a few of them, "
                "labels=theirs) makes of it, which has the same layers and weights, or use interp.training.train"
            )
        height, width, channels = image_input_shape(network)
        if height is None or width is None:
            raise InputError(
                f"the model takes images of shape {(height, width, channels)}, RobustModel one shape: build it for that, or use "
                "interp.training.train"
            )
        shape = height, width, channels
        check_choice("batch_statistics", batch_statistics, BATCH_STATISTICS)
        check_instance("the schedule", schedule, Schedule, "Schedule(...) or PAPER['mnist']")
        check_number("seed", seed, minimum=0, whole=True)
        classes = count_classes(network, shape)
        state = ModelState(network, shape)
        # Not the global policy: Keras scales the loss of models in half precision, which is what it is told here.
        super().__init__(name=name or f"robust_{network.name}", dtype="mixed_float16" if state.is_half else "float32")
        if self.distribute_strategy.num_replicas_in_sync > 1:
            raise InputError(
                "RobustModel trains with one replica: use interp.training.train inside the strategy's scope"
            )
        self.network = network
        self.objective = find_objective(objective)
        check_explanation(self.objective, network, shape)
        self.schedule = for_objective(schedule, self.objective.tag)
        self.penalty_weight = resolve_penalty(self.objective, penalty_weight)
        self.seed = seed
        self.batch_statistics = batch_statistics
        self._state = state
        self._means = {key: keras.metrics.Mean(name=key) for key in ("loss", "accuracy")}
        if self.objective.attack is not None:
            self._means["robust_accuracy"] = keras.metrics.Mean(name="robust_accuracy")
        self._guard = BatchGuard(shape, classes)
        self.build((None, *shape))

    def build(self, input_shape: Any) -> None:
        """Do nothing: the network is built already.

        Args:
            input_shape: Not used.
        """
        # The network is built already.
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: Any = None) -> tf.Tensor:
        """Compute what the network returns.

        Args:
            inputs: float32 (n, height, width, channels) in [0, 1].
            training: Whether dropout and batch normalisation are in training mode.
            mask: Not used.

        Returns:
            The outputs of the network, as they are.
        """
        return self.network(inputs, training=training)

    def compile(self, optimizer: Any = "rmsprop", *unused: Any, **options: Any) -> None:
        """Set the optimizer, as Keras's `compile` does; loss and metrics are those of the objective.

        Args:
            optimizer: Any optimizer of Keras, or its name.
            *unused: What Keras's `compile` takes next: each must be None.
            **options: Further arguments of Keras's `compile`, such as `run_eagerly`.

        Raises:
            InputError: A loss or metric came, or no optimizer for float32.
        """
        given = dict(zip(("loss", "loss_weights", "metrics", "weighted_metrics"), unused, strict=False))
        for name, instead in UNUSED.items():
            if given.get(name, options.get(name)) is not None:
                raise InputError(f"compile came with {name}, which RobustModel would not use: leave it out; {instead}")
        # Layers may have been frozen, or trained again, since the model was made: what a pass moves depends on it.
        self._state = ModelState(self.network, tuple(self.network.input_shape[1:]))
        super().compile(optimizer, *unused, **options)
        scales = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        if not isinstance(self.optimizer, keras.Optimizer) or (scales and not self._state.is_half):
            raise InputError(
                f"the optimizer came as {type(self.optimizer).__name__}, expected a keras.Optimizer for float32 such as Adam(1e-3)"
            )
        self.optimizer.build(self.network.trainable_variables)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as a saved model was compiled, for Keras to load.

        Args:
            config: What Keras saved of `compile`.
        """
        # Files of before there was a check may hold what is refused now.
        kept = {name: value for name, value in config.items() if name not in UNUSED}
        self.compile(**keras.saving.deserialize_keras_object(kept))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        # Keras resets these at the start of each epoch.
        return list(self._means.values())

    def make_train_function(self, force: bool = False) -> None:
        """Make the function that `fit` calls, which raises for a batch that cannot be used.

        Args:
            force: Whether it is made anew.
        """
        if self.train_function is None or force:
            super().make_train_function(force)
            self.train_function = self._guard.telling(self.train_function, self._steps)

    def make_test_function(self, force: bool = False) -> None:
        """Make the function that `evaluate` calls, which raises for a batch that cannot be used.

        Args:
            force: Whether it is made anew.
        """
        if self.test_function is None or force:
            super().make_test_function(force)
            self.test_function = self._guard.telling(self.test_function, self._steps)

    def make_predict_function(self, force: bool = False) -> None:
        """Make the function that `predict` calls, which raises for a batch that cannot be used.

        Args:
            force: Whether it is made anew.
        """
        if self.predict_function is None or force:
            super().make_predict_function(force)
            self.predict_function = self._guard.telling(self.predict_function, self._steps)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Attack a batch, and update the weights by the objective's loss on it.

        Args:
            data: Images, labels and perhaps a weight for each image, as `fit` gives them.

        Returns:
            The means so far in the epoch by name: loss, accuracy, and robust_accuracy where there is an inner attack.
        """
        images, labels, weights = unpack(data)
        images, labels = self._guard.checked(images, labels)
        step = tf.cast(_batches(self.optimizer), tf.int64)
        first, last = self.schedule.ramp
        # As Schedule.radius, in the graph.
        reached = tf.cast(step - first, tf.float32) / max(last - first, 1)
        epsilon = self.schedule.epsilon * tf.where(step >= last, 1.0, tf.clip_by_value(reached, 0.0, 1.0))
        seed = tf.stack([tf.constant(self.seed, tf.int64), step])
        statistics = self._state.values()
        with tf.GradientTape() as tape:
            training = PairTraining(self._state, seed, self.batch_statistics)
            loss = self._measure(images, labels, weights, epsilon, seed, training)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.network.trainable_variables)
        fine = self._guard.is_fine(is_finite(self.optimizer, loss, gradients))
        update_if(fine, self.optimizer, gradients, self._state, statistics)
        return {key: mean.result() for key, mean in self._means.items()}

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Attack a batch at the full radius, and measure it.

        Args:
            data: Images, labels and perhaps a weight for each image, as `evaluate` gives them.

        Returns:
            The means so far by name: loss, accuracy, and robust_accuracy where there is an inner attack.
        """
        images, labels, weights = unpack(data)
        images, labels = self._guard.checked(images, labels)
        seed = tf.constant([self.seed, 0], tf.int64)
        self._measure(images, labels, weights, tf.constant(self.schedule.epsilon, tf.float32), seed, None)
        return {key: mean.result() for key, mean in self._means.items()}

    def predict_step(self, data: Any) -> tf.Tensor:
        """Compute what the network returns for a batch.

        Args:
            data: Images, as `predict` gives them.

        Returns:
            The outputs of the network, as they are.
        """
        images, *_ = keras.utils.unpack_x_y_sample_weight(data)
        return self(self._guard.checked(images)[0], training=False)

    def _steps(self) -> int:
        return int(_batches(self.optimizer))

    def _measure(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor | None,
        epsilon: tf.Tensor,
        seed: tf.Tensor,
        training: PairTraining | None,
    ) -> tf.Tensor:
        """The objective's mean loss on a batch, attacked within `epsilon`; the means take note."""
        batch = draw_batch(images, labels, epsilon, seed, self.schedule.norm)
        moved = attack_batch(self.network, self.objective, batch, epsilon, self.schedule, self.penalty_weight)
        forward = prepare(self.network, rearrange=True)
        pair = make_pair(forward, self.objective, batch, tf.stop_gradient(moved), self.penalty_weight, training)
        losses = self.objective.loss(pair)
        if weights is not None:
            losses *= tf.reshape(tf.cast(weights, losses.dtype), tf.shape(losses))
        # A pass in inference mode has no losses of its own, but those of weights count in both.
        own = pair.losses if training is not None else regularisation(self.network)
        loss = tf.add_n([tf.reduce_mean(losses), *(tf.reduce_sum(each) for each in own)])
        count = tf.cast(tf.shape(images)[0], tf.float32)
        measured = {"loss": loss, "accuracy": pair.clean.count_correct(labels) / count}
        if self.objective.attack is not None:
            measured["robust_accuracy"] = pair.attacked.count_correct(labels) / count
        for key, value in measured.items():
            self._means[key].update_state(value, sample_weight=count)
        return loss

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this model, for Keras to save.

        Raises:
            InputError: The objective is not one of OBJECTIVES, or its explanation has settings that a file cannot hold.
        """
        known = OBJECTIVES.get(self.objective.tag)
        if known is None or replace(known, explanation=self.objective.explanation) != self.objective:
            raise InputError(
                f"the objective {self.objective.tag!r} is not the one of OBJECTIVES, and a file of a RobustModel cannot hold another: save "
                "its network instead, model.network.save('name.keras')"
            )
        return {
            "network": keras.saving.serialize_keras_object(self.network),
            "objective": self.objective.tag,
            "schedule": vars(self.schedule),
            "penalty_weight": self.penalty_weight if self.objective.penalty_weight is not None else None,
            "seed": self.seed,
            "batch_statistics": self.batch_statistics,
            "name": self.name,
            **self._explanation(),
        }

    def _explanation(self) -> dict[str, str]:
        """The explanation's name, where it is another one than the objective's own. Raises InputError where it has none."""
        explanation = self.objective.explanation
        if explanation is None or explanation == find_objective(self.objective.tag).explanation:
            return {}
        name = name_of(explanation)
        if name is None:
            raise InputError(
                f"the explanation {explanation.describe()} has settings of its own, which a file of a RobustModel cannot hold: save its "
                "network instead, model.network.save('name.keras')"
            )
        return {"explanation": name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "RobustModel":
        schedule = dict(config["schedule"])
        schedule["learning_rates"] = tuple(tuple(pair) for pair in schedule["learning_rates"])
        schedule["ramp"] = tuple(schedule["ramp"])
        network = keras.saving.deserialize_keras_object(config["network"])
        objective = config["objective"]
        if "explanation" in config:
            objective = with_explanation(objective, config["explanation"])
        kept = {name: value for name, value in config.items() if name != "explanation"}
        return cls(**{**kept, "network": network, "objective": objective, "schedule": Schedule(**schedule)})

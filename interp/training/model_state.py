"""What a pass of a model in training mode moves beside its weights, and what it draws."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from interp.core.compiled import drop_dead_losses
from interp.core.errors import InputError
from interp.models.model_graph import handles_of
from interp.models.network import Network
from interp.models.prepared import PreparedModel

# How Keras names the state of what draws.
_SEED = "seed_generator_state"


class ModelState:
    """The variables of a model that a pass in training mode moves, found in the graph of one.

    `statistics` are those of batch normalisation and of all that keeps something; `seeds` are the states of dropout and of all that
    draws. `is_half` says that it computes in float16 somewhere. Raises InputError.
    """

    def __init__(self, model: keras.Model, image_shape: tuple[int, int, int]) -> None:
        self.model = model
        self.seeds = seed_states(model)
        if not model.trainable_variables:
            raise InputError("the model has no weights to train: set trainable=True for the layers that are to learn")
        if type(model) is Network:
            # What else is not trained is frozen.
            moving = [each for each in model.non_trainable_variables if each.name.startswith("moving_")]
            self.statistics, self.is_half = moving, False
            return
        images = tf.TensorSpec([None, *image_shape])
        with tf.init_scope():
            passing = tf.function(lambda images: model(images, training=True), autograph=False)
            graph = passing.get_concrete_function(images).graph
        drop_dead_losses(model, images)
        inside = {id(outer): inner for outer, inner in graph.captures}
        self.statistics = [
            variable
            for variable in model.non_trainable_variables
            if variable.name != _SEED and any(_is_moved(inside.get(id(handle))) for handle in handles_of(variable))
        ]
        outputs = (tensor for operation in graph.get_operations() for tensor in operation.outputs)
        self.is_half = any(tensor.dtype == tf.float16 for tensor in outputs)

    @property
    def looks_at_batches(self) -> bool:
        """Whether a batch must be passed as a whole."""
        return type(self.model) is not Network or bool(self.statistics)

    def values(self) -> list[tf.Tensor]:
        """The present statistics."""
        return [tf.identity(variable) for variable in self.statistics]

    def restore(self, values: list[tf.Tensor]) -> None:
        """Give the statistics these values again."""
        for variable, value in zip(self.statistics, values, strict=True):
            variable.assign(value)

    def draw(self, seed: tf.Tensor) -> None:
        """Let what draws draw from `seed` (2,), so that passes of one step draw alike and a resumed training as an uninterrupted one."""
        draw_from(self.seeds, seed)


def seed_states(layer: keras.layers.Layer) -> list[Any]:
    """The states of what draws in a layer or model."""
    return [variable for variable in layer.non_trainable_variables if variable.name == _SEED]


def draw_from(states: Sequence[Any], seed: Any) -> None:
    """Set the states of what draws by `seed` (2,) and their places."""
    for place, variable in enumerate(states):
        drawn = tf.random.stateless_uniform([2], tf.stack([seed[0] + place, seed[1]]), 0, 2**31 - 1, tf.int32)
        variable.assign(tf.cast(drawn, variable.dtype))


@contextmanager
def drawing_from(seed: int | str) -> Iterator[None]:
    """Inside, Python's generator draws from `seed`, of which initializers and some layers take theirs; it is given back as it was."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def _is_moved(captured: tf.Tensor | None) -> bool:
    return captured is not None and any(use.type != "ReadVariableOp" for use in captured.consumers())


@dataclass(frozen=True)
class TrainingMode:
    """Passes of a loss, which draw from `seed` (2,); only where it `keeps_statistics` are those of the batch kept.

    With `fixed` they are passes in inference mode.
    """

    state: ModelState
    seed: tf.Tensor
    keeps_statistics: bool = True
    fixed: bool = False

    def run(self, forward: PreparedModel, points: tf.Tensor) -> tuple[tf.Tensor | None, tf.Tensor, list[tf.Tensor]]:
        """What the tail reads, logits (n, K), and the model's own losses: those of regularisers and of `add_loss`."""
        if self.fixed:
            activations = forward.activations(points)
            return activations, forward.tail.logits(activations), self._own_losses()
        self.state.draw(self.seed)
        before = [] if self.keeps_statistics else self.state.values()
        activations, logits = forward.training_outputs(points)
        losses = self._own_losses()
        if not self.keeps_statistics:
            self.state.restore(before)
        return activations, logits, losses

    def _own_losses(self) -> list[tf.Tensor]:
        """Those that the model has after a pass."""
        losses = [] if type(self.state.model) is Network else list(self.state.model.losses)
        if tf.executing_eagerly() and any(tf.is_tensor(each) and tf.is_symbolic_tensor(each) for each in losses):
            raise InputError(
                "losses that layers add, as activity regularisers do, are computed in compiled functions, and this training step runs "
                "eagerly: leave out run_eagerly"
            )
        # Of layers in half precision they are in it too.
        return [tf.cast(each, tf.float32) for each in losses]


def regularisation(model: keras.Model) -> list[tf.Tensor]:
    """The losses of the regularisers of a model's weights, in float32."""
    weights = (weight for weight in model.trainable_variables if weight.regularizer is not None)
    return [tf.cast(weight.regularizer(weight), tf.float32) for weight in weights]

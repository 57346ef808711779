"""Maps as attacks on them see them: flat, of a method that changes smoothly with the image."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from interp.attributions import CAM, Attribution, find_attribution
from interp.attributions.smooth_grad import NoiseEnsemble
from interp.core.compiled import rows_like, run_in_batches
from interp.core.errors import InputError
from interp.models.prepared import PreparedModel, prepare

# How far from an image it is looked whether its maps change.
NEAR = 0.2


@dataclass(frozen=True)
class SearchedMaps:
    """Maps of a method at points of a prepared model, for use inside the loop of an attack; `rows` (n,) are the places of its images."""

    method: Attribution
    model: PreparedModel
    rows: tf.Tensor
    # Whether maps are read as the sums of their magnitudes over the channels.
    magnitude: bool = False

    def __call__(self, points: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Flat maps (n, m, positions) of the classes (n, m), and logits (n, K), in one pass."""
        maps, logits, _ = self.method.maps(self.model, points, classes, self.rows)
        if self.magnitude:
            maps = tf.abs(maps) if maps.shape.rank < 5 else tf.reduce_sum(tf.abs(maps), -1)
        return flat(maps), logits

    def sums_at(
        self, points: tf.Tensor, labels: tf.Tensor, positions: tf.Tensor
    ) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
        """A function of points: the sum (n,) of the flat map of the `labels` (n,) at `positions` (n, k), and logits (n, K).

        `points` are some at which it is going to be asked.
        """
        # A subclass may make something else of the activations.
        if self.magnitude or type(self.method) is not CAM:

            def sums(points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                maps, logits = self(points, labels[:, None])
                return tf.reduce_sum(tf.gather(maps[:, 0], positions, batch_dims=1), -1), logits

            return sums
        # Linear in the activations, so what multiplies them is computed once, and no map in any step.
        cam, model = self.method, self.model
        activations = tf.zeros_like(model.activations(points))
        with tf.GradientTape() as tape:
            tape.watch(activations)
            maps = flat(cam.of_activations(model, activations, labels[:, None]))[:, 0]
            constant = tf.reduce_sum(tf.gather(maps, positions, batch_dims=1), -1)
        factors = tape.gradient(constant, activations)

        def linear(points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            activations = model.activations(points)
            return tf.reduce_sum(activations * factors, (1, 2, 3)) + constant, model.tail.logits(activations)

        return linear


def flat(maps: tf.Tensor) -> tf.Tensor:
    """Maps (n, m, height, width, ...) as (n, m, positions)."""
    shape, positions = tf.shape(maps), maps.shape[2:].num_elements()
    return tf.reshape(maps, (shape[0], shape[1], tf.reduce_prod(shape[2:]) if positions is None else positions))


def attacked_method(interpretation: str | Attribution) -> Attribution:
    """The description of what is attacked. Raises InputError for a method that no attack can follow."""
    method = inner = find_attribution(interpretation)
    while isinstance(inner, NoiseEnsemble):
        inner = inner.attribution
    if not inner.differentiable:
        raise InputError(f"{method.name} {inner.obstacle}, so it cannot be attacked: choose another explanation")
    return method


def method_key(interpretation: str | Attribution) -> Hashable:
    """What of the method of that name or the object shapes a graph: its class, not the class's name, and its settings."""
    return attacked_method(interpretation).graph_key()


def check_attackable(method: Attribution, model: keras.Model, images: tf.Tensor) -> None:
    """Raise InputError, naming the method, where `model` has no such maps or they do not change with the `images`."""
    few = images[:2]
    method.find_layer(model, few)
    # A NaN is no sign that maps stay: the attack as a whole reports it.
    if (largest_gradients(method, model, few) == 0).all():
        raise InputError(
            f"{method.name} does not change with the image on this model, or in steps alone, so it cannot be attacked: choose another "
            "explanation, such as integrated gradients (ig)"
        )


def largest_gradients(
    method: Attribution,
    model: keras.Model,
    images: tf.Tensor,
    labels: tf.Tensor | None = None,
    *,
    radius: float = NEAR,
    batch_size: int = 250,
) -> np.ndarray:
    """How much the map of the label changes with each image (n,) at most, near it; 0 where a search cannot follow it, NaN as it comes.

    Without labels (n,) maps of the three likeliest classes are looked at. Near is within a `radius` in linf.
    """

    def largest(near: tf.Tensor, places: tf.Tensor, *labels: tf.Tensor) -> tuple[tf.Tensor]:
        prepared = prepare(model, rearrange=True)
        points = prepared.enter(near)
        logits = prepared.logits(points)
        # Of a class that the network sees nowhere, Grad-CAM is 0.
        likeliest = tf.cast(tf.math.top_k(logits, min(3, logits.shape[-1])).indices, tf.int64)
        classes = labels[0][:, None] if labels else likeliest
        searched = SearchedMaps(method.for_search(), prepared, places)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            maps, _ = searched(points, classes)
            weights = tf.random.stateless_normal(tf.shape(maps)[1:], (0, 0))
            value = tf.reduce_sum(maps * weights)
        gradient = tape.gradient(value, points, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return (tf.reduce_max(tf.abs(prepared.leave(gradient)), (1, 2, 3)),)

    # Where the image is black many maps are 0 and do not move.
    offsets = tf.random.stateless_uniform(images.shape, (0, 1), -radius, radius)
    arrays = tf.clip_by_value(images + offsets, 0.0, 1.0), tf.range(len(images)), *(() if labels is None else (labels,))
    compiled = tf.function(largest, autograph=False, input_signature=rows_like(arrays)).get_concrete_function()
    return run_in_batches(compiled, arrays, batch_size)[0].numpy()

"""The interpretations whose movement is measured, each as maps of chosen classes of one model."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.core.checks import check_images, check_labels, check_number
from interp.core.compiled import CompiledFunctions, run_in_batches
from interp.core.errors import InputError, check_choice
from interp.core.path_gradients import path_maps, quadrature
from interp.models.forward import Forward, MappedForward, prepare_forward
from interp.models.model_check import check_model

# Quadratures of integrated gradients: five points of the right Riemann rule inside attacks, as in the paper's training, and a finer
# one for what is reported of them.
SEARCHED, REPORTED = quadrature("right", 5), quadrature("gauss_legendre", 32)
LAST_LAYER = -1
# All path points of small images are in memory at once; of others so many that they hold as many values as this.
SMALL_IMAGE, PATH_VALUES = 1024, 3 * 224 * 224 * 3


class Interpretation(ABC):
    """Maps of a model, prepared once for many passes, for use inside tf.function."""

    @abstractmethod
    def pictures_and_logits(self, points: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps (n, m, height, width, ...) of the classes (n, m) of each image, and logits (n, K), in one pass where that will do.

        `points` are images in the forward's layout.
        """

    def pictures(self, points: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        """The maps alone."""
        return self.pictures_and_logits(points, classes)[0]

    def maps_and_logits(self, points: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The maps flat, (n, m, positions), and logits (n, K)."""
        pictures, logits = self.pictures_and_logits(points, classes)
        shape, positions = tf.shape(pictures), pictures.shape[2:].num_elements()
        flat = (shape[0], shape[1], tf.reduce_prod(shape[2:]) if positions is None else positions)
        return tf.reshape(pictures, flat), logits

    def maps(self, points: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        """The flat maps alone."""
        return self.maps_and_logits(points, classes)[0]

    def sums_at(self, points: tf.Tensor, classes: tf.Tensor, positions: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
        """A function of points: the sum (n,) of the flat map of each image's class of `classes` (n,) at its `positions` (n, k).

        `points` are some at which it is going to be asked.
        """
        return lambda points: tf.reduce_sum(
            tf.gather(self.maps(points, classes[:, None])[:, 0], positions, batch_dims=1), -1
        )


class ClassActivation(Interpretation):
    """CAM, or Grad-CAM++ in its closed form for average pooling where `rectified`."""

    def __init__(self, forward: Forward, *, rectified: bool = False) -> None:
        self.forward = _mapped(forward, "class activation maps need")
        self.tail = self.forward.rectified_tail() if rectified else self.forward.tail

    def pictures_and_logits(self, points: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        activations = self.forward.activations(points)
        return self._pictures_of(activations, classes), self.forward.logits_of(activations)

    def _pictures_of(self, activations: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.transpose(self.tail.maps(activations), (0, 3, 1, 2)), classes, batch_dims=1)

    def sums_at(self, points: tf.Tensor, classes: tf.Tensor, positions: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
        # Linear in the activations, so what multiplies them is computed once, and no map in any step.
        activations = tf.zeros_like(self.forward.activations(points))
        with tf.GradientTape() as tape:
            tape.watch(activations)
            maps = tf.reshape(self._pictures_of(activations, classes[:, None]), (tf.shape(classes)[0], -1))
            constant = tf.reduce_sum(tf.gather(maps, positions, batch_dims=1), -1)
        factors = tape.gradient(constant, activations)
        return lambda points: tf.reduce_sum(self.forward.activations(points) * factors, (1, 2, 3)) + constant


class Representation(Interpretation):
    """The outputs of one layer, whatever the classes: one map (n, 1, height, width, channels)."""

    def __init__(self, forward: Forward, layer: int) -> None:
        self.forward, self.index = _mapped(forward, "the representation needs"), layer

    def pictures_and_logits(self, points: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        activations = self.forward.activations(points)
        last = self.index == LAST_LAYER
        outputs = self.forward.tail.features(activations) if last else self.forward.layer(points, self.index)
        return outputs[:, None], self.forward.logits_of(activations)


class PathAttribution(Interpretation):
    """Integrated gradients of the class logits from a black image, with a quadrature's positions and weights."""

    def __init__(self, forward: Forward, positions: np.ndarray, weights: np.ndarray) -> None:
        self.forward, self.positions, self.weights = forward, tf.constant(positions), tf.constant(weights)

    def pictures_and_logits(self, points: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        count, shown = tf.shape(classes)[0], tf.shape(classes)[1]
        of_row = tf.reshape(classes, (-1,))

        def score(between: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
            return tf.gather(self.forward.logits(between), tf.gather(of_row, rows), batch_dims=1)

        size = points.shape[1:].num_elements()
        chunk_size = None if size is not None and size <= SMALL_IMAGE else max(1, PATH_VALUES // (size or PATH_VALUES))
        ends = tf.repeat(points, shown, axis=0)
        maps = self.forward.leave(path_maps(score, ends, self.positions, self.weights, chunk_size=chunk_size))
        pictures = tf.reshape(maps, tf.concat([[count, shown], tf.shape(maps)[1:]], 0))
        pictures.set_shape([None, classes.shape[1], *maps.shape[1:]])
        return pictures, self.forward.logits(points)


Prepare = Callable[[Forward, tuple[np.ndarray, np.ndarray], int], Interpretation]
INTERPRETATIONS: dict[str, Prepare] = {
    "cam": lambda forward, quadrature, layer: ClassActivation(forward),
    "cam++": lambda forward, quadrature, layer: ClassActivation(forward, rectified=True),
    "ig": lambda forward, quadrature, layer: PathAttribution(forward, *quadrature),
    "representation": lambda forward, quadrature, layer: Representation(forward, layer),
}


def prepare_interpretation(
    name: str,
    forward: Forward,
    *,
    quadrature: tuple[np.ndarray, np.ndarray] = SEARCHED,
    layer: int = LAST_LAYER,
) -> Interpretation:
    """Return the interpretation cam, cam++, ig or representation of a model; raises InputError where it has none.

    `quadrature` is that of ig, `layer` the one whose outputs are the representation: the last feature maps without it.
    """
    return INTERPRETATIONS[check_choice("interpretation", name, INTERPRETATIONS)](forward, quadrature, layer)


@dataclass(frozen=True, kw_only=True)
class InterpretationMaps:
    """Maps of a model for people and figures: `maps(model, images, classes)`; compiled once for a model.

    `name` is cam, cam++, ig (32 Gauss-Legendre points from a black image) or representation (of a `layer`, whatever the classes).
    """

    name: str
    layer: int = LAST_LAYER
    _compiled: CompiledFunctions = field(default_factory=CompiledFunctions, repr=False, compare=False)

    def __call__(self, model: keras.Model, images: Any, classes: Any, *, batch_size: int = 50) -> np.ndarray:
        """Return maps (n, m, height, width, ...) of the `classes` (n, m) of `images` (n, height, width, channels). Raises InputError."""
        check_number("batch_size", batch_size, minimum=1, whole=True)
        batch, chosen = check_images(images), tf.convert_to_tensor(classes, tf.int64)
        count = check_model(model, batch)
        if chosen.shape.rank != 2 or chosen.shape[0] != batch.shape[0]:
            raise InputError(
                f"classes came with shape {tuple(chosen.shape)}, expected ({batch.shape[0]}, classes per image)"
            )
        check_labels(tf.reshape(chosen, [-1]), tf.reshape(chosen, [-1]), count)
        rows = [tf.TensorSpec([None, *batch.shape[1:]]), tf.TensorSpec([None, chosen.shape[1]], tf.int64)]

        def run(images: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor]:
            forward = prepare_forward(model, rearrange=True)
            interpretation = prepare_interpretation(self.name, forward, quadrature=REPORTED, layer=self.layer)
            return (interpretation.pictures(forward.enter(images), classes),)

        compiled = self._compiled.bind(model, (tuple(batch.shape[1:]), chosen.shape[1]), run, rows, ())
        return run_in_batches(compiled, (batch, chosen), batch_size)[0].numpy()

    def check(self, model: keras.Model) -> None:
        """Raise InputError where the model has no such interpretation: before a search, not after it."""
        prepare_interpretation(self.name, prepare_forward(model, rearrange=False), layer=self.layer)

    def flat(self, model: keras.Model, images: Any, classes: Any) -> np.ndarray:
        """The same maps, flat: (n, m, positions)."""
        maps = self(model, images, classes)
        return maps.reshape(*maps.shape[:2], -1)


def _mapped(forward: Forward, needs: str) -> MappedForward:
    if not isinstance(forward, MappedForward):
        raise InputError(f"{needs} a network that ends in global average pooling and a dense layer; use ig for others")
    return forward

"""The interpretations whose movement is measured, each as flat maps of chosen classes of one network."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import tensorflow as tf

from interp.core.errors import InputError, check_choice
from interp.core.path_gradients import path_gradient, quadrature
from interp.models.forward import Forward, NetworkForward

# Quadrature of integrated gradients inside attacks: five points of the right Riemann rule, as in the paper's training.
PATH_POSITIONS, PATH_WEIGHTS = quadrature("right", 5)


class Interpretation(ABC):
    """Maps of a model, prepared once for many passes, for use inside tf.function."""

    @abstractmethod
    def maps(self, points: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        """Flat maps (n, m, positions) of the classes (n, m) of each image; `points` are images in the forward's layout."""


class ClassActivation(Interpretation):
    """CAM, or Grad-CAM++ in its closed form for average pooling where `rectified`."""

    def __init__(self, forward: Forward, *, rectified: bool = False) -> None:
        if not isinstance(forward, NetworkForward):
            raise InputError(
                "class activation maps need one of this package's networks; use the interpretation ig for other models"
            )
        self.forward = forward
        self.tail = forward.network.tail(rectified=True) if rectified else forward.tail

    def maps(self, points: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        maps = self.tail.maps(self.forward.activations(points))
        flat = tf.reshape(maps, (tf.shape(maps)[0], maps.shape[1] * maps.shape[2], maps.shape[3]))
        return tf.gather(tf.transpose(flat, (0, 2, 1)), classes, batch_dims=1)


class Representation(Interpretation):
    """The last feature maps, whatever the classes: one flat map (n, 1, positions * channels)."""

    def __init__(self, forward: Forward) -> None:
        if not isinstance(forward, NetworkForward):
            raise InputError(
                "the representation needs one of this package's networks; use the interpretation ig for other models"
            )
        self.forward = forward

    def maps(self, points: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        features = self.forward.tail.features(self.forward.activations(points))
        return tf.reshape(features, (tf.shape(features)[0], 1, -1))


class PathAttribution(Interpretation):
    """Integrated gradients of the class logits from a black image."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward

    def maps(self, points: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        count, shown = tf.shape(classes)[0], classes.shape[1]
        ends = tf.repeat(points, shown, axis=0)
        of_row = tf.reshape(classes, (-1,))

        def score(between: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
            return tf.gather(self.forward.logits(between), tf.gather(of_row, rows), batch_dims=1)

        positions, weights = tf.constant(PATH_POSITIONS), tf.constant(PATH_WEIGHTS)
        gradient = path_gradient(score, tf.zeros_like(ends), ends, positions, weights)
        return tf.reshape(self.forward.leave(ends * gradient), (count, shown, -1))


INTERPRETATIONS: dict[str, Callable[[Forward], Interpretation]] = {
    "cam": ClassActivation,
    "cam++": lambda forward: ClassActivation(forward, rectified=True),
    "ig": PathAttribution,
    "representation": Representation,
}


def prepare_interpretation(name: str, forward: Forward) -> Interpretation:
    """Return the interpretation cam, cam++, ig or representation of a model; raises InputError where it has none."""
    return INTERPRETATIONS[check_choice("interpretation", name, INTERPRETATIONS)](forward)

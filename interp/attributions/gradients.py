"""Gradients of one logit of each image: plain, times the image, and by rules of ReLU."""

from abc import abstractmethod
from dataclasses import dataclass, field, replace

import tensorflow as tf

from interp.attributions.attribution import Attribution, Maps
from interp.attributions.relu_rules import STEEPNESS, relu_gradient
from interp.core.checks import check_number
from interp.core.errors import InputError
from interp.models.prepared import PreparedModel


@dataclass(frozen=True, eq=False)
class OfOneClass(Attribution):
    """A method that explains one class at a time: of several classes an image is looked at once for each."""

    def maps(self, model: PreparedModel, points: tf.Tensor, classes: tf.Tensor, rows: tf.Tensor) -> Maps:
        count, shown = tf.shape(classes)[0], classes.shape[1]
        if shown == 1:
            maps, logits, values = self.maps_of_labels(model, points, classes[:, 0], rows)
            return Maps(maps[:, None], logits, tuple(value[:, None] for value in values))
        repeats = tf.shape(classes)[1]
        each = tf.repeat(points, repeats, axis=0), tf.reshape(classes, [-1]), tf.repeat(rows, repeats)
        maps, logits, values = self.maps_of_labels(model, *each)

        def by_image(tensor: tf.Tensor) -> tf.Tensor:
            return tf.reshape(tensor, tf.concat([[count, repeats], tf.shape(tensor)[1:]], 0))

        shaped = by_image(maps)
        shaped.set_shape([None, shown, *maps.shape[1:]])
        return Maps(shaped, by_image(logits)[:, 0], tuple(by_image(value) for value in values))

    @abstractmethod
    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        """Maps (n, height, width, ...), logits (n, K) and further values (n,) of the `labels` (n,)."""


@dataclass(frozen=True, eq=False)
class OfGradients(OfOneClass):
    """A method that takes a gradient of the label's logit.

    The gradient of a ReLU network does not change with the image but at kinks. With `softplus`, a steepness, ReLU passes back the
    derivative of softplus instead (Dombrowski et al. 2019), which attacks and training can follow; outputs stay those of ReLU.
    """

    softplus: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.softplus is not None:
            check_number("softplus", self.softplus, minimum=0, strict=True)

    def for_search(self) -> Attribution:
        return replace(self, softplus=self.softplus or STEEPNESS)

    def label_gradient(
        self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rule: str = "gradient"
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The gradient of the label's logit with respect to the images, ReLU's by a `rule`, and the logits. Raises InputError."""
        with relu_gradient(model.model, rule, points, softplus=self.softplus) as check:
            logits = check(model.logits(points))
            gradient = gradient_of(of_labels(logits, labels), points)
        return model.leave(gradient), logits


@dataclass(frozen=True, eq=False)
class VanillaGradient(OfGradients):
    """Gradient of the label's logit by the image (Simonyan et al. 2014), shape of the images.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        softplus: Steepness, above 0, of the softplus whose derivative ReLU passes back in place of its step (default:
            none; attacks search with 20).

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        return Maps(*self.label_gradient(model, points, labels))


@dataclass(frozen=True, eq=False)
class InputXGradient(OfGradients):
    """Image times the gradient of the label's logit (Shrikumar et al. 2016), shape of the images.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        softplus: Steepness, above 0, of the softplus whose derivative ReLU passes back in place of its step (default:
            none; attacks search with 20).

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        gradient, logits = self.label_gradient(model, points, labels)
        return Maps(model.leave(points) * gradient, logits)


@dataclass(frozen=True, eq=False)
class DeconvNet(OfGradients):
    """Gradient in which each ReLU passes back what is positive of it (Zeiler and Fergus 2014), shape of the images.

    Defined for ReLU alone.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        softplus: Has no effect here: by this rule ReLU has no step.

    Raises:
        InputError: A setting is out of its range or unknown; when called, the model has another activation than ReLU,
            which is named.
    """

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        return Maps(*self.label_gradient(model, points, labels, "deconvnet"))


@dataclass(frozen=True, eq=False)
class GuidedBackprop(OfGradients):
    """Gradient in which each active ReLU passes back what is positive of it (Springenberg et al. 2015).

    Maps have the shape of the images. Defined for ReLU alone, and known to fail the sanity check of Adebayo et al.
    (2018): its maps hardly depend on the upper weights.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        softplus: Steepness, above 0, of the softplus whose derivative ReLU passes back in place of its step (default:
            none; attacks search with 20).

    Raises:
        InputError: A setting is out of its range or unknown; when called, the model has another activation than ReLU,
            which is named.
    """

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        return Maps(*self.label_gradient(model, points, labels, "guided_backprop"))


def of_labels(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The logit (n,) of each image's label."""
    return tf.gather(logits, labels, batch_dims=1)


def gradient_of(scores: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
    """The gradient of each image's score by its inputs. Raises InputError where there is none."""
    (gradient,) = tf.gradients(scores, inputs)
    if gradient is None:
        raise InputError(
            "the logits do not depend on the images, or on the chosen layer, by any differentiable path: there is no gradient"
        )
    return gradient

"""Methods that look at the outputs of one layer: Grad-CAM, Grad-CAM++, guided Grad-CAM."""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from interp.attributions.attribution import Maps, upsampled
from interp.attributions.gradients import OfGradients, gradient_of, of_labels
from interp.attributions.relu_rules import relu_gradient
from interp.core.checks import kind_of
from interp.core.errors import InputError
from interp.models.prepared import PreparedModel, prepare
from interp.models.recorded_model import find_call

# From a layer's outputs A (n, h, w, d) and their gradients to maps (n, h, w).
OfLayer = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True, eq=False)
class OfOneLayer(OfGradients):
    """A method that looks at the outputs of `layer`, by default the last with a spatial output.

    Raises InputError when called for a layer that does not exist or has no spatial output; the message lists those that have.
    """

    layer: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layer is not None and not isinstance(self.layer, str):
            raise InputError(f"layer came as {kind_of(self.layer)}, expected the name of a layer")

    def find_layer(self, model: keras.Model | None, few: tf.Tensor) -> str | None:
        names: list[str] = []

        def run(images: tf.Tensor) -> tf.Tensor:
            prepared = prepare(model, rearrange=False)
            logits, calls = prepared.recorded_logits(images)
            names.append(find_call(calls, self.layer).name)
            return logits, prepared.classify(images)

        # In a graph, whose operations tell more than the layers.
        recorded, logits = tf.function(run, autograph=False)(few)
        # A subclass of a functional model may compute something else than its layers say.
        if not np.allclose(recorded, logits, rtol=1e-3, atol=1e-4):
            raise InputError(
                f"{type(model).__name__} computes something else than its layers one after the other, so no layer can be "
                "looked at: use a method that needs none, such as IntegratedGradients"
            )
        return names[0]

    def layer_map(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, combine: OfLayer) -> Maps:
        """The maps (n, h, w) that `combine` makes of the layer's outputs and their gradients, and the logits. Raises InputError."""
        with relu_gradient(model.model, "gradient", points, softplus=self.softplus):
            logits, calls = model.recorded_logits(points)
            call = find_call(calls, self.layer)
            gradient = gradient_of(of_labels(logits, labels), call.output)
        outputs, gradient = (tf.cast(call.maps(tensor), points.dtype) for tensor in (call.output, gradient))
        return Maps(combine(outputs, gradient), logits)


@dataclass(frozen=True, eq=False)
class GradCAM(OfOneLayer):
    """Grad-CAM relu(sum_c mean(g_c) A_c) of one layer (Selvaraju et al. 2017), for people upsampled: (n, height, width, 1).

    A are the outputs of `layer`, by default the last with a spatial output, g their gradient. Raises InputError when called for a
    layer that does not exist or has no spatial output; the message lists those that have.
    """

    at_layer = True

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        return self.layer_map(model, points, labels, weigh_by_gradient)


def weigh_by_gradient(outputs: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """The map (n, h, w) of Grad-CAM."""
    weights = tf.reduce_mean(gradient, (1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * outputs, -1))


@dataclass(frozen=True, eq=False)
class GradCAMPlusPlus(OfOneLayer):
    """Grad-CAM++ of one layer (Chattopadhay et al. 2018) with score exp(logit), for people upsampled: (n, height, width, 1).

    alpha = g^2 / (2 g^2 + sum(A) g^3), weights sum(alpha relu(g)), map relu(sum_c w_c A_c). `layer` as in GradCAM. CAM with
    `rectified` is its closed form for average pooling.
    """

    at_layer = True

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        return self.layer_map(model, points, labels, _weigh)


def _weigh(outputs: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    # Numerator and denominator divided by g^2, which underflows for small gradients. Where g is 0, so is what alpha multiplies.
    alpha = tf.math.reciprocal_no_nan(2 + tf.reduce_sum(outputs, (1, 2), keepdims=True) * gradient)
    weights = tf.reduce_sum(alpha * tf.nn.relu(gradient), (1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * outputs, -1))


@dataclass(frozen=True, eq=False)
class GuidedGradCAM(OfOneLayer):
    """Upsampled Grad-CAM times guided backpropagation (Selvaraju et al. 2017), shape of the images.

    `layer` as in GradCAM, activations as in GuidedBackprop, and like that known to fail the sanity check (Adebayo et al. 2018).
    """

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        coarse = self.layer_map(model, points, labels, weigh_by_gradient).maps
        guided, logits = self.label_gradient(model, points, labels, "guided_backprop")
        return Maps(upsampled(coarse, guided) * guided, logits)

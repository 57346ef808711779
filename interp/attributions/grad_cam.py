"""Methods that look at the outputs of one layer and their gradients: Grad-CAM, Grad-CAM++, guided Grad-CAM, LayerCAM."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from interp.attributions.attribution import Maps, upsampled
from interp.attributions.gradients import OfGradients, gradient_of, of_labels
from interp.attributions.one_layer import OfOneLayer
from interp.attributions.relu_rules import relu_gradient
from interp.models.prepared import PreparedModel

# From a layer's outputs A (n, h, w, d) and their gradients to maps (n, h, w).
OfLayer = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True, eq=False)
class OfLayerGradients(OfOneLayer, OfGradients):
    """A method that looks at the outputs of one layer and their gradients."""

    def layer_map(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, combine: OfLayer) -> Maps:
        """The maps (n, h, w) that `combine` makes of the layer's outputs and their gradients, and the logits. Raises InputError."""
        with relu_gradient(model.model, "gradient", points, softplus=self.softplus):
            logits, call = model.logits_and_call(points, self.layer)
            gradient = gradient_of(of_labels(logits, labels), call.output)
        outputs, gradient = (tf.cast(self.as_maps(call, each), points.dtype) for each in (call.output, gradient))
        return Maps(combine(outputs, gradient), logits)


@dataclass(frozen=True, eq=False)
class GradCAM(OfLayerGradients):
    """Grad-CAM relu(sum_c mean(g_c) A_c) of one layer (Selvaraju et al. 2017).

    A are the layer's outputs, g their gradient; called, it gives maps upsampled to (n, height, width, 1). Where only
    the class token of a transformer is read after a layer, g is 0 elsewhere: look at a layer before the last attention.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        softplus: Steepness, above 0, of the softplus whose derivative ReLU passes back in place of its step (default:
            none; attacks search with 20).
        layer: Name of the layer whose outputs are looked at (default: the last with a spatial output).
        grid: (height, width) of a transformer's tokens (n, tokens, channels), or one number for both (default: a
            square). A class token before them is left out.

    Raises:
        InputError: A setting is out of its range or unknown; when called, the layer does not exist or has neither maps
            nor tokens. The message lists those that have.
    """

    at_layer = True

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        return self.layer_map(model, points, labels, weigh_by_gradient)


def weigh_by_gradient(outputs: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """The map (n, h, w) of Grad-CAM."""
    weights = tf.reduce_mean(gradient, (1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * outputs, -1))


@dataclass(frozen=True, eq=False)
class GradCAMPlusPlus(OfLayerGradients):
    """Grad-CAM++ relu(sum_c w_c A_c) of one layer, with score exp(logit) (Chattopadhay et al. 2018).

    A are the layer's outputs, g their gradient, alpha = g^2 / (2 g^2 + sum(A) g^3), and w = sum(alpha relu(g)); called,
    it gives maps upsampled to (n, height, width, 1). CAM with `rectified` is its closed form for average pooling.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        softplus: Steepness, above 0, of the softplus whose derivative ReLU passes back in place of its step (default:
            none; attacks search with 20).
        layer: Name of the layer whose outputs are looked at (default: the last with a spatial output).
        grid: (height, width) of a transformer's tokens (n, tokens, channels), or one number for both (default: a
            square). A class token before them is left out.

    Raises:
        InputError: A setting is out of its range or unknown; when called, the layer does not exist or has neither maps
            nor tokens. The message lists those that have.
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
class LayerCAM(OfLayerGradients):
    """LayerCAM relu(sum_c relu(g_c) A_c) of one layer (Jiang et al. 2021).

    A are the layer's outputs, g their gradient; called, it gives maps upsampled to (n, height, width, 1). Each place
    has weights of its own, so that maps of early layers are worth looking at.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        softplus: Steepness, above 0, of the softplus whose derivative ReLU passes back in place of its step (default:
            none; attacks search with 20).
        layer: Name of the layer whose outputs are looked at (default: the last with a spatial output).
        grid: (height, width) of a transformer's tokens (n, tokens, channels), or one number for both (default: a
            square). A class token before them is left out.

    Raises:
        InputError: A setting is out of its range or unknown; when called, the layer does not exist or has neither maps
            nor tokens. The message lists those that have.
    """

    at_layer = True

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        return self.layer_map(model, points, labels, _weigh_each_place)


def _weigh_each_place(outputs: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    return tf.nn.relu(tf.reduce_sum(tf.nn.relu(gradient) * outputs, -1))


@dataclass(frozen=True, eq=False)
class GuidedGradCAM(OfLayerGradients):
    """Upsampled Grad-CAM times guided backpropagation (Selvaraju et al. 2017), shape of the images.

    Defined for ReLU alone, and known to fail the sanity check of Adebayo et al. (2018), as guided backpropagation is.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).
        softplus: Steepness, above 0, of the softplus whose derivative ReLU passes back in place of its step (default:
            none; attacks search with 20).
        layer: Name of the layer whose outputs are looked at (default: the last with a spatial output).
        grid: (height, width) of a transformer's tokens (n, tokens, channels), or one number for both (default: a
            square). A class token before them is left out.

    Raises:
        InputError: A setting is out of its range or unknown; when called, the layer does not exist or has neither maps
            nor tokens, or the model has another activation than ReLU, which is named.
    """

    def maps_of_labels(self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> Maps:
        coarse = self.layer_map(model, points, labels, weigh_by_gradient).maps
        guided, logits = self.label_gradient(model, points, labels, "guided_backprop")
        return Maps(upsampled(coarse, guided) * guided, logits)

"""A Keras model as the methods see it: its logits, whatever it ends in, and what its layers give."""

from typing import Any

import keras
import tensorflow as tf

from interp.attributions.recorded_model import RecordedModel, Use
from interp.attributions.relu_rules import run_with_rule
from interp.attributions.softmax_cut import before_softmax
from interp.core.checks import are_probabilities, check_logits
from interp.core.errors import InputError
from interp.models.forward import Forward, KerasForward, prepare_forward
from interp.models.model_check import run_model


def ends_in_softmax(model: keras.Model, images: tf.Tensor) -> tuple[bool, int]:
    """Return whether `model` gives probabilities, so that logits must be taken from before a softmax, and the number of classes.

    Raises InputError when the model does not run on the checked `images`, or gives neither logits nor probabilities.
    """
    outputs = run_model(model, images)
    shaped = tf.is_tensor(outputs) and outputs.dtype.is_floating and outputs.shape.rank == 2 and outputs.shape[1] > 1
    softmax = bool(shaped and are_probabilities(outputs))
    if not softmax:
        check_logits(outputs)
    if outputs.shape[0] != images.shape[0]:
        raise InputError(
            f"the model returned {outputs.shape[0]} rows for {images.shape[0]} images, expected one row of logits per image"
        )
    return softmax, int(outputs.shape[1])


class CutForward(KerasForward):
    """A model that ends in a softmax, without it."""

    def logits(self, points: tf.Tensor) -> tf.Tensor:
        return cut(self.model(points, training=False))


def cut(outputs: Any) -> tf.Tensor:
    """The float32 logits behind symbolic probabilities. Raises InputError."""
    logits = before_softmax(outputs)
    if logits is None:
        raise InputError(
            "the model returned probabilities and does not end in a softmax that can be cut, so its logits cannot be had: "
            "explain a model that returns them"
        )
    return tf.cast(logits, tf.float32)


class Explained:
    """The model inside one compiled function; loops over many images use the parts prepared here once."""

    def __init__(self, model: keras.Model, *, softmax: bool, recorded: RecordedModel | None) -> None:
        self.model, self._softmax, self._recorded = model, softmax, recorded
        self.forward: Forward = CutForward(model) if softmax else prepare_forward(model, rearrange=True)

    def forward_of_images(self) -> Forward:
        """A forward pass whose points are images as they are: where most of the work begins after the first layer."""
        return self.forward if self._softmax else prepare_forward(self.model, rearrange=False)

    def scores(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Logits (n,) of the labels."""
        return of_labels(self.forward.classify(images), labels)

    def ruled_scores(self, images: tf.Tensor, labels: tf.Tensor, rule: str) -> tf.Tensor:
        """The same, with ReLU's gradient by a rule of relu_rules for tf.gradients."""
        return of_labels(self._logits(run_with_rule(self.model, images, rule)), labels)

    def recorded_scores(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, list[Use]]:
        """The same, with the uses of all layers."""
        if self._recorded is None:
            raise RuntimeError("a method that reads layers sets reads_layers")
        outputs, uses = self._recorded(images)
        return of_labels(self._logits(outputs), labels), uses

    def _logits(self, outputs: Any) -> tf.Tensor:
        return cut(outputs) if self._softmax else tf.cast(outputs, tf.float32)


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

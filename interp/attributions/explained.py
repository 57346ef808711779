"""A Keras model as the methods see it: its logits, whatever it ends in, and what its layers give."""

import keras
import tensorflow as tf

from interp.attributions.relu_rules import run_with_rule
from interp.core.errors import InputError
from interp.models.forward import Forward, MappedForward, prepare_forward
from interp.models.model_graph import find_logits
from interp.models.recorded_model import RecordedModel, Use


class Explained:
    """The model inside one compiled function; loops over many images use the parts prepared here once."""

    def __init__(self, model: keras.Model, *, recorded: RecordedModel | None) -> None:
        self.model, self._recorded = model, recorded
        self.forward = prepare_forward(model, rearrange=True)

    def forward_of_images(self) -> Forward:
        """A forward pass whose points are images as they are: where most of the work begins after the first layer."""
        return prepare_forward(self.model, rearrange=False)

    def mapped(self) -> MappedForward:
        """The forward pass of a model whose logits are averages of class activation maps. Raises InputError for others."""
        if not isinstance(self.forward, MappedForward):
            raise InputError(NO_CAM)
        return self.forward

    def scores(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Logits (n,) of the labels."""
        return of_labels(self.forward.classify(images), labels)

    def ruled_scores(self, images: tf.Tensor, labels: tf.Tensor, rule: str) -> tf.Tensor:
        """The same, with ReLU's gradient by a rule of relu_rules for tf.gradients."""
        return of_labels(run_with_rule(self.model, images, rule), labels)

    def recorded_scores(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, list[Use]]:
        """The same, with the uses of all layers."""
        if self._recorded is None:
            raise RuntimeError("a method that reads layers sets reads_layers")
        outputs, uses = self._recorded(images)
        return of_labels(find_logits(outputs)[0], labels), uses


NO_CAM = (
    "CAM needs a model that ends in GlobalAveragePooling2D and one Dense layer: use GradCAM, which any model with a spatial layer "
    "has"
)


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

"""A user's model brought to the contract: float32 images (n, height, width, channels) in [0, 1] give logits (n, K)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.core.batches import ANY_SIDE, forward_batch
from interp.core.checks import check_images, check_labels, check_logits, kind_of
from interp.core.errors import ArgumentError, InputError
from interp.core.names import AUTO, SCALES
from interp.models.adapted_model import AdaptedModel, LogitsHead
from interp.models.image_scale import Scale, candidate_scales, check_scale, make_scale
from interp.models.model_check import ModelFacts, find_facts, reason, run_model
from interp.models.model_ends import Shape, image_input_shape, last_model, pick_output
from interp.models.model_graph import PROBABILITIES
from interp.models.network import Network
from interp.models.recorded_model import functional_class
from interp.models.scale_evidence import choose_by_accuracy, choose_by_layers

# How many noise images a model is tried on where none are given, and the sides of those where the model leaves them open.
TRIED = 4


@dataclass(frozen=True)
class Adaptation:
    """A model brought to the contract, and how that was done.

    Attributes:
        model: The adapted model: float32 images (n, height, width, channels) in [0, 1] give logits (n, K).
        scale: What the model was trained on, as for `adapt`.
        reason: Why that scale was chosen, in words.
        accuracies: Clean accuracy by scale; empty where no images and labels were given.
    """

    model: keras.Model
    scale: Scale
    reason: str
    accuracies: Mapping[str, float] = field(default_factory=dict)


def adapt(
    model: keras.Model,
    *,
    scale: Scale = AUTO,
    output: str | int | None = None,
    images: Any = None,
    labels: Any = None,
) -> keras.Model:
    """Bring a Keras model to the contract: images in [0, 1] give logits. The model stays as it is; its layers are shared.

    A softmax or sigmoid at the end is cut, a single sigmoid unit with logit z becomes the two logits (-z/2, z/2).

    Args:
        model: Any Keras model that takes one batch of images (n, height, width, channels).
        scale: What the model was trained on: "0..1", "0..255", "imagenet" (mean and standard deviation of ImageNet), "tf" ([-1, 1]),
            "caffe" (BGR of 0..255 less the mean), or (mean, std) of images in [0, 1]; "auto" goes by evidence.
        output: Name or number from 0 of the output to use, of a model with several.
        images: float32 (n, height, width, channels) in [0, 1]; with `labels`, evidence for "auto".
        labels: Integers (n,), the true classes.

    Returns:
        A functional Keras model: float32 images (n, height, width, channels) in [0, 1] give logits (n, K).

    Raises:
        InputError: With the way out, for two inputs, several outputs without `output`, outputs that are no classes, an unknown scale,
            or no evidence that decides.

    Example:
        ```python
        adapted = interp.models.adapt(model, scale="0..255")
        interp.attacks.ProjectedGradientDescent(epsilon=8 / 255, step_size=2 / 255)(adapted, images, labels)
        ```
    """
    return find_adaptation(model, scale=scale, output=output, images=images, labels=labels).model


def find_adaptation(
    model: keras.Model,
    *,
    scale: Scale = AUTO,
    output: str | int | None = None,
    images: Any = None,
    labels: Any = None,
) -> Adaptation:
    """Do what `adapt` does, and say which scale was chosen and why.

    Args:
        model: Any Keras model that takes one batch of images (n, height, width, channels).
        scale: What the model was trained on, as for `adapt`.
        output: Name or number from 0 of the output to use, of a model with several.
        images: float32 (n, height, width, channels) in [0, 1]; with `labels`, evidence for "auto".
        labels: Integers (n,), the true classes.

    Returns:
        An Adaptation. Where images and labels were given it has the clean accuracies of the scales that were compared, or of the one
        that was given.

    Raises:
        InputError: As `adapt`.

    Example:
        ```python
        found = interp.models.find_adaptation(model, images=images, labels=labels)
        print(found.scale, found.reason, found.accuracies)
        ```
    """
    scale = check_scale(scale)
    if not isinstance(model, keras.Model):
        raise InputError(f"the model came as {kind_of(model)}, expected a keras.Model")
    if isinstance(model, AdaptedModel) and scale not in (AUTO, "0..1"):
        raise ArgumentError("the model is adapted already, and takes images in [0, 1]: give <scale=auto>")
    if (images is None) != (labels is None):
        raise InputError("images and labels are evidence together: give both, or neither")
    checked = None if images is None else check_images(images)
    # A subclass may compute something else in its call.
    if scale == AUTO and (type(model) is Network or isinstance(model, AdaptedModel)):
        if output not in (None, 0, *getattr(model, "output_names", ())):
            raise InputError(f"output came as {output!r}, but the model has one output: leave it out")
        return Adaptation(model, "0..1", "the model takes images in [0, 1] and gives logits already")
    shape = image_input_shape(model, checked)
    outputs = _picked(model, shape, output)
    facts = _facts_of_classes(outputs)
    unscaled = _adapted(outputs)
    channels = shape[-1]
    _try(unscaled, shape, checked)
    if scale not in (AUTO, "0..255") and facts.behind(make_scale(scale, channels)).expects_another_range:
        raise ArgumentError(
            f"the scale came as {_name(scale)!r}, but the model scales images of 0..255 itself: use <scale=0..255>"
        )
    chosen = choose_by_layers(facts) if scale == AUTO else None
    if checked is None:
        if scale == AUTO and chosen is None:
            raise ArgumentError(
                "<scale=auto> has no evidence, as the model does not begin with Rescaling or Normalization from a usual scale: give what "
                f"it was trained on, <scale=> one of {', '.join(SCALES)} or <scale=(mean, std)>, or <images=> and <labels=> to compare "
                "accuracies"
            )
        accuracies: dict[str, float] = {}
    else:
        classes = unscaled.output_shape[-1]
        truth = check_labels(labels, checked, classes).numpy()
        tried: tuple[Any, ...] = candidate_scales(channels) if scale == AUTO else (scale,)
        right = {_name(each): _right(unscaled, make_scale(each, channels), checked, truth) for each in tried}
        accuracies = {name: float(each.mean()) for name, each in right.items()}
        if scale == AUTO:
            chosen = choose_by_accuracy(right, classes, chosen)
    found, why = (scale, "it was given") if chosen is None else (chosen.scale, chosen.reason)
    layer = make_scale(found, channels)
    made = unscaled if layer.changes_nothing else _adapted(_picked(model, shape, output, layer))
    return Adaptation(made, found, why, accuracies)


def count_classes(model: keras.Model, images: Any, output: str | int | None = None) -> int:
    """How many classes a user's model has when it is adapted.

    Args:
        model: As for `adapt`.
        images: A few float32 (n, height, width, channels).
        output: Which of several outputs is meant.

    Returns:
        The number; 2 for a single sigmoid unit.

    Raises:
        InputError: As `adapt`.

    Example:
        `count_classes(keras.applications.MobileNetV2(weights=None), images)` is 1000.
    """
    outputs = _picked(model, image_input_shape(model, check_images(images)), output)
    _facts_of_classes(outputs)
    return max(2, int(outputs.output_shape[-1]))


def _name(scale: Scale) -> str:
    return scale if isinstance(scale, str) else "(mean, std)"


def _picked(
    model: keras.Model, shape: Shape, output: str | int | None, scale: keras.layers.Layer | None = None
) -> keras.Model:
    """Images to the output that is meant, as a functional model around the user's."""
    inputs = keras.Input(shape, dtype="float32", name="interp_images")
    twin = _twin(model, output)
    try:
        outputs = (twin or model)(inputs if scale is None else scale(inputs), training=False)
    except Exception as error:
        raise InputError(f"the model does not run on images of shape {shape}: {reason(error)}") from error
    return keras.Model(inputs, pick_output(model, outputs, output) if twin is None else outputs)


def _twin(model: keras.Model, output: str | int | None) -> keras.Model | None:
    """A model over the same graph and layers that ends in the output that is meant, so that the user's own is connected to nothing.

    None of a model whose class says what it does.
    """
    if type(model) is keras.Sequential and getattr(model, "inputs", None):
        # Flat, whatever it ends in.
        outputs = model.outputs
        if len(outputs) > 1:
            outputs = keras.tree.pack_sequence_as(last_model(model).output, outputs)
        return keras.Model(model.inputs[0], pick_output(model, outputs, output), name=model.name)
    if type(model) is functional_class():
        return keras.Model(model.input, pick_output(model, model.output, output), name=model.name)
    return None


def _adapted(picked: keras.Model) -> AdaptedModel:
    return AdaptedModel(picked.input, LogitsHead(name="interp_logits")(picked.output), name="adapted")


def _facts_of_classes(picked: keras.Model) -> ModelFacts:
    """The facts of a model whose outputs are classes. Raises InputError for others."""
    shape, dtype = picked.output.shape, keras.backend.standardize_dtype(picked.output.dtype)
    if len(shape) != 2 or shape[-1] is None or "float" not in dtype:
        raise InputError(
            f"the model's outputs are {dtype} of shape {tuple(shape)}, expected one row of class scores per image, (n, classes) of floats: "
            "give the part of the model that ends in them, keras.Model(model.input, layer.output)"
        )
    facts = find_facts(picked)
    if shape[-1] == 1 and facts.ends_in != PROBABILITIES["Sigmoid"]:
        raise InputError(
            "the model's output is a single number without a sigmoid, which is no class; if it is the logit of class 1, say so by "
            "keras.Sequential([model, keras.layers.Activation('sigmoid')])"
        )
    return facts


def _try(model: keras.Model, shape: Shape, images: tf.Tensor | None) -> None:
    """Raise InputError for probabilities that nothing can cut, and for models that do not run."""
    if images is None:
        sides = [side or ANY_SIDE for side in shape]
        images = tf.random.stateless_uniform((TRIED, *sides), [0, 0])
    check_logits(run_model(model, images[:TRIED]))


def _right(model: keras.Model, scale: keras.layers.Layer, images: tf.Tensor, truth: np.ndarray) -> np.ndarray:
    """Whether the model predicts the label of each scaled image, booleans (n,)."""
    chunk = forward_batch(tuple(images.shape[1:]))
    parts = [run_model(model, scale(images[first : first + chunk])) for first in range(0, len(truth), chunk)]
    return np.concatenate([np.argmax(part, -1) for part in parts]) == truth

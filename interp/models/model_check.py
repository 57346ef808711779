"""What a model must be before anything is done with it, and what it turns out to be when it is traced once."""

import re
import threading
import weakref
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.core.batches import ANY_SIDE
from interp.core.checks import check_logits, kind_of
from interp.core.compiled import are_same, compile_for, drop_dead_losses, keep_for, parts_of
from interp.core.errors import InputError
from interp.core.tables import counted
from interp.models.image_scale import ImageScale
from interp.models.model_graph import (
    LOGITS,
    ancestors,
    find_logits,
    find_pooled_end,
    find_scaled,
    handles_of,
    variable_of,
)
from interp.models.network import Network

# Scaled to a range narrower than this, or shifted by so many times its width, images in [0, 1] tell a model nothing.
NARROWEST, FURTHEST = 0.05, 20.0


@dataclass(frozen=True)
class ModelFacts:
    """What a model ends in (logits, softmax or sigmoid), and where among its variables the kernel and bias of a pooled head stand.

    `lands` is where black and white pixels land after the scaling that the model begins with, None where it begins otherwise.
    `scales_by_weights` says that weights are part of that scaling, as those of a batch normalisation are.
    """

    ends_in: str = LOGITS
    kernel: int | None = None
    bias: int | None = None
    lands: tuple[float, float] | None = None
    scales_by_weights: bool = False

    @property
    def expects_another_range(self) -> bool:
        """Whether the model's own scaling leaves next to nothing of images in [0, 1]."""
        if self.lands is None:
            return False
        black, white = self.lands
        width = abs(white - black)
        return width < NARROWEST or abs(white + black) / 2 > FURTHEST * width

    def behind(self, scale: ImageScale) -> "ModelFacts":
        """The facts of the model behind a layer that scales images in [0, 1]."""
        if self.lands is None:
            return self
        black, white = self.lands
        start, size = float(np.mean(scale.offset)), float(np.mean(scale.factor))
        return replace(self, lands=(black + (white - black) * start, black + (white - black) * (start + size)))


@dataclass(frozen=True)
class _Traced:
    """The facts of a model that had these parts."""

    parts: list[Any]
    facts: ModelFacts


# Weak references: a model that is no longer used is freed.
_TRACED: "weakref.WeakKeyDictionary[keras.Model, _Traced]" = weakref.WeakKeyDictionary()
_LOCK = threading.RLock()


def check_model(model: Any, images: tf.Tensor) -> int:
    """Run a model on a few images to see that it can be used.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: A float32 tensor (n, height, width, channels) in [0, 1].

    Returns:
        The number of classes.

    Raises:
        InputError: It is no Keras model, does not take such images, returns neither logits nor what a softmax or sigmoid makes of them, or
            expects images in another range.
    """
    few = images[:8]
    outputs = run_model(model, few)
    facts = _trace_once(model, tuple(few.shape[1:])).facts
    check_logits(outputs, may_be_probabilities=facts.ends_in != LOGITS)
    if outputs.shape[0] != few.shape[0]:
        raise InputError(
            f"the model returned {counted(outputs.shape[0], 'row')} for {counted(few.shape[0], 'image')}, expected one row of "
            "logits per image"
        )
    if facts.expects_another_range:
        black, white = facts.lands or (0.0, 0.0)
        raise InputError(
            f"the model scales its images itself, so that [0, 1] becomes [{black:.4g}, {white:.4g}] and hardly differs from image to "
            "image: it takes images in another range, most often 0 to 255; give it as "
            "keras.Sequential([keras.layers.Rescaling(255.0), model]), and images in [0, 1]"
        )
    return int(outputs.shape[-1])


def check_model_once(model: Any, images: tf.Tensor) -> int:
    """`check_model`, asked once of a model and a shape of images."""
    if not isinstance(model, keras.Model):
        return check_model(model, images)
    return int(keep_for(model, ("classes", tuple(images.shape[1:])), lambda: check_model(model, images)))


def run_model(model: Any, images: tf.Tensor) -> Any:
    """What `model` returns for the checked `images`, whatever it is. Raises InputError when it is no Keras model or does not run."""
    if not isinstance(model, keras.Model):
        raise InputError(f"the model came as {kind_of(model)}, expected a keras.Model that returns logits")
    fixed = _built_for(model, images)
    try:
        outputs = model(images, training=False)
        if fixed is not None:
            # Batches come in any number.
            model(tf.repeat(images[:1], 2 if fixed == 1 else 1, 0), training=False)
        return outputs
    except Exception as error:
        if fixed is not None:
            raise InputError(
                f"the model was built for {counted(fixed, 'image')} at a time and does not run on any number of them: build it without "
                f"a batch size, and with -1 in place of {fixed} where it reshapes ({reason(error)})"
            ) from error
        raise InputError(
            f"the model does not run on images of shape {tuple(images.shape[1:])}{_expectation(model)}: {reason(error)}"
        ) from error


def run_for_logits(model: keras.Model, images: tf.Tensor) -> tf.Tensor:
    """Logits (n, K) in float32 of a checked `model`, which may end in a softmax or sigmoid, in inference mode."""
    shape = tuple(images.shape[1:])
    if _trace_once(model, shape).facts.ends_in == LOGITS:
        return tf.cast(run_model(model, images), tf.float32)
    reference = weakref.ref(model)

    def cut(images: tf.Tensor) -> tf.Tensor:
        outputs = reference()(images, training=False)  # type: ignore[misc]
        return tf.cast(find_logits(outputs)[0], tf.float32)

    # The caller may be building a graph.
    with tf.init_scope():
        compiled = compile_for(model, "cut logits", cut, [tf.TensorSpec([None, *shape])])
    return compiled(images)


def find_facts(model: keras.Model) -> ModelFacts:
    """What was found when the model was checked; of one that was not, what its own shape of images shows. Raises InputError."""
    inputs = getattr(model, "inputs", None) or []
    shape = tuple(inputs[0].shape[1:]) if len(inputs) == 1 and len(inputs[0].shape) == 4 else None
    with _LOCK:
        known = model in _TRACED or shape is not None
    return _trace_once(model, shape).facts if known else ModelFacts()


def _trace_once(model: keras.Model, shape: tuple[int | None, ...] | None) -> _Traced:
    """What tracing `model` for images of this shape showed, as long as its parts are the same."""
    # A subclass may compute something else in its call.
    if type(model) is Network:
        return _Traced([], ModelFacts())
    with _LOCK:
        parts, traced = parts_of(model), _TRACED.get(model)
        if traced is None or (shape is not None and not are_same(parts, traced.parts)):
            traced = _TRACED[model] = _Traced(parts, _trace(model, shape or ()))
        return traced


def _trace(model: keras.Model, shape: tuple[int | None, ...]) -> ModelFacts:
    found: dict[str, Any] = {}

    def scaled(images: tf.Tensor) -> tf.Tensor:
        outputs = model(images, training=False)
        if not tf.is_tensor(outputs) or outputs.shape.rank != 2 or not outputs.dtype.is_floating:
            return images
        logits, found["ends in"] = find_logits(outputs)
        found["end"] = find_pooled_end(logits)
        found["scaled"] = find_scaled(images)
        return found["scaled"]

    specification = tf.TensorSpec([None, *shape])
    # The caller may be building a graph.
    with tf.init_scope():
        try:
            function = tf.function(scaled, autograph=False).get_concrete_function(specification)
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"the model runs, but not in a compiled function: {reason(error)}") from error
        drop_dead_losses(model, specification)
        if "ends in" not in found:
            return ModelFacts()
        lands, by_weights = None, False
        if found["scaled"] is not function.graph.inputs[0]:
            sides = [side or ANY_SIDE for side in shape]
            black, white = (np.asarray(function(tf.fill([1, *sides], value)), np.float64) for value in (0.0, 1.0))
            place = np.unravel_index(np.abs(white - black).argmax(), black.shape)
            lands = float(black[place]), float(white[place])
            by_weights = any(each.op.type == "ReadVariableOp" for each in ancestors(found["scaled"]))
        places = {
            id(handle): place for place, variable in enumerate(model.variables) for handle in handles_of(variable)
        }
        end = found["end"]
        kernel, bias = (None, None) if end is None else (places.get(id(variable_of(part))) for part in end[1:])
        # A head whose weights are computed from others is no dense layer.
        if end is not None and end.bias is not None and bias is None:
            kernel = None
        return ModelFacts(found["ends in"], kernel, bias, lands, by_weights)


def _built_for(model: keras.Model, images: tf.Tensor) -> int | None:
    """The number of such images that a model was built for; None of one that takes others, or says no number."""
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1 or not images.shape[1:].is_compatible_with(inputs[0].shape[1:]):
        return None
    return inputs[0].shape[0]


def _expectation(model: keras.Model) -> str:
    shapes = [tuple(tensor.shape[1:]) for tensor in getattr(model, "inputs", None) or []]
    return f", it takes {', '.join(map(str, shapes))}" if shapes else ""


def reason(error: Exception) -> str:
    """The line of an error message that says what is wrong; Keras puts one before it that says where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception encountered", "Arguments received", "•"))]
    # Keras prints messages in bold.
    return re.sub(r"\x1b\[[0-9;]*m", "", (telling or lines or [type(error).__name__])[0])[:200]

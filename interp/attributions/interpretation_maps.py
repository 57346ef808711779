"""Maps of several classes at once, for figures and measures."""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attributions.attribution import Attribution
from interp.attributions.cam import CAM, LAST_LAYER, Representation
from interp.attributions.registry import find_attribution
from interp.core.batches import attack_batch, forward_batch
from interp.core.checks import check_finite, check_images, check_labels, check_number
from interp.core.compiled import compile_for, keep_for, rows_like, run_in_batches
from interp.core.errors import ArgumentError, InputError
from interp.models.model_check import check_model_once
from interp.models.prepared import prepare

# Images at a time where they are small.
USUAL_BATCH = 50


@dataclass(frozen=True, kw_only=True)
class InterpretationMaps:
    """Maps of several classes at once, for figures and measures: `maps(model, images, classes)`.

    Compiled once for a model. Maps that look at a layer have its sides.

    Args:
        name: An explanation method, by name or as an object, such as "cam", "cam++", "ig", "grad_cam" or
            GradCAM(layer="conv").
        layer: Number of the layer that "representation" looks at, from 0, or from -2 backwards; -1 is the last feature
            maps before average pooling. A Representation(index=0) says it itself.
    """

    name: str | Attribution
    layer: int = LAST_LAYER

    @property
    def method(self) -> Attribution:
        """The description."""
        method = find_attribution(self.name)
        if isinstance(method, Representation) and method.index == LAST_LAYER:
            return replace(method, index=self.layer)
        return method

    def __call__(
        self, model: keras.Model, images: Any, classes: Any, *, places: Any = None, batch_size: int | None = None
    ) -> np.ndarray:
        """Return maps of the classes.

        Args:
            model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
            images: float32 (n, height, width, channels) in [0, 1].
            classes: Integers (n, m), the classes that are explained.
            places: Integers (n,), the places of the images among all images, which random draws depend on (default:
                these are all).
            batch_size: Number of images processed at a time, at most (default: by their size and the number of
                classes).

        Returns:
            float32 (n, m, height, width, ...).

        Raises:
            InputError: An argument cannot be used, the name is unknown, or the model does not have such maps.
        """
        if batch_size is not None:
            check_number("batch_size", batch_size, minimum=1, whole=True)
        batch, given = check_images(images), check_finite("classes", classes)
        count = check_model_once(model, batch)
        if given.ndim != 2 or given.shape[0] != batch.shape[0]:
            raise InputError(f"classes came with shape {given.shape}, expected ({batch.shape[0]}, classes per image)")
        chosen = tf.reshape(check_labels(given.ravel(), given.ravel(), count, what="class"), given.shape)
        self.check(model, batch)
        together = maps_batch(self.method, int(chosen.shape[1]), tuple(batch.shape[1:]), batch_size or USUAL_BATCH)
        rows = tf.range(len(batch)) if places is None else tf.cast(check_labels(places, batch, what="place"), tf.int32)
        method, arrays = self.method, (batch, chosen, rows)

        def run(images: tf.Tensor, classes: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor]:
            prepared = prepare(model, rearrange=True)
            return (method.maps(prepared, prepared.enter(images), classes, rows).maps,)

        compiled = compile_for(model, ("maps of classes", method.graph_key()), run, rows_like(arrays))
        return run_in_batches(compiled, arrays, together)[0].numpy()

    def check(self, model: keras.Model, images: Any) -> None:
        """Raise InputError where the model has no such maps of the images: before a search, not after it."""
        batch, method = check_images(images), self.method
        keep_for(
            model,
            ("checked maps", method.graph_key(), tuple(batch.shape[1:])),
            lambda: check_maps(method, model, batch),
        )

    def flat(self, model: keras.Model, images: Any, classes: Any, *, places: Any = None) -> np.ndarray:
        """The same maps, flat: (n, m, positions)."""
        maps = self(model, images, classes, places=places)
        return maps.reshape(*maps.shape[:2], -1)


def maps_batch(method: Attribution, classes: int, image_shape: tuple[int, int, int], most: int) -> int:
    """How many images (height, width, channels), `most` at most, to look at together for their maps of so many classes.

    Class activation maps of all classes are one product. Others follow a gradient for each class, as far as memory holds it.

    Raises InputError where not even the gradients of one image are held.
    """
    if isinstance(method, (CAM, Representation)):
        return min(most, forward_batch(image_shape))
    if classes > 2 and classes > forward_batch(image_shape):
        side = "x".join(map(str, image_shape[:2]))
        raise ArgumentError(
            f"{method.name} of {classes} classes follows a gradient for each, more than fit into memory for images of {side} at a time: "
            "look at two, <classes=two_class>, or at class activation maps, <interpretation=cam>"
        )
    return min(most, attack_batch((*image_shape[:2], image_shape[2] * classes)))


def check_maps(method: Attribution, model: keras.Model, images: tf.Tensor) -> str:
    """Check that a model has maps by a method: before long work.

    Args:
        method: An explanation method as an object.
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: A float32 tensor (n, height, width, channels) in [0, 1].

    Returns:
        Name of the layer that the method looks at, "" where it looks at none.

    Raises:
        InputError: The model does not have such maps.
    """

    def run(images: tf.Tensor) -> tf.Tensor:
        prepared = prepare(model, rearrange=True)
        labels = tf.zeros([tf.shape(images)[0], 1], tf.int64)
        return method.maps(prepared, prepared.enter(images), labels, tf.range(tf.shape(images)[0])).maps

    layer = method.find_layer(model, images[:2]) or ""
    tf.function(run, autograph=False).get_concrete_function(tf.TensorSpec([None, *images.shape[1:]]))
    return layer

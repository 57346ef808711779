"""What all attribution methods share: checks, batches, the compiled function, the result."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from interp.attributions.explained import Explained
from interp.core.checks import check_images, check_labels, check_number, kind_of
from interp.core.compiled import CompiledFunctions, like, run_in_batches
from interp.core.errors import InputError
from interp.core.streams import count_streams
from interp.models.model_check import check_model_once, reason
from interp.models.recorded_model import RecordedModel, Use, find_use

# Values of images in memory at a time, where no chunk_size says it: 512 images of 28x28, 2 of 224x224 in colour.
VALUES = 512 * 28 * 28


@dataclass(frozen=True)
class Explanation:
    """Maps (n, height, width, channels or 1) with the name of the method, the layer it looked at, and further values (n,)."""

    maps: Any
    method: str
    layer: str | None = None
    values: Mapping[str, np.ndarray] = field(default_factory=dict)


class Attribution(ABC):
    """An attribution method for one Keras model: `attribution(images, labels)` gives maps that keep sign and scale.

    `model` is any Keras model that returns logits (n, K), or what a softmax or sigmoid at its end makes of them, which is cut. It stays
    as it is, and its weights are read at every call. At most `chunk_size` images are in memory at a time, by their size without it.
    """

    # Names of what `_maps` returns beside the maps.
    values: ClassVar[tuple[str, ...]] = ()
    reads_layers: ClassVar[bool] = False

    def __init__(self, model: keras.Model, *, layer: str | None = None, chunk_size: int | None = None) -> None:
        if not isinstance(model, keras.Model):
            raise InputError(f"the model came as {kind_of(model)}, expected a keras.Model that returns logits")
        if layer is not None and not isinstance(layer, str):
            raise InputError(f"layer came as {kind_of(layer)}, expected the name of a layer")
        if chunk_size is not None:
            check_number("chunk_size", chunk_size, minimum=1, whole=True)
        self.model, self.layer, self._chunk_size = model, layer, chunk_size
        self._compiled = CompiledFunctions()

    def __call__(self, images: Any, labels: Any) -> Any:
        """Return maps of the `labels` (n,): (n, height, width, channels), or (n, height, width, 1) of methods that look at a layer.

        `images` are float32 (n, height, width, channels) in [0, 1]; an array gives an array, a tensor a tensor, through which no gradient
        flows. Raises InputError.
        """
        return self.explain(images, labels).maps

    def explain(self, images: Any, labels: Any, *, first: int = 0) -> Explanation:
        """The same maps with what belongs to them: method, layer, and values such as the completeness gap. Raises InputError.

        `first` is the place of the first image among images explained by several calls, which random draws depend on.
        """
        check_number("first", first, minimum=0, whole=True)
        batch = check_images(images)
        shape = tuple(batch.shape[1:])
        chosen = check_labels(labels, batch, check_model_once(self._compiled, self.model, batch))
        recorded, layer = self._compiled.keep(self.model, ("layers", shape), lambda: self._look_inside(batch[:2]))

        def run(images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return self._maps(Explained(self.model, recorded=recorded), images, labels, rows)

        signature = [tf.TensorSpec([None, *shape]), tf.TensorSpec([None], tf.int64), tf.TensorSpec([None], tf.int32)]
        try:
            compiled = self._compiled.get(self.model, shape, lambda: run, signature)
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"the model runs, but not in a compiled function: {reason(error)}") from error
        rows = tf.range(first, first + len(batch))
        maps, *values = run_in_batches(compiled, (batch, chosen, rows), self._images_at_a_time(shape))
        broken = tf.where(~tf.reduce_all(tf.math.is_finite(maps), (1, 2, 3)))[:, 0]
        if len(broken):
            raise InputError(
                f"the maps of {len(broken)} of {len(batch)} images are NaN or infinite (the first is image {int(broken[0])}): look for "
                "damaged weights, or divisions, roots and logarithms at 0 in the model"
            )
        named = {name: value.numpy() for name, value in zip(self.values, values, strict=True)}
        return Explanation(like(images, maps), self.name, layer, self._judged(named))

    @property
    def name(self) -> str:
        """The method's name for tables."""
        return type(self).__name__

    def chunk_size(self, shape: tuple[int, ...]) -> int:
        """Images of this shape (height, width, channels) in memory at a time, in each of the streams that run side by side."""
        if self._chunk_size is None:
            return max(1, VALUES // int(np.prod(shape)))
        # What a caller asked for holds for all streams together.
        return max(1, self._chunk_size // count_streams())

    def _judged(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The further values with what follows from them; warns where the maps are not what was asked for."""
        return values

    def _look_inside(self, few: tf.Tensor) -> tuple[RecordedModel | None, str | None]:
        """The model run layer by layer, where the method needs it, and the name of the layer it looks at. Raises InputError."""
        if not self.reads_layers:
            return None, None
        recorded, chosen = RecordedModel(self.model), list[str]()

        def run(images: tf.Tensor) -> tf.Tensor:
            outputs, uses = recorded(images)
            chosen.append(self._choose(uses).name)
            return outputs

        # In a graph, whose operations tell more than the layers.
        outputs = tf.function(run, autograph=False)(few)
        # A subclass of a functional model may compute something else than its layers say.
        if not np.allclose(outputs, self.model(few, training=False), rtol=1e-3, atol=1e-4):
            raise InputError(
                f"{type(self.model).__name__} computes something else than its layers one after the other, so no layer can be "
                "looked at: use a method that needs none, such as IntegratedGradients"
            )
        return recorded, chosen[0]

    def _choose(self, uses: list[Use]) -> Use:
        """The use of a layer whose output the method reads."""
        return find_use(uses, self.layer)

    def _images_at_a_time(self, shape: tuple[int, ...]) -> int:
        return self.chunk_size(shape)

    @abstractmethod
    def _maps(
        self, explained: Explained, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """Maps of some images and the further values, inside a compiled function; `rows` (n,) are their places among all images."""


def upsample(maps: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """Maps (n, h, w) of a layer at the size of the images, bilinear, (n, height, width, 1)."""
    return tf.image.resize(maps[..., None], tf.shape(images)[1:3], "bilinear")

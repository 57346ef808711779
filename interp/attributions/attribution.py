"""What all explanation methods share: a description, one differentiable function from points to maps, and maps for people."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from typing import Any, ClassVar, NamedTuple, Self

import keras
import numpy as np
import tensorflow as tf

from interp.attributions.explanation import Explanation
from interp.core.checks import check_images, check_labels, check_number, kind_of
from interp.core.compiled import compile_for, keep_for, like, rows_like, run_in_batches
from interp.core.digest import digest
from interp.core.errors import InputError
from interp.core.streams import count_streams
from interp.models.model_check import check_model_once, reason
from interp.models.prepared import PreparedModel, prepare

# Values of images in memory at a time, where no chunk_size says it: 512 images of 28x28. Fewer than 4 take longer each, so that many are
# taken up to 224x224 in colour.
VALUES, FEW, VALUES_OF_FEW = 512 * 28 * 28, 4, 4 * 224 * 224 * 3


class Maps(NamedTuple):
    """What a method computes inside a graph for m classes of each of n images.

    Attributes:
        maps: The maps, (n, m, height, width, ...).
        logits: The logits beside them, (n, classes).
        values: Further values, (n, m) each, in the order of the method's `values`.
    """

    maps: tf.Tensor
    logits: tf.Tensor
    values: tuple[tf.Tensor, ...] = ()


@dataclass(frozen=True, eq=False)
class Attribution(ABC):
    """An explanation method: its settings, and `attribution(images, labels)` where it has a model.

    Without a model it is a description, which attacks, discrepancies and training objectives take. The model stays as
    it is, and its weights are read at every call.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid (default: none, a description
            alone).
        chunk_size: Number of images in memory at a time (default: by their size).

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    # Names of the further values of the maps.
    values: ClassVar[tuple[str, ...]] = ()
    # Whether maps have the sides of a layer's outputs; for people they are upsampled.
    at_layer: ClassVar[bool] = False
    # Whether maps change with the image in a way that an attack can follow, and what is said of those that do not.
    differentiable: ClassVar[bool] = True
    obstacle: ClassVar[str] = "does not depend on the image"

    model: keras.Model | None = field(default=None, repr=False)
    _: KW_ONLY
    chunk_size: int | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.model is not None and not isinstance(self.model, keras.Model):
            raise InputError(f"the model came as {kind_of(self.model)}, expected a keras.Model that returns logits")
        if self.chunk_size is not None:
            check_number("chunk_size", self.chunk_size, minimum=1, whole=True)

    def __eq__(self, other: object) -> bool:
        """Methods of the same settings are equal, whatever their models."""
        return isinstance(other, Attribution) and self.describe() == other.describe()

    def __hash__(self) -> int:
        return hash(self.describe())

    def __call__(self, images: Any, labels: Any) -> Any:
        """Return maps of the labels.

        Args:
            images: float32 (n, height, width, channels) in [0, 1].
            labels: Integers (n,), the classes that are explained.

        Returns:
            float32 (n, height, width, channels), or (n, height, width, 1) of methods with one value a pixel. An array
            for an array, else a tensor, through which no gradient flows.

        Raises:
            InputError: An argument cannot be used, there is no model, or it does not have such maps, or they are NaN or
                infinite.
        """
        return self.explain(images, labels).maps

    def explain(self, images: Any, labels: Any, *, first: int = 0) -> Explanation:
        """Return the same maps with what belongs to them: method, layer, and values such as the completeness gap.

        Args:
            images: float32 (n, height, width, channels) in [0, 1].
            labels: Integers (n,), the classes that are explained.
            first: Place of the first image among images that are explained by several calls, which random draws depend
                on.

        Returns:
            An Explanation.

        Raises:
            InputError: An argument cannot be used, there is no model, or it does not have such maps, or they are NaN or
                infinite.
        """
        check_number("first", first, minimum=0, whole=True)
        if self.model is None:
            raise InputError(f"{self.name} has no model to explain: make it with one, {type(self).__name__}(model)")
        batch = check_images(images)
        shape = tuple(batch.shape[1:])
        chosen = check_labels(labels, batch, check_model_once(self.model, batch))
        key = self.graph_key(), shape
        layer = keep_for(self.model, ("layer", *key), lambda: self.find_layer(self.model, batch[:2]))

        def run(images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, ...]:
            prepared = prepare(self.model, rearrange=True)
            maps, values = self.pictures(prepared, prepared.enter(images), labels, rows)
            return maps, *values

        arrays = batch, chosen, tf.range(first, first + len(batch))
        try:
            compiled = compile_for(self.model, key, run, rows_like(arrays))
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"the model runs, but not in a compiled function: {reason(error)}") from error
        together = count_streams() * self.images_at_a_time(shape)
        maps, *values = run_in_batches(compiled, arrays, min(together, self.chunk_size or together))
        broken = tf.where(~tf.reduce_all(tf.math.is_finite(maps), (1, 2, 3)))[:, 0]
        if len(broken):
            raise InputError(
                f"the maps of {len(broken)} of {len(batch)} images are NaN or infinite (the first is image {int(broken[0])}): look for "
                "damaged weights, or divisions, roots and logarithms at 0 in the model"
            )
        named = {name: value.numpy() for name, value in zip(self.values, values, strict=True)}
        return Explanation(
            like(images, maps), self.name, layer, self.judged(named), like(images, batch), chosen.numpy()
        )

    def pictures(
        self, model: PreparedModel, points: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        """Maps (n, height, width, channels or 1) of one class each at the size of the images, and the further values (n,)."""
        maps, _, values = self.maps(model, points, labels[:, None], rows)
        maps = maps[:, 0]
        if self.at_layer:
            maps = upsampled(maps, model.leave(points))
        return maps, tuple(value[:, 0] for value in values)

    @abstractmethod
    def maps(self, model: PreparedModel, points: tf.Tensor, classes: tf.Tensor, rows: tf.Tensor) -> Maps:
        """Return maps that may be differentiated; for use inside a compiled function.

        Args:
            model: The prepared model.
            points: The images as its points.
            classes: Integers (n, m), the classes that are explained.
            rows: Integers (n,), the places of the images among all images, which random draws depend on.

        Returns:
            Maps of the classes, and the logits beside them.

        Raises:
            InputError: The model does not have such maps.
        """

    def for_search(self) -> "Attribution":
        """The method as an attack searches with it, where that is another one: what it found is judged by the method itself."""
        return self

    def for_training(self) -> "Attribution":
        """The method as training computes it, whose maps may be differentiated by the weights too."""
        return self.for_search()

    def find_layer(self, model: keras.Model | None, few: tf.Tensor) -> str | None:
        """The name of the layer that the method looks at in `model`, None where it looks at none. Raises InputError."""
        return None

    def judged(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The further values with what follows from them; warns where the maps are not what was asked for."""
        return values

    @property
    def name(self) -> str:
        """The method's name for tables."""
        return type(self).__name__

    def describe(self) -> str:
        """The method with its settings."""
        told: list[str] = []
        for name in sorted(each.name for each in fields(self) if each.repr):
            value = getattr(self, name)
            if isinstance(value, Attribution):
                told.insert(0, value.describe())
            elif value is not None and value is not False:
                told.append(f"{name.lstrip('_')}={_as_key(value) if _holds_arrays(value) else value}")
        return f"{type(self).__name__}({', '.join(told)})"

    def graph_key(self) -> Hashable:
        """All that shapes the graph of the maps, which methods that agree on it share: the kind of method and all of its settings."""
        settings = (each.name for each in fields(self) if each.name != "model")
        return type(self), *((name, _as_key(getattr(self, name))) for name in settings)

    def with_model(self, model: keras.Model | None) -> Self:
        """The same method for a model, or the description alone."""
        return replace(self, model=model)

    def images_at_a_time(self, shape: tuple[int, ...]) -> int:
        """Images of this shape (height, width, channels) that are explained together, in each of the streams that run side by side."""
        return self.points_at_a_time(shape)

    def points_at_a_time(self, shape: tuple[int, ...]) -> int:
        """Points of images of this shape in memory at a time, in each of the streams that run side by side."""
        if self.chunk_size is None:
            size = int(np.prod(shape))
            return max(1, VALUES // size, min(FEW, VALUES_OF_FEW // size))
        # What a caller asked for holds for all streams together.
        return max(1, self.chunk_size // count_streams())


def _holds_arrays(value: Any) -> bool:
    """Whether it is an array of some values, whose text would leave most of them out, or has one among its parts."""
    if isinstance(value, (list, tuple)):
        return any(map(_holds_arrays, value))
    return bool(isinstance(value, np.ndarray) and value.ndim) or tf.is_tensor(value)


def _as_key(value: Any) -> Hashable:
    if isinstance(value, Attribution):
        return value.graph_key()
    if isinstance(value, np.ndarray) or tf.is_tensor(value):
        return digest([np.asarray(value)])
    if isinstance(value, Mapping):
        return tuple(value.items())
    return tuple(map(_as_key, value)) if isinstance(value, (list, tuple)) else value


def upsampled(maps: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """Maps (n, h, w) bilinearly at the size of the images, (n, height, width, 1); what lies between is float32 in any precision."""
    return tf.cast(tf.image.resize(maps[..., None], tf.shape(images)[1:3], "bilinear"), maps.dtype)

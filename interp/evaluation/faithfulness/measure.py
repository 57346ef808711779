"""What all measures of explanations share: a description, and one function from images with their maps to a value each."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np

from interp.attributions import Attribution
from interp.core.batches import attack_blocks
from interp.core.checks import check_finite, check_images, check_labels, check_number
from interp.core.errors import InputError
from interp.evaluation.faithfulness.explained import Explained, Subject
from interp.evaluation.faithfulness.label_scores import LabelScores
from interp.models.model_check import check_model_once


class Measured(NamedTuple):
    """Values (n,) of n images, NaN where one is not defined, and the curve (points, n) that they sum up, where there is one."""

    values: np.ndarray
    curve: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Measure(ABC):
    """A measure of explanations: its settings. `measure(model, images, labels, explanation)` returns a value for each image."""

    higher_is_better: ClassVar[bool]
    # What it asks, in a few words.
    asks: ClassVar[str]
    needs_masks: ClassVar[bool] = False
    # Whether it explains changed images, for which maps alone are not enough.
    needs_method: ClassVar[bool] = False

    @abstractmethod
    def measure(self, explained: Explained) -> Measured:
        """Return the values of a block of images.

        Args:
            explained: The images with their labels, maps and masks, and the model and method that the maps come from.

        Returns:
            A Measured: the values (n,), and the curve (points, n) that they sum up, where there is one.
        """

    def by_chance(self, sides: tuple[int, int], masks: np.ndarray | None) -> float | None:
        """Return the value that random maps come to in theory.

        Args:
            sides: (height, width) of the images.
            masks: Booleans (n, height, width), where the object is, or None.

        Returns:
            The value; None where it is not known.
        """
        return None

    @property
    def shares(self) -> tuple[float, ...]:
        """Where the points of its curve lie: shares of the image that were replaced; none without a curve."""
        return ()

    def __call__(
        self,
        model: keras.Model,
        images: Any,
        labels: Any,
        explanation: Any,
        *,
        masks: Any = None,
        seed: int = 0,
        batch_size: int | None = None,
    ) -> np.ndarray:
        """Measure the explanation of each image.

        Args:
            model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
            images: float32 (n, height, width, channels) in [0, 1].
            labels: Integers (n,), the classes that are explained.
            explanation: Maps (n, height, width, channels or 1), or a method, with or without a model.
            masks: Booleans (n, height, width), where the object is; the pointing game needs them.
            seed: Seed of all random draws.
            batch_size: Number of images processed at a time (default: by their size).

        Returns:
            float64 (n,), the value of each image; NaN where it is not defined.

        Raises:
            InputError: The model, images, labels, maps or masks cannot be used, or the measure needs masks or a method and has none.

        Example:
            ```python
            values = Deletion(fill="blur")(model, images, labels, GradCAM())
            ```
        """
        batch = check_images(images)
        truth = check_labels(labels, batch, check_model_once(model, batch)).numpy()
        pictures = batch.numpy()
        check_number("seed", seed, minimum=0, whole=True)
        if batch_size is not None:
            check_number("batch_size", batch_size, minimum=1, whole=True)
        method = explanation.with_model(model) if isinstance(explanation, Attribution) else None
        maps = None if method is not None else check_maps(explanation, pictures)
        if method is None and self.needs_method:
            raise InputError(
                f"{type(self).__name__} explains changed images: give the method, such as GradCAM(), not its maps"
            )
        objects = check_masks(masks, pictures)
        if objects is None and self.needs_masks:
            raise InputError(f"{type(self).__name__} needs to know where the object is: give masks (n, height, width)")
        subject = Subject(LabelScores(model, batch_size), method)
        found = []
        for block in attack_blocks(len(pictures), pictures.shape[1:]):
            here, of = pictures[block], truth[block]
            known = explain(method, here, of, block.start) if maps is None else maps[block]
            inside = None if objects is None else objects[block]
            found.append(self.measure(Explained(subject, here, of, known, inside, seed, block.start)).values)
        return np.concatenate(found)


def explain(method: Attribution | None, images: np.ndarray, labels: np.ndarray, first: int) -> np.ndarray:
    """Maps of images that start at the place `first`."""
    if method is None:
        raise InputError("there is no method to explain the images with: give one")
    return np.asarray(method.explain(images, labels, first=first).maps)


def check_maps(maps: Any, images: np.ndarray) -> np.ndarray:
    """Maps (n, height, width, channels or 1) of the images as an array. Raises InputError."""
    array = check_finite("maps", maps)
    if array.ndim != 4 or array.shape[:3] != images.shape[:3] or array.shape[3] not in (1, images.shape[3]):
        raise InputError(
            f"maps came with shape {array.shape}, expected {images.shape} as the images or with one channel, or a method such as GradCAM()"
        )
    return array


def check_masks(masks: Any, images: np.ndarray) -> np.ndarray | None:
    """Masks (n, height, width) of the images as booleans; None without masks. Raises InputError."""
    if masks is None:
        return None
    array = check_finite("masks", masks).astype(bool)
    if array.shape != images.shape[:3]:
        raise InputError(f"masks came with shape {array.shape}, expected {images.shape[:3]}, one for each image")
    return array

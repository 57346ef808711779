"""The one record every loader returns."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from interp.core.digest import digest
from interp.core.errors import InputError, check_choice
from interp.data.pixels import ScaledPixels

# Draws images that stand for all.
FEW_SEED = 99
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Images with their labels, and what is known of them.

    Args:
        images: float32 (n, height, width, channels) in [0, 1], or ScaledPixels.
        labels: int64 (n,), the true classes.
        class_names: A name for each class.
        source: Which files or arrays they come from, in words.
        split: "train", "validation" or "test".
        name: Name of the dataset.

    Raises:
        InputError: An argument is not as described, or the arguments do not fit each other.
    """

    images: np.ndarray | ScaledPixels
    labels: np.ndarray
    class_names: tuple[str, ...]
    source: str
    split: str
    name: str

    def __post_init__(self) -> None:
        check_choice("split", self.split, SPLITS)
        self._check_images()
        self._check_labels()

    def _check_images(self) -> None:
        images = self.images
        if not isinstance(images, (np.ndarray, ScaledPixels)) or images.dtype != np.float32 or images.ndim != 4:
            raise InputError(
                f"images of {self.name} came as {getattr(images, 'dtype', type(images).__name__)} of shape "
                f"{getattr(images, 'shape', ())}, expected float32 (n, height, width, channels)"
            )
        if 0 in images.shape:
            raise InputError(f"images of {self.name} came empty, with shape {images.shape}: give at least one")
        if isinstance(images, np.ndarray):
            low, high = float(images.min()), float(images.max())
            if not (low >= 0 and high <= 1):
                raise InputError(
                    f"images of {self.name} came with values in [{low:.4g}, {high:.4g}], expected [0, 1]: "
                    "rescale them (for bytes, divide by 255)"
                )

    def _check_labels(self) -> None:
        labels = self.labels
        if not isinstance(labels, np.ndarray) or labels.dtype != np.int64 or labels.shape != (len(self.images),):
            raise InputError(
                f"labels of {self.name} came as {getattr(labels, 'dtype', type(labels).__name__)} of shape "
                f"{getattr(labels, 'shape', ())}, expected int64 ({len(self.images)},), one per image"
            )
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= self.classes:
            raise InputError(
                f"labels of {self.name} came in [{low}, {high}], it has classes 0 to {self.classes - 1}: check them"
            )

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        # Pixels would fill the screen, and bytes on disk would be read for it.
        counts = f"{len(self)} images of {self.image_shape}, {self.classes} classes"
        return f"<Dataset {self.name}, {self.split}: {counts}, from {self.source}>"

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The (height, width, channels) of one image."""
        _, height, width, channels = self.images.shape
        return height, width, channels

    @cached_property
    def identity(self) -> str:
        """Which images and labels these are: where they come from, how many, and a digest of them."""
        return f"{self.source}, {len(self)} images, {digest([self.images, self.labels])}"

    def take(self, which: int | Sequence[int] | np.ndarray) -> "Dataset":
        """Take some of the images.

        Args:
            which: A number, for so many images from the first on, or the places (m,) of images.

        Returns:
            A Dataset of these. Images at given places are loaded into memory.

        Raises:
            InputError: There are no such images.
        """
        if isinstance(which, (int, np.integer)) and not isinstance(which, bool):
            count = int(which)
            if not 1 <= count <= len(self):
                raise InputError(f"{count} images were asked for, {self.name} {self.split} can give 1 to {len(self)}")
            images = self.images
            first = images.first(count) if isinstance(images, ScaledPixels) else images[:count]
            return replace(self, images=first, labels=self.labels[:count])
        indices = np.asarray(which)
        if indices.ndim != 1 or not np.issubdtype(indices.dtype, np.integer) or not len(indices):
            raise InputError(
                f"indices came as {indices.dtype} of shape {indices.shape}, expected at least one integer, shape (m,)"
            )
        if indices.min() < 0 or indices.max() >= len(self):
            raise InputError(
                f"indices came in [{indices.min()}, {indices.max()}], {self.name} {self.split} has 0 to {len(self) - 1}"
            )
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def few(self, count: int) -> "Dataset":
        """Take images that stand for all, also of a set that is sorted by class.

        Args:
            count: Number of images.

        Returns:
            A Dataset of so many images, or of all where there are fewer: always the same ones, in their order. Bytes on disk stay there.

        Raises:
            InputError: The number is below 1.
        """
        if count >= len(self):
            return self
        if count < 1:
            raise InputError(f"{count} images were asked for, expected at least 1")
        rows = np.sort(np.random.RandomState(FEW_SEED).permutation(len(self))[:count])
        images = self.images
        chosen = images.rows(rows) if isinstance(images, ScaledPixels) else images[rows]
        return replace(self, images=chosen, labels=self.labels[rows])

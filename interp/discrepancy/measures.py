"""How far two maps of one image agree: one class a measure, and one registry. An attack on explanations is judged by them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from skimage.metrics import structural_similarity

from interp.core.checks import check_finite, check_number
from interp.core.errors import InputError, check_choice
from interp.core.tables import counted
from interp.discrepancy.agreement import (
    as_floats,
    kendall_tau,
    pearson_r,
    spearman_r,
    strongest,
    top_k_overlap,
    varies,
)

# Sides of the windows of structural similarity, the usual one and the least that is of use.
WINDOW, LEAST_WINDOW = 7, 3


@dataclass(frozen=True, kw_only=True)
class MapMeasure(ABC):
    """A measure of how far maps of the same images agree: `measure(clean, moved)`.

    `rises` says whether it is larger, and not smaller, the further the maps are apart; `objective` names what a search
    raises to move it (interp.attacks.map_objectives).
    """

    objective: ClassVar[str]
    rises: ClassVar[bool] = False

    def __call__(self, clean: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Compare each map with the clean one.

        Args:
            clean: Maps (n, height, width, channels) of the clean images.
            moved: Maps of the same shape, which are compared with them.

        Returns:
            float64 (n,); NaN where the measure is not defined.

        Raises:
            InputError: The maps are not finite numbers of such a shape, or do not fit the settings of the measure.
        """
        clean, moved = as_floats(clean), as_floats(moved)
        if clean.shape != moved.shape or clean.ndim != 4:
            raise InputError(
                f"maps came with shapes {clean.shape} and {moved.shape}, expected two of (n, height, width, channels)"
            )
        return np.asarray(self.compare(clean, moved), np.float64)

    def check(self, shape: Sequence[int]) -> None:
        """Raise InputError where maps of this `shape` (height, width, channels) cannot be compared."""
        return None

    @property
    @abstractmethod
    def title(self) -> str:
        """The name of the figure in tables."""

    def take(self, rows: np.ndarray, count: int) -> "MapMeasure":
        """The measure for the maps of these rows alone, of `count`. Raises InputError where it is of another number of them."""
        return self

    def at_size(self, size: tuple[int, int]) -> "MapMeasure":
        """The measure for maps of images of this size (height, width)."""
        return self

    def mask(self, shape: Sequence[int]) -> np.ndarray | None:
        """Weights (n, height, width) of positions of maps of this shape (height, width, channels), None where all count alike."""
        return None

    @abstractmethod
    def compare(self, clean: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """The figure (n,) of maps that were checked."""

    def loss(self, values: np.ndarray) -> np.ndarray:
        """The values with the sign by which larger ones mean maps further apart; -infinity where they are not defined."""
        return np.where(np.isfinite(values), values if self.rises else -values, -np.inf)


@dataclass(frozen=True, kw_only=True)
class KendallTau(MapMeasure):
    """Kendall's tau-b of all positions: 1 where their order is the same, NaN where a map is constant."""

    title = "Kendall tau"
    objective = "rank"

    def compare(self, clean: np.ndarray, moved: np.ndarray) -> np.ndarray:
        return kendall_tau(_flat(clean), _flat(moved))


@dataclass(frozen=True, kw_only=True)
class Spearman(MapMeasure):
    """Spearman's rank correlation of all positions: 1 where their order is the same, NaN where a map is constant."""

    title = "Spearman"
    objective = "rank"

    def compare(self, clean: np.ndarray, moved: np.ndarray) -> np.ndarray:
        return spearman_r(_flat(clean), _flat(moved))


@dataclass(frozen=True, kw_only=True)
class Pearson(MapMeasure):
    """Pearson's correlation of all positions; NaN where a map is constant."""

    title = "Pearson"
    objective = "correlation"

    def compare(self, clean: np.ndarray, moved: np.ndarray) -> np.ndarray:
        return pearson_r(_flat(clean), _flat(moved))


@dataclass(frozen=True, kw_only=True)
class Cosine(MapMeasure):
    """Cosine of the angle between the maps as vectors; NaN where one is 0 everywhere."""

    title = "cosine"
    objective = "correlation"

    def compare(self, clean: np.ndarray, moved: np.ndarray) -> np.ndarray:
        one, other = np.float64(_flat(clean)), np.float64(_flat(moved))
        scale = np.sqrt((one**2).sum(-1) * (other**2).sum(-1))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(scale > 0, (one * other).sum(-1) / scale, np.nan)


@dataclass(frozen=True, kw_only=True)
class TopKOverlap(MapMeasure):
    """Share of the strongest positions that both maps have; NaN where one is constant.

    Of equally strong positions the first ones count, row by row: maps that are 0 nearly everywhere share zeros where k is larger than the
    number of their positive positions.

    Args:
        k: Number of strongest positions that are compared, or, below 1, a share of all positions.
        radius: Tolerance in rows and columns, at least 0: a strongest position of the moved map counts as shared where
            one of the clean map's lies within it, as in LENS (Kamath et al. 2024, arXiv 2210.04527).

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    k: float = 8
    radius: int = 0
    objective = "top_k_overlap"

    @property
    def title(self) -> str:
        """With the number of positions and the tolerance."""
        return f"top-{self.k:g} overlap" + (f" within {self.radius}" if self.radius else "")

    def __post_init__(self) -> None:
        check_number("k", self.k, minimum=0, strict=True)
        if self.k >= 1:
            check_number("k", self.k, minimum=1, whole=True)
        check_number("radius", self.radius, minimum=0, whole=True)

    def count(self, positions: int) -> int:
        """How many positions of so many are the strongest. Raises InputError."""
        count = int(self.k) if self.k >= 1 else max(1, round(self.k * positions))
        if count > positions:
            raise InputError(
                f"k came as {count}, the maps have {counted(positions, 'position')}: choose a smaller k, such as 0.1, a tenth of them"
            )
        return count

    def check(self, shape: Sequence[int]) -> None:
        self.count(int(np.prod(shape)))

    def compare(self, clean: np.ndarray, moved: np.ndarray) -> np.ndarray:
        k = self.count(int(np.prod(clean.shape[1:])))
        if self.radius:
            size = 2 * self.radius + 1
            near = tf.nn.max_pool2d(_strongest(clean, k).astype(np.float32), size, 1, "SAME").numpy() > 0
            shared = (_strongest(moved, k) & near).sum((1, 2, 3)) / k
            return np.where(varies(_flat(clean)) & varies(_flat(moved)), shared, np.nan)
        return top_k_overlap(_flat(clean), _flat(moved), k)


@dataclass(frozen=True, kw_only=True)
class StructuralSimilarity(MapMeasure):
    """SSIM (Wang et al. 2004) of the maps, in the range of the clean map.

    It is NaN where the clean map is constant, and for sizes with a side below 3.

    Args:
        size: (height, width) that maps are resized to; attacks take that of the images (default: that of the maps).

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    size: tuple[int, int] | None = None
    title = "SSIM"
    objective = "correlation"

    def __post_init__(self) -> None:
        if self.size is not None:
            if not isinstance(self.size, tuple) or len(self.size) != 2:
                raise InputError(f"size came as {self.size!r}, expected (height, width)")
            for side in self.size:
                check_number("a side of size", side, minimum=1, whole=True)

    def at_size(self, size: tuple[int, int]) -> MapMeasure:
        return self if self.size else StructuralSimilarity(size=size)

    def compare(self, clean: np.ndarray, moved: np.ndarray) -> np.ndarray:
        size = self.size or clean.shape[1:3]
        one, other = (tf.image.resize(maps, size, "bilinear").numpy().astype(np.float64) for maps in (clean, moved))
        window = min(WINDOW, *size)
        window -= 1 - window % 2
        if window < LEAST_WINDOW:
            return np.full(len(clean), np.nan)
        spans = np.asarray(np.ptp(one, (1, 2, 3)))
        return np.array(
            [
                structural_similarity(a, b, win_size=window, data_range=span, channel_axis=-1) if span > 0 else np.nan
                for a, b, span in zip(one, other, spans, strict=True)
            ]
        )


@dataclass(frozen=True, kw_only=True)
class CentreShift(MapMeasure):
    """How far the centre of mass of the magnitudes moves, in sides of the map.

    It is 0 where nothing moves, and NaN where a map is 0 everywhere.
    """

    title = "shift of the centre"
    objective = "centre"
    rises = True

    def compare(self, clean: np.ndarray, moved: np.ndarray) -> np.ndarray:
        one, other = (_centres(np.abs(np.float64(maps)).sum(-1)) for maps in (clean, moved))
        return np.sqrt(((one - other) ** 2).sum(-1))


@dataclass(frozen=True, kw_only=True)
class MassOnMask(MapMeasure):
    """Share of the moved map's magnitudes on the object; NaN where the map is 0 everywhere.

    Args:
        masks: Weights (n, height, width) in [0, 1], where the object of each image is; they are resized to the maps.

    Raises:
        InputError: The masks are not finite numbers of such a shape; when called, there are more or fewer masks than
            maps.
    """

    masks: Any = field(repr=False)
    title = "mass on the object"
    objective = "mass"

    def __post_init__(self) -> None:
        masks = check_finite("masks", self.masks)
        if masks.ndim != 3 or masks.min(initial=0) < 0 or masks.max(initial=0) > 1:
            raise InputError(
                f"masks came with shape {masks.shape} and values in [{masks.min(initial=0):.4g}, {masks.max(initial=0):.4g}], expected "
                "(n, height, width) of weights in [0, 1]"
            )

    def take(self, rows: np.ndarray, count: int) -> MapMeasure:
        if len(self.masks) != count:
            raise InputError(
                f"{counted(len(self.masks), 'mask')} came with {counted(count, 'image')}, expected one for each"
            )
        return MassOnMask(masks=np.asarray(self.masks)[rows])

    def mask(self, shape: Sequence[int]) -> np.ndarray:
        inside = np.asarray(self.masks, np.float32)[..., None]
        return tf.image.resize(inside, tuple(shape[:2]), "area").numpy()[..., 0]

    def compare(self, clean: np.ndarray, moved: np.ndarray) -> np.ndarray:
        inside = self.mask(moved.shape[1:])
        if len(inside) != len(moved):
            raise InputError(
                f"{counted(len(inside), 'mask')} came with {counted(len(moved), 'map')}, expected one for each"
            )
        mass = np.abs(np.float64(moved)).sum(-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return (mass * inside).sum((1, 2)) / mass.sum((1, 2))


# Those that need nothing but the maps, by the names that command lines offer (interp.core.names.MEASURES).
MEASURES: dict[str, type[MapMeasure]] = {
    "kendall_tau": KendallTau,
    "spearman": Spearman,
    "pearson": Pearson,
    "cosine": Cosine,
    "top_k_overlap": TopKOverlap,
    "ssim": StructuralSimilarity,
    "centre_shift": CentreShift,
}


def find_measure(measure: str | MapMeasure) -> MapMeasure:
    """Return a measure by its name, or as it came.

    Args:
        measure: One of MEASURES, with its usual settings, or an object such as TopKOverlap(k=0.1).

    Returns:
        A MapMeasure.

    Raises:
        InputError: The name is unknown.
    """
    return measure if isinstance(measure, MapMeasure) else MEASURES[check_choice("measure", measure, MEASURES)]()


def _flat(maps: np.ndarray) -> np.ndarray:
    # Of no maps a number of positions cannot be found.
    return maps.reshape(len(maps), int(np.prod(maps.shape[1:])))


def _strongest(maps: np.ndarray, k: int) -> np.ndarray:
    """The k strongest positions as booleans, shape of the maps."""
    return strongest(_flat(maps), k).reshape(maps.shape)


def _centres(mass: np.ndarray) -> np.ndarray:
    """Centres of mass (n, 2) of maps (n, height, width), in sides; NaN where there is no mass."""
    total = mass.sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack(
            [
                (mass.sum(3 - axis) * (np.arange(mass.shape[axis]) + 0.5)).sum(-1) / total / mass.shape[axis]
                for axis in (1, 2)
            ],
            -1,
        )

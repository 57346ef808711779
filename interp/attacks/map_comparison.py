"""The maps of the images of an attack on explanations, compared with those of the points that its searches found."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.classification import margin
from interp.attacks.map_search import Searched, read_maps
from interp.attributions import Attribution
from interp.core.checks import check_finite
from interp.core.compiled import bind_for, run_in_batches
from interp.core.results import Tabular
from interp.core.tables import Cell, cells_of
from interp.discrepancy.measures import MapMeasure
from interp.models.prepared import prepare

# The name of the images as they came, among searches.
CLEAN = "clean"
# A smaller change of a map, in shares of its largest magnitude, is rounding.
ROUNDING = 1e-4


@dataclasses.dataclass(frozen=True)
class ExplanationAttackResult(Tabular):
    """What was found for each of n images, by the titles of the measures.

    NaN stands where a measure is not defined, or the class was predicted nowhere.

    Attributes:
        adversarial: For each measure the images whose maps are furthest from the clean ones,
            (n, height, width, channels).
        values: For each measure its value there, (n,).
        found_by: For each measure the search that found them, texts (n,); "clean" where nothing moved the map.
        by_search: For each search by its name, and each measure, the value of what it found alone, (n,).
        constant: Booleans (n,), which clean maps have one value everywhere.
        moved: Booleans (n,), which maps changed at a point that was tried, whatever was predicted there.
    """

    adversarial: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]
    found_by: Mapping[str, np.ndarray]
    by_search: Mapping[str, Mapping[str, np.ndarray]]
    constant: np.ndarray
    moved: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, bool))

    def columns(self) -> dict[str, list[Cell]]:
        """A row an image: each measure in its worst case, and the search that found it."""
        made = {"image": cells_of(np.arange(len(self.constant)))}
        for title, values in self.values.items():
            made |= {title: cells_of(values), f"{title}: search": cells_of(self.found_by[title])}
        return made


class _Best(NamedTuple):
    points: np.ndarray
    values: np.ndarray
    found_by: np.ndarray


class MapComparison:
    """The images of a call, their clean maps, and for each measure the worst points so far."""

    def __init__(
        self,
        model: keras.Model,
        method: Attribution,
        measures: Sequence[MapMeasure],
        images: tf.Tensor,
        labels: tf.Tensor,
        held: tf.Tensor,
        *,
        magnitude: bool,
        batch_size: int,
    ) -> None:
        self.model, self.images, self.labels, self.batch_size = model, images, labels, batch_size
        self.measures = measures
        self._method, self._held, self._magnitude = method, held, magnitude
        self.clean = self.maps_at(images)[0]
        self._best = {
            measure.title: _Best(
                images.numpy().copy(), np.full(len(images), np.nan), np.full(len(images), CLEAN, object)
            )
            for measure in self.measures
        }
        self._by_search: dict[str, dict[str, np.ndarray]] = {}
        self._moved = np.zeros(len(images), bool)

    def rows(self, targets: np.ndarray) -> Searched:
        """The rows of a search, with the maps (n, height, width, channels) that one of its objectives leads to."""
        count = len(self.images)
        masks = np.zeros_like(self.clean)
        for measure in self.measures:
            inside = measure.mask(self.clean.shape[1:])
            if inside is not None:
                masks += inside[..., None]
        flat = (tf.constant(np.ascontiguousarray(each).reshape(count, -1)) for each in (targets, masks))
        return Searched(self.images, self.labels, self._held, tf.range(count), *flat)

    def maps_at(self, points: Any) -> tuple[np.ndarray, np.ndarray]:
        """Maps (n, height, width, channels) of the method itself at points, and whether (n,) the class is predicted there."""
        method, magnitude = self._method, self._magnitude

        def run(points: tf.Tensor, labels: tf.Tensor, held: tf.Tensor, places: tf.Tensor) -> tuple[tf.Tensor, ...]:
            prepared = prepare(self.model, rearrange=True)
            maps, logits, _ = method.maps(prepared, prepared.enter(points), labels[:, None], places)
            # One that ties with another class is not predicted.
            return read_maps(maps[:, 0], magnitude), (held < 0) | (margin(logits, tf.maximum(held, 0)) < 0)

        arrays = tf.convert_to_tensor(points), self.labels, self._held, tf.range(len(self.images))
        key = "maps", method.graph_key(), magnitude
        compiled = bind_for(self.model, key, lambda *rows: run(*rows[:-1]), arrays, {})
        maps, valid = run_in_batches(compiled, arrays, self.batch_size)
        return check_finite("maps of the explanation", maps.numpy()), valid.numpy()

    def take(self, name: str, points: np.ndarray) -> None:
        """Compare the maps at points that a search found, and keep what is worse by a measure."""
        moved, valid = self.maps_at(points)
        change, size = (np.abs(each).max((1, 2, 3)) for each in (moved - self.clean, self.clean))
        self._moved |= change > ROUNDING * size
        found = self._by_search.setdefault(name, {})
        for measure in self.measures:
            values = np.where(valid, measure(self.clean, moved), np.nan)
            before = found.get(measure.title, np.full(len(values), np.nan))
            found[measure.title] = np.where(measure.loss(values) > measure.loss(before), values, before)
            best = self._best[measure.title]
            worse = measure.loss(values) > measure.loss(best.values)
            best.points[worse], best.values[worse], best.found_by[worse] = points[worse], values[worse], name

    def result(self) -> ExplanationAttackResult:
        best = self._best
        return ExplanationAttackResult(
            {title: each.points for title, each in best.items()},
            {title: each.values for title, each in best.items()},
            {title: each.found_by for title, each in best.items()},
            self._by_search,
            np.ptp(self.clean, (1, 2, 3)) == 0,
            self._moved,
        )

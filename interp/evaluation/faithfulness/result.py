"""What a comparison of explanations returns: values of each method under each measure, beside what knows nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy import stats

from interp.core.json_fields import Count
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell, counted
from interp.evaluation.faithfulness.agreement import agreement_of_means, agreement_over_images
from interp.evaluation.roar_kar_result import RANDOM, SIGNIFICANT
from interp.evaluation.statistics import IMAGES, Mean, mean_of

EDGES = "edges"
CONTROL_METHODS = (RANDOM, EDGES)


@dataclass(frozen=True)
class MeasureFacts:
    """What is known of a measure without any image.

    Attributes:
        settings: The measure with its settings, in words.
        asks: The question that it asks of a map.
        higher_is_better: Whether a higher value is a better one.
        by_chance: Value that random maps come to in theory; None where it is not known.
    """

    settings: str
    asks: str
    higher_is_better: bool
    by_chance: float | None


@dataclass(frozen=True)
class MeanCurves:
    """Mean probability of the label against the share of the pixels that were replaced.

    Attributes:
        shares: Shares of the pixels (points,).
        means: Means over the images (methods, points).
        standard_errors: Their standard errors (methods, points), NaN of one image.
    """

    shares: tuple[float, ...]
    means: np.ndarray
    standard_errors: np.ndarray


@dataclass(frozen=True)
class Faithfulness(Result):
    """Values of several explanation methods under several measures.

    No measure is the truth: `agreement` says how far they rank the methods alike.

    Attributes:
        methods: Names of the methods; the controls "random" and "edges" are among them.
        measures: A MeasureFacts for each measure, by name.
        values: Values (methods, measures, n) of each image, NaN where one is not defined.
        curves: MeanCurves of the measures that have one, by name.
        count: Number of images.
        settings: How the maps were made, in words.

    Raises:
        InputError: The fields do not fit each other.
    """

    methods: tuple[str, ...]
    measures: Mapping[str, MeasureFacts]
    values: np.ndarray
    curves: Mapping[str, MeanCurves]
    count: Count = field(metadata=IMAGES)
    settings: str = ""

    def __post_init__(self) -> None:
        shape = len(self.methods), len(self.measures), self.count
        curves = all(
            each.means.shape == each.standard_errors.shape == (len(self.methods), len(each.shares))
            for each in self.curves.values()
        )
        fits = (
            bool(self.measures) and self.values.shape == shape and curves and self.curves.keys() <= self.measures.keys()
        )
        self._expect(
            fits and set(CONTROL_METHODS) <= set(self.methods),
            "a value for each method, the controls too, measure and image",
        )

    def of(self, method: str, measure: str) -> np.ndarray:
        """Values (n,) of a method under a measure."""
        return self.values[self.methods.index(method), list(self.measures).index(measure)]

    def mean(self, method: str, measure: str) -> Mean:
        """Their mean, standard error and number."""
        return mean_of(self.of(method, measure))

    def beats(self, method: str, control: str, measure: str) -> bool | None:
        """Whether a method is better than a control on the same images: paired t test, one-sided, at 5%; None where that is not defined."""
        sign = 1 if self.measures[measure].higher_is_better else -1
        gains = sign * (self.of(method, measure) - self.of(control, measure))
        gains = gains[np.isfinite(gains)]
        if method == control or len(gains) < 2:
            return None
        if np.ptp(gains) == 0:
            return bool(gains[0] > 0)
        return bool(stats.ttest_1samp(gains, 0, alternative="greater").pvalue < SIGNIFICANT)

    @cached_property
    def agreement(self) -> np.ndarray:
        """Kendall tau of the rankings that each two measures give the methods by their means, (measures, measures)."""
        return agreement_of_means(self._better)

    @cached_property
    def agreement_over_images(self) -> tuple[tuple[Mean, ...], ...]:
        """The same of the ranking on each image alone: mean over the images, (measures, measures)."""
        return agreement_over_images(self._better)

    @property
    def _better(self) -> np.ndarray:
        signs = [1 if facts.higher_is_better else -1 for facts in self.measures.values()]
        return self.values * np.array(signs)[:, None]

    def columns(self) -> dict[str, list[Cell]]:
        """A method and measure a row, measure by measure; the last column says which controls it beats."""
        rows = [(method, measure) for measure in self.measures for method in self.methods]
        means = [self.mean(*row) for row in rows]
        return {
            "method": [method for method, _ in rows],
            "measure": [measure for _, measure in rows],
            "value": [mean.value for mean in means],
            "standard error": [mean.cells[1] for mean in means],
            "images": [mean.count for mean in means],
            "better": ["higher" if self.measures[measure].higher_is_better else "lower" for _, measure in rows],
            "beats": [self._beaten(*row) for row in rows],
        }

    def _beaten(self, method: str, measure: str) -> str:
        found = {control: self.beats(method, control, measure) for control in CONTROL_METHODS if control != method}
        if all(each is None for each in found.values()):
            return NOTHING
        return ", ".join(control for control, beats in found.items() if beats) or "none"

    @property
    def caption(self) -> str:
        """How many images there were, what the controls are, and the settings."""
        told = (
            f"{counted(self.count, 'image')}; random: noise, edges: Sobel magnitude of the image, neither looks at the model; beats: "
            "better than these on the same images, paired t test at 5%"
        )
        return "; ".join(filter(None, (told, self.settings)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What each measure asks and what chance comes to, and how far the measures agree."""
        return (*(_told(name, facts) for name, facts in self.measures.items()), *self._disagreements())

    def _disagreements(self) -> tuple[str, ...]:
        names = list(self.measures)
        pairs = [(row, column) for row in range(len(names)) for column in range(row)]
        known = [pair for pair in pairs if np.isfinite(self.agreement[pair])]
        if not known:
            return ()
        lowest = min(known, key=lambda pair: self.agreement[pair])
        mean = float(np.mean([self.agreement[pair] for pair in known]))
        images = mean_of(
            value for row, column in pairs if (value := self.agreement_over_images[row][column].value) is not None
        )
        alone = "" if images.value is None else f", {images.value:.2f} on one image"
        return (
            f"measures rank the {len(self.methods)} methods alike by a Kendall tau of {mean:.2f} on average{alone}, least "
            f"{names[lowest[1]]} and {names[lowest[0]]} ({self.agreement[lowest]:.2f}): read no measure alone",
        )

    def _derived(self) -> dict[str, Any]:
        """Means by method and measure, and both matrices of agreement."""
        return {
            "means": {name: {each: self.mean(name, each) for each in self.measures} for name in self.methods},
            "agreement": self.agreement,
            "agreement_over_images": self.agreement_over_images,
        }


def _told(name: str, facts: MeasureFacts) -> str:
    better = "higher" if facts.higher_is_better else "lower"
    chance = "" if facts.by_chance is None else f"; the random baseline comes to {facts.by_chance:.3g} in theory"
    return f"{name}: {facts.asks}; {better} is better{chance}; {facts.settings}"

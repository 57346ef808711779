"""What ROAR and KAR return: accuracies after retraining, and which methods differ from the random baseline."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from interp.core.errors import InputError
from interp.core.json_fields import Number, Share, from_values
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell, counted
from interp.evaluation.erasure import Protocol
from interp.evaluation.older_saliency_records import completed_roar_kar
from interp.evaluation.statistics import IMAGES, Mean, mean_of

RANDOM = "random"
# Below this probability that chance alone separates a method from the random baseline so far, the method beats it.
SIGNIFICANT = 0.05
DIFF_ROAR = (
    "DiffROAR (Shah et al. 2021): accuracy without the bottom share minus accuracy without the top share, by seed; above 0 by more than "
    "its error, the map ranks pixels better than chance, for which it is 0"
)


@dataclass(frozen=True, order=True)
class Retrained:
    """One retraining: `metric` roar or kar, the method's name, the ratio, the seed. Without erased pixels metric and method are ""."""

    metric: str
    method: str
    ratio: float
    seed: int

    def key(self) -> str:
        """Its name in the record."""
        return f"{self.metric} {self.method} {self.ratio!r} {self.seed}" if self.metric else f"unerased {self.seed}"


@dataclass(frozen=True)
class RoarKar(Result):
    """Test accuracies of networks that were retrained on images without some of their pixels (Hooker et al. 2019).

    Attributes:
        accuracies: Test accuracy of each Retrained(metric, method, ratio, seed); on images as they are, metric and method are "".
        metrics: "roar" for images without the strongest pixels, "kar" for those without the weakest ones.
        methods: Names of the methods; "random", the baseline, is among them.
        ratios: Fractions of the pixels, of which `protocol` says whether they were removed or kept.
        seeds: Seeds of the retrainings.
        protocol: Which images lost pixels, and what filled them.
        ranking: How pixels were ranked, "signed" or "magnitude".
        layers: Name of the layer that each method looked at; None for methods that look at none.
        train_images: Number of training images.
        count: Number of test images.
        retrained: Whose maps were taken and what was trained, in words.
        settings: How the maps were made, in words.
        diff_roar: DiffROAR (Shah et al. 2021) of a method where each of the ratios is gone, accuracy without the weakest pixels minus
            accuracy without the strongest ones; of methods of which both are there.

    Raises:
        InputError: The fields do not fit each other.
    """

    accuracies: Mapping[Retrained, Share]
    metrics: tuple[str, ...]
    methods: tuple[str, ...]
    ratios: tuple[float, ...]
    seeds: tuple[Number, ...]
    protocol: Protocol = field(metadata={"json": "erasure"})
    ranking: str
    layers: Mapping[str, str | None]
    train_images: Number = 0
    count: Number = field(default=0, metadata=IMAGES)
    retrained: str = ""
    settings: str = ""
    diff_roar: Mapping[str, tuple[Mean, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        complete = all(Retrained(*row, seed) in self.accuracies for row in self._rows() for seed in self.seeds)
        differences = all(len(means) == len(self.ratios) for means in self.diff_roar.values())
        fits = complete and differences and RANDOM in self.methods and self.seeds and self.ratios and self.metrics
        self._expect(
            bool(fits), "an accuracy for each metric, method, ratio and seed, the random baseline among the methods"
        )

    def of(self, metric: str, method: str, ratio: float) -> list[float]:
        """Accuracies over the seeds."""
        return [self.accuracies[Retrained(metric, method, ratio, seed)] for seed in self.seeds]

    def mean(self, metric: str, method: str, ratio: float) -> Mean:
        """Their mean and standard error."""
        return mean_of(self.of(metric, method, ratio))

    def unerased(self) -> Mean:
        """Accuracy of the same training on the images as they are; an older record knows its mean only."""
        whole = (Retrained("", "", 0.0, seed) for seed in self.seeds)
        return mean_of(self.accuracies[job] for job in whole if job in self.accuracies)

    def beats_random(self, metric: str, method: str, ratio: float) -> bool | None:
        """Whether a method differs from the random baseline in the right direction: less accuracy in ROAR, more in KAR.

        Welch's t test of the seeds, one-sided, at 5 %; None for the baseline itself, with fewer than two seeds, and where it differs so but
        neither of the two varies between seeds: the test then knows no chance that the difference could exceed.
        """
        if method == RANDOM or len(self.seeds) < 2:
            return None
        own, random = self.of(metric, method, ratio), self.of(metric, RANDOM, ratio)
        if np.ptp(own) == np.ptp(random) == 0:
            differs = own[0] < random[0] if metric == "roar" else own[0] > random[0]
            return None if differs else False
        # From means and deviations, because one of the two may not vary, which ttest_ind warns of.
        parts = [value for each in (own, random) for value in (np.mean(each), np.std(each, ddof=1), len(each))]
        alternative = "less" if metric == "roar" else "greater"
        test = stats.ttest_ind_from_stats(*parts, equal_var=False, alternative=alternative)
        return bool(test.pvalue < SIGNIFICANT)

    def verdicts(self, metric: str) -> list[str]:
        """For each ratio, in words, which methods beat the random baseline, which do not, and of which the seeds cannot tell."""
        if len(self.seeds) < 2:
            return ["one seed says nothing about chance: nothing is compared with the random baseline"]
        lines = []
        for ratio in self.ratios:
            told = {name: self.beats_random(metric, name, ratio) for name in self.methods if name != RANDOM}
            better = ", ".join(name for name, beats in told.items() if beats) or "none"
            others = ", ".join(name for name, beats in told.items() if beats is False) or "none"
            open_ones = ", ".join(name for name, beats in told.items() if beats is None)
            unknown = f"; undecided, as no accuracy varies between seeds: {open_ones}" if open_ones else ""
            lines.append(
                f"{metric.upper()} at ratio {ratio:g}: beat the random baseline: {better}; do not: {others}{unknown}"
            )
        return lines

    @property
    def notes(self) -> tuple[str, ...]:
        """The verdicts, and how far to trust them."""
        verdicts = dict.fromkeys(line for metric in self.metrics for line in self.verdicts(metric))
        return (
            *verdicts,
            "ROAR favours blurred maps (arXiv 2304.13836), and maps are of the true label, on test images too, so the shape of what is "
            "erased can itself tell the class: read a method beside the random baseline only",
            *((DIFF_ROAR,) if self.diff_roar else ()),
        )

    def columns(self) -> dict[str, list[Cell]]:
        """A method and ratio a row; of several metrics the first column names the metric."""
        rows = self._rows()
        means = [self.mean(*row).cells for row in rows]
        beats = [self.beats_random(*row) for row in rows]
        return {
            **({"metric": [row[0] for row in rows]} if len(self.metrics) > 1 else {}),
            "method": [row[1] for row in rows],
            "ratio": [row[2] for row in rows],
            "accuracy": [value for value, _ in means],
            "standard error": [error for _, error in means],
            "beats random": [NOTHING if each is None else "yes" if each else "no" for each in beats],
            **self._difference_columns(rows),
        }

    def _difference_columns(self, rows: list[tuple[str, str, float]]) -> dict[str, list[Cell]]:
        if not self.diff_roar:
            return {}
        cells = [self._difference(*row) for row in rows]
        return {"DiffROAR": [value for value, _ in cells], "its standard error": [error for _, error in cells]}

    def _difference(self, metric: str, method: str, ratio: float) -> tuple[Cell, Cell]:
        """DiffROAR with its error, of what is gone in that row."""
        gone = 1 - ratio if metric == "kar" and self.protocol.kar_keeps else ratio
        found = zip(self.ratios, self.diff_roar.get(method, ()), strict=False)
        return next((mean.cells for each, mean in found if np.isclose(each, gone)), (NOTHING, NOTHING))

    @property
    def caption(self) -> str:
        """The protocol, the images, what was retrained, and its accuracy on images as they are."""
        images = f"{self.train_images} training and {counted(self.count, 'test image')}"
        what = ", ".join(filter(None, (images, self.retrained, _seeds_text(self.seeds))))
        how = ", ".join(filter(None, (f"{self.ranking} ranking", self.settings)))
        mean = self.unerased()
        error = "" if mean.standard_error is None else f" +- {mean.standard_error:.3f}"
        reached = "undefined" if mean.value is None else f"{mean.value:.3f}{error}"
        return f"{self.protocol}; {what}; {how}; not erased: accuracy {reached}"

    def _rows(self) -> list[tuple[str, str, float]]:
        return list(itertools.product(self.metrics, self.methods, self.ratios))

    def _derived(self) -> dict[str, Any]:
        """Accuracies over the seeds by method and ratio, those of the images as they are, and their mean."""
        several = len(self.metrics) > 1
        whole = [self.accuracies.get(Retrained("", "", 0.0, seed)) for seed in self.seeds]
        return {
            "accuracies": {_name(*row, several): self.of(*row) for row in self._rows()},
            "unerased": self.unerased().value,
            "unerased_by_seed": whole,
        }

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        values = completed_roar_kar(values)

        def read(name: str, kind: Any) -> Any:
            return from_values(kind, values.get(name), f"{cls.__name__}.{name}")

        metrics, methods = read("metrics", tuple[str, ...]), read("methods", tuple[str, ...])
        ratios, seeds = read("ratios", tuple[float, ...]), read("seeds", tuple[Number, ...])
        named = read("accuracies", Mapping[str, tuple[Share, ...]])
        whole = read("unerased_by_seed", tuple[Share | None, ...])
        found = {
            Retrained("", "", 0.0, seed): share for seed, share in zip(seeds, whole, strict=False) if share is not None
        }
        for row in itertools.product(metrics, methods, ratios):
            name = _name(*row, len(metrics) > 1)
            if len(named.get(name, ())) != len(seeds):
                raise InputError(
                    f"{cls.__name__}.accuracies has no {name!r} with a number for each of {len(seeds)} seeds"
                )
            found |= {Retrained(*row, seed): share for seed, share in zip(seeds, named[name], strict=True)}
        return {**values, "accuracies": found}


def _seeds_text(seeds: tuple[Number, ...]) -> str:
    """Which seeds, each where they do not follow each other."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if list(seeds) == list(range(int(seeds[0]), int(seeds[0]) + len(seeds))):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"


def _name(metric: str, method: str, ratio: float, several: bool) -> str:
    """What is retrained, in a record; the metric is said where there are several."""
    return " ".join([*([metric] if several else []), method, repr(ratio)])

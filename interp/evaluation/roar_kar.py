"""ROAR and KAR: what a network still learns from images without the pixels that an explanation calls important, or unimportant.

Hooker et al. 2019, and WhiteBox's variant. ROAR favours blurred maps (Song et al. 2023, arXiv 2304.13836), and an
erased shape can itself tell the class, so a figure means nothing without the random baseline beside it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy import stats

from interp.attacks.accuracy import accuracy
from interp.attributions import Attribution, RandomBaseline, pixel_scores
from interp.core.checks import check_number
from interp.core.errors import InputError, check_choice
from interp.core.files import write_json
from interp.core.json_values import parse_json
from interp.core.parallel import Workers, run_jobs
from interp.data import SPLITS, Dataset
from interp.evaluation.erasure import METRICS, Protocol, check_ratio, erase, find_protocol, pixel_ranks
from interp.evaluation.kept_maps import kept_maps
from interp.evaluation.statistics import Mean, mean_of

# A training function: training images, validation images and a seed to a trained model. Sent to other processes, it is a
# function of a module or an object of a class of one.
Train = Callable[[Dataset, Dataset, int], keras.Model]
RANDOM = "random"
# Below this probability that chance alone separates a method from the random baseline so far, it is told apart from it.
SIGNIFICANT = 0.05


@dataclass(frozen=True, order=True)
class Retrained:
    """One retraining: `metric` roar or kar, the method's name, the ratio, the seed. Without erased pixels metric and method are ""."""

    metric: str
    method: str
    ratio: float
    seed: int

    def key(self) -> str:
        """Its name in the record."""
        return f"{self.metric} {self.method} {self.ratio:g} {self.seed}" if self.metric else f"unerased {self.seed}"


@dataclass(frozen=True)
class RoarKar:
    """Test accuracies after retraining, by what was retrained."""

    accuracies: Mapping[Retrained, float]
    metrics: tuple[str, ...]
    methods: tuple[str, ...]
    ratios: tuple[float, ...]
    seeds: tuple[int, ...]
    protocol: Protocol
    ranking: str
    layers: Mapping[str, str | None]

    def of(self, metric: str, method: str, ratio: float) -> list[float]:
        """Accuracies over the seeds."""
        return [self.accuracies[Retrained(metric, method, ratio, seed)] for seed in self.seeds]

    def mean(self, metric: str, method: str, ratio: float) -> Mean:
        """Their mean and standard error."""
        return mean_of(self.of(metric, method, ratio))

    def unerased(self) -> Mean:
        """Accuracy of the same training on the images as they are."""
        return mean_of(self.accuracies[Retrained("", "", 0.0, seed)] for seed in self.seeds)

    def beats_random(self, metric: str, method: str, ratio: float) -> bool | None:
        """Whether a method is told apart from the random baseline in the right direction: less accuracy in ROAR, more in KAR.

        Welch's t test of the seeds, one-sided, at 5 %; None for the baseline itself and with fewer than two seeds.
        """
        if method == RANDOM or len(self.seeds) < 2:
            return None
        own, random = self.of(metric, method, ratio), self.of(metric, RANDOM, ratio)
        lower = metric == "roar"
        if np.ptp(own) == np.ptp(random) == 0:
            return own[0] < random[0] if lower else own[0] > random[0]
        test = stats.ttest_ind(own, random, equal_var=False, alternative="less" if lower else "greater")
        return bool(test.pvalue < SIGNIFICANT)


def roar_kar(
    splits: Mapping[str, Dataset],
    methods: Mapping[str, Attribution],
    train: Train,
    *,
    metrics: Sequence[str] = METRICS,
    ratios: Sequence[float] = (0.1, 0.3, 0.5, 0.7, 0.9),
    seeds: Sequence[int] = (0, 1, 2),
    protocol: str = "paper",
    ranking: str = "signed",
    folder: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    workers: Workers,
    report: Callable[[str, int, int], None] = lambda *_: None,
) -> RoarKar:
    """Retrain on `splits` (train, validation, test) without the pixels that `methods` name, and measure the test accuracy.

    A random baseline is always among the methods. Each method's maps are computed once, of the label of each image. With `folder`
    maps and every finished retraining are kept there, so that a stopped run goes on; `settings` say how `train` trains, and a
    folder with results of others is refused. `report` is told (what, number done, number in all). Raises InputError.
    """
    chosen = find_protocol(protocol)
    missing = [name for name in SPLITS if name not in splits]
    if missing:
        raise InputError(f"the splits {', '.join(missing)} are missing: give train, validation and test")
    for metric in metrics:
        check_choice("metric", metric, METRICS)
    for ratio in ratios:
        check_ratio(ratio)
    for seed in seeds:
        check_number("seed", seed, minimum=0, whole=True)
    if not methods or not metrics or not ratios or not seeds:
        raise InputError("nothing to retrain: give at least one method, metric, ratio and seed")
    if RANDOM not in methods:
        methods = {RANDOM: RandomBaseline(next(iter(methods.values())).model), **methods}
    made_of = {
        "data": {
            name: f"{data.source}, {len(data)} images, {_digest([data.images, data.labels])}"
            for name, data in splits.items()
        },
        "protocol": str(chosen),
        "ranking": ranking,
        "training": dict(settings or {}),
    }
    record = _Record(None if folder is None else folder / "retrainings.json", made_of)
    mean = np.asarray(splits["train"].images).mean((0, 1, 2))
    jobs = [Retrained("", "", 0.0, seed) for seed in seeds]
    jobs += [
        Retrained(metric, method, ratio, seed)
        for method in methods
        for metric in metrics
        for ratio in ratios
        for seed in seeds
    ]
    finished = {job: record.accuracies[job.key()] for job in jobs if job.key() in record.accuracies}
    ranks: dict[str, dict[str, np.ndarray]] = {}
    layers: dict[str, str | None] = {}
    images = sum(len(splits[name]) for name in chosen.splits)
    for name, method in methods.items():
        layers[name] = method.explain(splits["train"].images[:1], splits["train"].labels[:1]).layer
        identity = {"method": describe_method(method), "weights": _weights(method), "layer": layers[name]}
        record.check_method(name, identity)

    def arguments(job: Retrained) -> tuple[Any, ...]:
        """Computed when a worker is about to take the job, and kept for the other jobs of the same method."""
        if job.method and job.method not in ranks:
            ranks.clear()
            ranks[job.method] = _ranks(
                job.method, methods[job.method], splits, chosen, ranking, folder, made_of, report, images
            )
        return train, dict(splits), ranks.get(job.method), job, chosen, mean

    report("retraining", len(finished), len(jobs))
    open_jobs = ((job, lambda job=job: arguments(job)) for job in jobs if job not in finished)
    for job, figure in run_jobs(workers, retrain, open_jobs):
        finished[job] = figure
        record.keep(job, figure)
        report("retraining", len(finished), len(jobs))
    return RoarKar(finished, tuple(metrics), tuple(methods), tuple(ratios), tuple(seeds), chosen, ranking, layers)


def retrain(
    train: Train,
    splits: dict[str, Dataset],
    ranks: Mapping[str, np.ndarray] | None,
    job: Retrained,
    protocol: Protocol,
    mean: np.ndarray,
) -> float:
    """Train on erased images and return the test accuracy: one job, wherever it runs."""
    if ranks is not None:
        splits = {
            name: erase(data, ranks[name], job.metric, job.ratio, protocol, mean) if name in ranks else data
            for name, data in splits.items()
        }
    model = train(splits["train"], splits["validation"], job.seed)
    return accuracy(model, splits["test"].images, splits["test"].labels)


def describe_method(method: Attribution) -> str:
    """The method with its settings, for records."""
    settings = {
        name: value
        for name, value in sorted(vars(method).items())
        if not name.startswith("_") and name not in ("model", "attribution") and value is not None
    }
    inner = getattr(method, "attribution", None)
    told = {
        name: _digest([value]) if isinstance(value, np.ndarray) and value.ndim else str(value)
        for name, value in settings.items()
    }
    listed = [
        *([describe_method(inner)] if isinstance(inner, Attribution) else []),
        *(f"{name}={value}" for name, value in told.items()),
    ]
    return f"{type(method).__name__}({', '.join(listed)})"


def _ranks(
    name: str,
    method: Attribution,
    splits: Mapping[str, Dataset],
    protocol: Protocol,
    ranking: str,
    folder: Path | None,
    made_of: dict[str, Any],
    report: Callable[[str, int, int], None],
    total: int,
) -> dict[str, np.ndarray]:
    """Ranks of the pixels of every split that loses some."""
    done, found = 0, {}
    for seed, split in enumerate(protocol.splits):

        def tick(count: int) -> None:
            nonlocal done
            done += count
            report(f"maps of {name}", done, total)

        path = None if folder is None else folder / "maps" / f"{name}_{split}.npz"
        identity = json.dumps([describe_method(method), _weights(method), made_of["data"][split]])
        maps = kept_maps(path, method, splits[split], identity, tick)
        found[split] = pixel_ranks(pixel_scores(maps, ranking), seed=seed)
    return found


def _weights(method: Attribution) -> str | None:
    """Whose maps they are; the random baseline's are nobody's."""
    return None if isinstance(method, RandomBaseline) else _digest(method.model.get_weights())


def _digest(arrays: Sequence[Any]) -> str:
    """A short hash of arrays."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(np.asarray(array)).tobytes())
    return found.hexdigest()[:16]


class _Record:
    """Finished retrainings on disk. Raises InputError for a file that is none or is about something else."""

    def __init__(self, path: Path | None, made_of: dict[str, Any]) -> None:
        self._path, self._made_of = path, made_of
        self.accuracies: dict[str, float] = {}
        self._methods: dict[str, Any] = {}
        if path is None or not path.exists():
            return
        try:
            kept = parse_json(path.read_text(encoding="utf-8"))
            accuracies, methods = kept["accuracies"], kept["methods"]
            sound = all(isinstance(value, float) and 0 <= value <= 1 for value in accuracies.values())
            same = kept["made_of"] == json.loads(json.dumps(made_of))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} cannot be read as a record of retrainings: remove it") from error
        if not sound or not isinstance(methods, dict):
            raise InputError(f"{path} is no record of retrainings: remove it")
        if not same:
            raise InputError(
                f"{path} holds retrainings of other data, protocol, ranking or training: choose another folder, or remove it"
            )
        self.accuracies, self._methods = accuracies, methods

    def check_method(self, name: str, identity: dict[str, Any]) -> None:
        """Note what a method is. Raises InputError if the record is about another one of this name."""
        if self._methods.setdefault(name, identity) != identity:
            raise InputError(
                f"{self._path} holds retrainings of another {name} ({self._methods[name]['method']}, now {identity['method']}, or "
                "other weights): choose another folder, or remove it"
            )

    def keep(self, job: Retrained, figure: float) -> None:
        """Add a retraining."""
        self.accuracies[job.key()] = figure
        if self._path is not None:
            write_json(self._path, {"made_of": self._made_of, "methods": self._methods, "accuracies": self.accuracies})

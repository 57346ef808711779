"""ROAR and KAR: what a network still learns from images without the pixels that an explanation calls important, or unimportant.

Hooker et al. 2019, and WhiteBox's variant. ROAR favours blurred maps (Song et al. 2023, arXiv 2304.13836), and an
erased shape can itself tell the class, so a figure means nothing without the random baseline beside it.
"""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from interp.attributions import Attribution, RandomBaseline, pixel_scores
from interp.core.checks import check_distinct, check_instance, check_listed, check_named, check_number, kind_of
from interp.core.errors import InputError, check_choice
from interp.core.files import locked
from interp.core.parallel import run_jobs
from interp.core.sent_once import SentOnce
from interp.core.workers import Workers, check_workers
from interp.data import SPLITS, Dataset
from interp.evaluation.diff_roar import diff_roar
from interp.evaluation.erasure import METRICS, Protocol, check_ratio, erase, find_protocol, pixel_ranks
from interp.evaluation.kept_maps import kept_maps
from interp.evaluation.predictions import is_right, predict
from interp.evaluation.retraining_record import RetrainingRecord, few_logits, identify_method
from interp.evaluation.roar_kar_result import RANDOM, Retrained, RoarKar

# A training function: training images, validation images and a seed to a trained model, which gives logits or probabilities. Sent
# to other processes, it is a function of a module or an object of a class of one.
Train = Callable[[Dataset, Dataset, int], keras.Model]


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
    """Retrain on images without the pixels that explanations rank first (ROAR) or last (KAR), and measure the test accuracy.

    Hooker et al. 2019. ROAR favours blurred maps, and the shape of what is erased can itself tell the class, so read a method beside the
    random baseline only, which is always among the methods. Each method's maps are computed once, of the label of each image.

    Args:
        splits: The "train", "validation" and "test" images.
        methods: Methods with their models, by name.
        train: Function of the training images, the validation images and a seed that returns a trained model, such as a Retraining.
        metrics: "roar", "kar" or both.
        ratios: Fractions of the pixels, strictly between 0 and 1, each once: removed, in KAR of the protocol whitebox kept.
        seeds: A network is retrained from each; each once.
        protocol: "paper" erases pixels of all splits and fills them with the training mean, "whitebox" blackens those of training images.
        ranking: How pixels are ranked: "signed", by the sum over the channels, or "magnitude", by that of magnitudes.
        folder: Directory where maps and finished retrainings are kept, so that a stopped call can go on (default: nothing is kept).
        settings: JSON values that say how `train` trains; a `folder` with results of other settings is refused.
        workers: Where the networks are retrained (interp.core.parallel.open_workers).
        report: Called with (what is done, number done, number in all).

    Returns:
        A RoarKar.

    Raises:
        InputError: An argument is not as described, a method cannot explain its model, or `folder` holds other results.
    """
    chosen = find_protocol(protocol)
    check_named("splits", splits, Dataset, "data.load('digits', 'train')")
    check_named("methods", methods, Attribution, "VanillaGradient(model)")
    if not callable(train) or isinstance(train, type):
        raise InputError(
            f"train came as {kind_of(train)}, expected a function or an instance such as Retraining('small', schedule)"
        )
    check_workers(workers)
    if folder is not None:
        check_instance("folder", folder, Path, "pathlib.Path('retrainings')")
    for what, values, example in (
        ("metrics", metrics, "['roar']"),
        ("ratios", ratios, "[0.5]"),
        ("seeds", seeds, "[0, 1]"),
    ):
        check_listed(what, values, example)
    missing = [name for name in SPLITS if name not in splits]
    if missing:
        raise InputError(f"the splits {', '.join(missing)} are missing: give train, validation and test")
    for metric in metrics:
        check_choice("metric", metric, METRICS)
    for ratio in ratios:
        check_ratio(ratio)
    for seed in seeds:
        check_number("seed", seed, minimum=0, whole=True)
    # Records name retrainings by these, and a repeated seed is no further retraining.
    metrics, ratios, seeds = tuple(metrics), tuple(map(float, ratios)), tuple(map(int, seeds))
    for what, values in (("metrics", metrics), ("ratios", ratios), ("seeds", seeds)):
        check_distinct(what, values)
    for name in methods:
        # Maps are kept in files of these names.
        if not name or not name.isprintable() or "/" in name or name.startswith("."):
            raise InputError(f"a method is named {name!r}: names of methods become names of files, choose a plain one")
    baseline = methods.get(RANDOM)
    if baseline is not None and not isinstance(baseline, RandomBaseline):
        raise InputError(
            f"{RANDOM} is the name of the random baseline: choose another one for {type(baseline).__name__}"
        )
    if RANDOM not in methods:
        methods = {RANDOM: RandomBaseline(next(iter(methods.values())).model), **methods}
    made_of = {
        "data": {name: data.identity for name, data in splits.items()},
        "protocol": str(chosen),
        "ranking": ranking,
        "training": dict(settings or {}),
    }
    with contextlib.nullcontext() if folder is None else locked(folder / ".lock"):
        record = RetrainingRecord(None if folder is None else folder / "retrainings.json", made_of)
        mean = training_mean(splits["train"].images)
        jobs = [Retrained("", "", 0.0, seed) for seed in seeds]
        jobs += [
            Retrained(metric, method, ratio, seed)
            for method in methods
            for metric in metrics
            for ratio in ratios
            for seed in seeds
        ]
        finished = {job: record.accuracies[job.key()] for job in jobs if job.key() in record.accuracies}
        layers: dict[str, str | None] = {}
        known: dict[str, _Known] = {}
        for name, method in methods.items():
            layers[name] = method.explain(splits["train"].images[:1], splits["train"].labels[:1]).layer
            identity = identify_method(method)
            logits = None if folder is None else few_logits(method, splits["train"].images)
            record.check_method(name, {**identity, "layer": layers[name]}, logits)
            known[name] = _Known(method, identity, logits)
        ranks = _Ranks(known, splits, chosen, ranking, folder, report)

        shared = SentOnce(train, dict(splits), chosen, mean)

        def arguments(job: Retrained) -> tuple[Any, ...]:
            return shared, ranks.of(job.method), job

        report("retraining", len(finished), len(jobs))
        open_jobs = ((job, lambda job=job: arguments(job)) for job in jobs if job not in finished)
        for job, figure in run_jobs(workers, retrain, open_jobs):
            finished[job] = figure
            record.keep(job.key(), figure)
            report("retraining", len(finished), len(jobs))
    listed = metrics, tuple(methods), ratios, seeds
    images = len(splits["train"]), len(splits["test"])
    # The record may hold the other metric, of an earlier run.
    differences = diff_roar(record.accuracies, tuple(methods), ratios, seeds, chosen)
    return RoarKar(finished, *listed, chosen, ranking, layers, *images, diff_roar=differences)


def retrain(shared: SentOnce, ranked: SentOnce, job: Retrained) -> float:
    """Train on erased images and return the test accuracy: one job, wherever it runs.

    `shared` are the training, the splits, the protocol and the mean image; `ranked` the ranks of the pixels, of none for images as they
    are.
    """
    train, splits, protocol, mean = shared.parts
    (ranks,) = ranked.parts
    splits = {
        name: erase(data, ranks[name], job.metric, job.ratio, protocol, mean) if name in ranks else data
        for name, data in splits.items()
    }
    model = train(splits["train"], splits["validation"], job.seed)
    outputs = predict(model, splits["test"].images)
    return float(is_right(outputs, splits["test"].labels).mean())


def training_mean(images: Any) -> np.ndarray:
    """The mean (channels,) of images, summed in double precision."""
    return np.asarray(images).mean((0, 1, 2), dtype=np.float64)


class _Known(NamedTuple):
    """A method, what it is, and the logits that tell its model from others of the same layers and weights."""

    method: Attribution
    identity: dict[str, Any]
    logits: np.ndarray | None


class _Ranks:
    """Ranks of the pixels of every split that loses some, computed when a worker is about to take a job of a method."""

    def __init__(
        self,
        methods: Mapping[str, _Known],
        splits: Mapping[str, Dataset],
        protocol: Protocol,
        ranking: str,
        folder: Path | None,
        report: Callable[[str, int, int], None],
    ) -> None:
        self._methods, self._splits, self._protocol, self._ranking = methods, splits, protocol, ranking
        self._folder, self._report = folder, report
        # Those of one method at a time; jobs come method by method.
        self._name, self._ranks = "", SentOnce({})

    def of(self, name: str) -> SentOnce:
        """The ranks (n, height * width) of a method by split, of none before the first method."""
        if name != self._name:
            self._name, self._ranks = name, SentOnce(self._compute(name))
        return self._ranks

    def _compute(self, name: str) -> dict[str, np.ndarray]:
        (method, told, logits), done, found = self._methods[name], 0, {}
        total = sum(len(self._splits[split]) for split in self._protocol.splits)

        def tick(count: int) -> None:
            nonlocal done
            done += count
            self._report(f"maps of {name}", done, total)

        for seed, split in enumerate(self._protocol.splits):
            data = self._splits[split]
            path = None if self._folder is None else self._folder / "maps" / f"{name}_{split}.npz"
            maps = kept_maps(path, method, data, json.dumps([told, data.identity]), logits, tick)
            found[split] = pixel_ranks(pixel_scores(maps, self._ranking), seed=seed)
        return found

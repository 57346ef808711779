"""Methods under measures: every pair on blocks of images, in workers, kept as they finish."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from interp.attributions import Attribution, EdgeMap, RandomBaseline, find_attribution
from interp.core.batches import attack_blocks
from interp.core.checks import check_images, check_instance, check_labels, check_number, kind_of
from interp.core.errors import InputError
from interp.core.files import check_writable
from interp.core.names import FAITHFULNESS
from interp.core.parallel import run_jobs
from interp.core.workers import ThisProcess, Workers, check_workers
from interp.evaluation.faithfulness.explained import Explained, Subject
from interp.evaluation.faithfulness.kept import KeptMeasures
from interp.evaluation.faithfulness.label_scores import LabelScores
from interp.evaluation.faithfulness.measure import Measure, Measured, check_masks, explain
from interp.evaluation.faithfulness.registry import find_measure
from interp.evaluation.faithfulness.result import EDGES, Faithfulness, MeanCurves, MeasureFacts
from interp.evaluation.roar_kar_result import RANDOM
from interp.models.model_check import check_model

T = TypeVar("T")
# A method, a measure, and the place of the first image of a block.
Pair = tuple[str, str, int]


def faithfulness(
    model: keras.Model,
    images: Any,
    labels: Any,
    methods: Sequence[str] | Mapping[str, str | Attribution],
    measures: Sequence[str] | Mapping[str, str | Measure] | None = None,
    *,
    masks: Any = None,
    seed: int = 0,
    batch_size: int | None = None,
    folder: Path | None = None,
    workers: Workers | None = None,
    report: Callable[[str, int, int], None] = lambda *_: None,
) -> Faithfulness:
    """Measure explanations of the labels of images, beside the random baseline and the edges of the image.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: Integers (n,), the classes that are explained.
        methods: Names of methods, or names with methods, as in {"mine": GradCAM(layer="conv2d_7")}.
        measures: Names of measures, or names with measures, as in {"mine": Deletion(patch=8)} (default: all measures; without masks all but
            the pointing game).
        masks: Booleans (n, height, width), where the object is; the pointing game needs them.
        seed: Seed of all random draws.
        batch_size: Number of images processed at a time (default: by their size).
        folder: Directory where finished parts are kept, so that a stopped call can go on (default: nothing is kept).
        workers: Where the parts are measured (interp.core.parallel.open_workers; default: this process).
        report: Called with (what is done, number done, number in all).

    Returns:
        A Faithfulness.

    Raises:
        InputError: The model, images, labels, masks, methods or measures cannot be used, a method cannot explain the model, or `folder`
            cannot be written.

    Example:
        ```python
        found = faithfulness(model, images, labels, ["gradient", "grad_cam"], ["deletion", "insertion", "mu_fidelity"])
        print(found.to_dataframe())
        print(found.agreement)
        ```
    """
    batch = check_images(images)
    truth = check_labels(labels, batch, check_model(model, batch)).numpy()
    pictures = batch.numpy()
    objects = check_masks(masks, pictures)
    check_number("seed", seed, minimum=0, whole=True)
    if batch_size is not None:
        check_number("batch_size", batch_size, minimum=1, whole=True)
    if folder is not None:
        check_instance("folder", folder, Path, "pathlib.Path('kept')")
    workers = ThisProcess() if workers is None else workers
    check_workers(workers)
    if folder is not None:
        check_writable(folder)
    comparison = _Comparison(
        pictures,
        truth,
        objects,
        {name: each.with_model(model) for name, each in _methods(methods, seed).items()},
        _measures(measures, objects),
        LabelScores(model, batch_size),
        KeptMeasures(folder, model, seed),
        seed,
    )
    return comparison.run(workers, report)


@dataclass(frozen=True, eq=False)
class _Comparison:
    """What is compared, and how."""

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None
    methods: Mapping[str, Attribution]
    measures: Mapping[str, Measure]
    scores: LabelScores
    kept: KeptMeasures
    seed: int

    def run(self, workers: Workers, report: Callable[[str, int, int], None]) -> Faithfulness:
        blocks = attack_blocks(len(self.images), self.images.shape[1:])
        known = {block.start: self.kept.block(block.start, *self._part(block)) for block in blocks}
        found: dict[Pair, Measured] = {}
        for name, method in self.methods.items():
            for block in blocks:
                for each, measure in self.measures.items():
                    kept = self.kept.read(method, measure, known[block.start])
                    if kept is not None:
                        found[name, each, block.start] = kept
        total = len(self.methods) * len(self.measures) * len(blocks)
        if len(found) < total:
            # What cannot explain this model is told before any long work.
            for method in self.methods.values():
                explain(method, self.images[:1], self.labels[:1], 0)
        report("measuring", len(found), total)
        for pair, measured in run_jobs(workers, measure_block, self._jobs(blocks, set(found))):
            method, measure = self.methods[pair[0]], self.measures[pair[1]]
            found[pair] = measured
            self.kept.write(method, measure, known[pair[2]], measured)
            report("measuring", len(found), total)
        return self._result(found, [block.start for block in blocks])

    def _jobs(
        self, blocks: Sequence[slice], done: set[Pair]
    ) -> Iterator[tuple[Pair, Callable[[], tuple[Measure, Explained]]]]:
        """Jobs that are not done; a block is explained once for all of its measures."""
        for name, method in self.methods.items():
            subject = Subject(self.scores, method)
            for block in blocks:
                explained = cache(partial(self._explained, subject, block))
                for each, measure in self.measures.items():
                    if (name, each, block.start) not in done:
                        yield (name, each, block.start), partial(_arguments, measure, explained)

    def _explained(self, subject: Subject, block: slice) -> Explained:
        images, labels, masks = self._part(block)
        maps = explain(subject.method, images, labels, block.start)
        return Explained(subject, images, labels, maps, masks, self.seed, block.start)

    def _part(self, block: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        return self.images[block], self.labels[block], None if self.masks is None else self.masks[block]

    def _result(self, found: Mapping[Pair, Measured], starts: Sequence[int]) -> Faithfulness:
        def joined(method: str, measure: str) -> np.ndarray:
            return np.concatenate([found[method, measure, start].values for start in starts])

        def curve(method: str, measure: str) -> np.ndarray:
            return np.concatenate([np.asarray(found[method, measure, start].curve) for start in starts], 1)

        curves = {}
        for name, measure in self.measures.items():
            if measure.shares:
                points = np.stack([curve(method, name) for method in self.methods])
                spread = points.std(-1, ddof=1) if len(self.images) > 1 else np.full(points.shape[:2], np.nan)
                curves[name] = MeanCurves(measure.shares, points.mean(-1), spread / np.sqrt(len(self.images)))
        height, width = self.images.shape[1:3]
        facts = {
            name: MeasureFacts(
                repr(measure), measure.asks, measure.higher_is_better, measure.by_chance((height, width), self.masks)
            )
            for name, measure in self.measures.items()
        }
        values = np.stack([np.stack([joined(method, name) for name in self.measures]) for method in self.methods])
        return Faithfulness(tuple(self.methods), facts, values, curves, len(self.images))


def _arguments(measure: Measure, explained: Callable[[], Explained]) -> tuple[Measure, Explained]:
    return measure, explained()


def measure_block(measure: Measure, explained: Explained) -> Measured:
    """One measure of a block of images: one job, wherever it runs."""
    values, curve = measure.measure(explained)
    # A measure of a user's own may give numbers of another kind; as they are kept, and joined, they are these.
    return Measured(np.asarray(values, np.float64), None if curve is None else np.asarray(curve, np.float64))


def _methods(given: Any, seed: int) -> dict[str, Attribution]:
    """The methods by name, the controls first. Raises InputError."""
    found = _named("methods", given, find_attribution, "['gradient', 'grad_cam']")
    controls = {RANDOM: RandomBaseline(seed=seed), EDGES: EdgeMap()}
    for name, control in controls.items():
        if name in found and not isinstance(found[name], type(control)):
            raise InputError(f"{name} is the name of a control: choose another one for {found[name].name}")
    return {**controls, **found}


def _measures(given: Any, masks: np.ndarray | None) -> dict[str, Measure]:
    """The measures by name; one that needs masks has to be asked for where there are none. Raises InputError."""
    if given is None:
        known = {name: find_measure(name) for name in FAITHFULNESS}
        return {name: each for name, each in known.items() if masks is not None or not each.needs_masks}
    found = _named("measures", given, find_measure, "['deletion', 'insertion']")
    for name, each in found.items():
        if each.needs_masks and masks is None:
            raise InputError(
                f"the measure {name} needs to know where the object is: give masks (n, height, width), or leave it out"
            )
    return found


def _named(what: str, given: Any, find: Callable[[Any], T], example: str) -> dict[str, T]:
    """Instances by name, of names or of names with instances. Raises InputError."""
    listed = isinstance(given, (list, tuple)) and all(isinstance(name, str) for name in given)
    has_names = listed or isinstance(given, Mapping)
    if not has_names or not given:
        came = f"an empty {kind_of(given)}" if has_names else kind_of(given)
        raise InputError(f"{what} came as {came}, expected a list of names such as {example}, or names with instances")
    named = given if isinstance(given, Mapping) else dict(zip(given, given, strict=True))
    return {name: find(value) for name, value in named.items()}

"""Does an explanation depend on the weights? (Adebayo et al. 2018)"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attributions import Attribution, pixel_scores
from interp.core.checks import check_images, check_labels, check_number, kind_of
from interp.core.errors import InputError
from interp.core.json_fields import Count
from interp.core.names import RANKINGS
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell, counted
from interp.discrepancy.agreement import spearman_r
from interp.evaluation.older_saliency_records import completed_sanity_check
from interp.evaluation.statistics import IMAGES, Mean, mean_of
from interp.models.model_check import reason, run_model
from interp.models.recorded_model import LayerCall, RecordedModel

# A method whose maps still agree this much with the original ones when half of the layers are random, or more of them, does not depend on
# what the network has learnt.
THRESHOLD = 0.3
MAKERS = "{'gradient': VanillaGradient, 'ig': lambda model: IntegratedGradients(model, steps=32)}"
# What is known of signed maps under randomisation from the top, by the class of the method: Adebayo et al. (2018), DeconvNet by Sixt et al.
# (2020). The baselines never look at a weight. Methods that are missing were not part of either study.
EXPECTED = {
    "VanillaGradient": True,
    "InputXGradient": True,
    "IntegratedGradients": True,
    "GradCAM": True,
    "SmoothGrad(VanillaGradient)": True,
    "DeconvNet": False,
    "GuidedBackprop": False,
    "GuidedGradCAM": False,
    "RandomBaseline": False,
    "EdgeMap": False,
}


@dataclass(frozen=True)
class SanityCheck(Result):
    """Whether maps depend on the weights: how far they agree with the original ones as layers become random (Adebayo et al. 2018).

    A map of one value has no ranks and does not count.

    Attributes:
        stages: Names of the layers that become random at each stage, from the top.
        layers: Number of layers that are random after each stage.
        correlations: Mean rank correlation (Spearman) of each method's maps with the original ones after each stage, by method.
        magnitudes: The same of the magnitudes of the maps.
        count: Number of images.
        expected: Whether each method passed in published studies, None where it was not studied.
        settings: How the maps were made, in words.

    Raises:
        InputError: The fields do not fit each other.
    """

    stages: tuple[str, ...]
    layers: tuple[Count, ...]
    correlations: Mapping[str, tuple[Mean, ...]] = field(metadata={"json": "signed"})
    magnitudes: Mapping[str, tuple[Mean, ...]]
    count: Count = field(metadata=IMAGES)
    expected: Mapping[str, bool | None] = field(default_factory=dict)
    settings: str = ""

    def __post_init__(self) -> None:
        lengths = {
            len(each) for each in (self.stages, self.layers, *self.correlations.values(), *self.magnitudes.values())
        }
        fits = self.correlations.keys() == self.magnitudes.keys() and len(lengths) == 1 and min(lengths) > 0
        self._expect(fits, "both correlations of each method after each stage")

    @property
    def half(self) -> int:
        """The place of the first stage after which at least half of the layers are random: verdicts look from there on.

        Whatever a map rests on, it changes when the layer next to the pixels does, so the last stage alone says little: the curve of
        guided backpropagation falls only there (Adebayo et al. 2018 show the whole cascade). Of one layer, or one stage, that is the last.
        """
        return next(place for place, count in enumerate(self.layers) if 2 * count >= self.layers[-1])

    def remaining(self, method: str) -> float | None:
        """Return how much of a method's maps is left from half of the layers on.

        Args:
            method: Name of the method.

        Returns:
            The largest rank correlation in size; None where no map has ranks there.
        """
        values = [mean.value for mean in self.correlations[method][self.half :] if mean.value is not None]
        return max(map(abs, values), default=None)

    def passes(self, method: str) -> bool | None:
        """Say whether next to nothing is left of a method's maps once half of the layers are random.

        Args:
            method: Name of the method.

        Returns:
            Whether `remaining` is below 0.3; None where that is not defined.
        """
        remaining = self.remaining(method)
        return None if remaining is None else remaining < THRESHOLD

    def columns(self) -> dict[str, list[Cell]]:
        """A method a row; the verdicts are measured and expected."""
        curves = self.correlations
        return {
            "method": [*curves],
            "images": [curve[-1].count for curve in curves.values()],
            "layer by layer": [_curve(curve, self.half) for curve in curves.values()],
            "largest from half on": [self.remaining(name) for name in curves],
            "all random, magnitudes": [self.magnitudes[name][-1].value for name in curves],
            "measured": [_verdict(self.passes(name)) for name in curves],
            "expected": [_verdict(self.expected.get(name)) for name in curves],
        }

    @property
    def caption(self) -> str:
        """How many images there were, which layers became random, what passes, and the settings."""
        told = (
            f"{counted(self.count, 'image')}; rank correlation with the maps of the trained network as layers become random from the top "
            f"({', '.join(self.stages)}), after the bar half of them or more; passes: there never above {THRESHOLD:g} in size; expected: "
            "Adebayo et al. 2018, DeconvNet Sixt et al. 2020; images whose map is constant do not count"
        )
        return "; ".join(filter(None, (told, self.settings)))

    @property
    def notes(self) -> tuple[str, ...]:
        """Verdicts that are not the expected ones, and what they rest on."""
        verdicts = (
            (name, _verdict(self.passes(name)), _verdict(self.expected.get(name))) for name in self.correlations
        )
        surprises = (
            f"{name} {came}, expected: {known}" for name, came, known in verdicts if known not in (NOTHING, came)
        )
        return (
            *surprises,
            f"measured: whether maps still agree once {self.layers[self.half]} of {self.layers[-1]} layers are random; that they "
            "change when the layer next to the pixels does says nothing",
        )

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return completed_sanity_check(values)


def sanity_check(
    model: keras.Model,
    methods: Mapping[str, Callable[[keras.Model], Attribution]],
    images: Any,
    labels: Any,
    *,
    stages: int = 10,
    seed: int = 0,
    report: Callable[[], None] = lambda: None,
) -> SanityCheck:
    """Randomise the weights of a copy of a model, layer by layer from the top, and compare its maps with the original ones.

    The check of Adebayo et al. 2018. A layer is randomised by shuffling the numbers of each of its weights, so their scale stays.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid, which Keras can copy; it stays as it is.
        methods: Functions that make a method of a model, by name, as in {"gradient": VanillaGradient}.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: Integers (n,), the classes that are explained.
        stages: Number of stages at most; of a model with more layers several are randomised at each.
        seed: Seed of all random draws.
        report: Called once for the model as it is, and after each stage.

    Returns:
        A SanityCheck.

    Raises:
        InputError: The model, images, labels or methods cannot be used, or Keras cannot copy the model.
    """
    check_number("stages", stages, minimum=1, whole=True)
    check_number("seed", seed, minimum=0, whole=True)
    if not isinstance(methods, Mapping) or not methods:
        raise InputError(
            f"methods came as {kind_of(methods)}, expected functions that make a method from a model, by name: {MAKERS}"
        )
    batch = check_images(images)
    chosen = check_labels(labels, batch)
    copy, layers = _copy(model, batch[:2])
    made = {name: _make(name, make, copy) for name, make in methods.items()}
    arrays = np.asarray(batch), np.asarray(chosen)

    def explain() -> dict[tuple[str, str], np.ndarray]:
        maps = {name: method(*arrays) for name, method in made.items()}
        return {
            (ranking, name): pixel_scores(each, ranking).reshape(len(each), -1)
            for ranking in RANKINGS
            for name, each in maps.items()
        }

    original = explain()
    report()
    generator = np.random.RandomState(seed)
    found: dict[tuple[str, str], list[Mean]] = {key: [] for key in original}
    names, counts = [], []
    for group in np.array_split(np.arange(len(layers)), min(stages, len(layers))):
        for index in group:
            _shuffle(layers[index][1], generator)
        counts.append(int(group[-1]) + 1)
        first, last = layers[group[0]][0], layers[group[-1]][0]
        names.append(first if len(group) == 1 else f"{first} to {last}")
        for key, scores in explain().items():
            found[key].append(mean_of(spearman_r(original[key], scores)))
        report()
    signed, magnitudes = ({name: tuple(found[ranking, name]) for name in methods} for ranking in RANKINGS)
    expected = {name: EXPECTED.get(method.name) for name, method in made.items()}
    return SanityCheck(tuple(names), tuple(counts), signed, magnitudes, len(batch), expected)


def _curve(means: Sequence[Mean], half: int) -> str:
    """The correlations after each stage, with a bar where half of the layers are random."""
    told = [NOTHING if mean.value is None else f"{mean.value:.2f}" for mean in means]
    return " ".join([*told[:half], "|", *told[half:]])


def _verdict(passes: bool | None) -> str:
    return NOTHING if passes is None else "passes" if passes else "fails"


def _make(name: str, make: Any, model: keras.Model) -> Attribution:
    """The attribution of a copy whose weights are going to be randomised; one that is made already would explain another model."""
    came = make
    if callable(make) and not isinstance(make, (Attribution, keras.Model)):
        try:
            came = make(model)
        except TypeError as error:
            raise InputError(
                f"the method {name!r} came as {kind_of(make)}, which cannot be called with a model alone: {MAKERS}"
            ) from error
        if isinstance(came, Attribution):
            return came
    raise InputError(
        f"the method {name!r} came as {kind_of(came)}, expected what makes an attribution of a model: {MAKERS}"
    )


def _copy(model: keras.Model, few: tf.Tensor) -> tuple[keras.Model, list[tuple[str, Any]]]:
    """A copy with weights of its own, and its layers that have weights, by name, from the top."""
    outputs = run_model(model, few)
    try:
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
    except Exception as error:
        raise InputError(f"Keras cannot copy the model, whose weights are to be randomised: {reason(error)}") from error
    followed = RecordedModel(copy)
    uses: list[LayerCall] = []

    def run(images: tf.Tensor) -> tf.Tensor:
        outputs, uses[:] = followed(images)
        return outputs

    # The end of an adapted model is found in a graph.
    recorded = tf.function(run, autograph=False).get_concrete_function(few)(few)
    if not np.allclose(recorded, outputs, rtol=1e-3, atol=1e-4):
        raise InputError(
            f"Keras's copy of {type(model).__name__} computes something else: give it a get_config() that returns all of its settings"
        )
    layers = {id(use.layer): (use.name.split(":")[0], use.layer) for use in uses if getattr(use.layer, "weights", None)}
    if not layers:
        raise InputError("the model has no weights to randomise")
    return copy, list(reversed(layers.values()))


def _shuffle(layer: Any, generator: np.random.RandomState) -> None:
    layer.set_weights([generator.permutation(weight.ravel()).reshape(weight.shape) for weight in layer.get_weights()])

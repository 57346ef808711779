"""A strong attack on explanations: several searches for the map that differs most while the prediction stays, judged by each measure."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.explanation_searches import CARRIED, candidates, follow_gradients, plan
from interp.attacks.map_comparison import CLEAN, ExplanationAttackResult, MapComparison
from interp.attacks.map_search import FREE
from interp.attacks.searched_maps import attacked_method
from interp.attributions import Attribution
from interp.core.balls import find_ball
from interp.core.checks import (
    MOST_STEPS,
    check_finite,
    check_images,
    check_instance,
    check_labels,
    check_listed,
    check_number,
    check_radius,
)
from interp.core.compiled import keep_for, like
from interp.core.errors import InputError, check_choice
from interp.core.names import MEASURES, PREDICTIONS, RANKINGS
from interp.core.results import Tabular
from interp.core.tables import Cell, cells_of
from interp.discrepancy.measures import MapMeasure, find_measure
from interp.models.model_check import check_model_once


@dataclasses.dataclass(frozen=True)
class ManipulatedImages(Tabular):
    """Images whose maps come closest to given ones, and how close.

    Distances are mean squared differences of the maps, each brought to mean 0 and variance 1: 0 where they are the
    same, 2 where they have nothing in common, 4 where they are opposite.

    Attributes:
        adversarial: The images, float32 (n, height, width, channels) in [0, 1].
        maps: Their maps, (n, height, width, channels), at the size of the explanation's own.
        distances: Distances of these maps from the given ones, (n,); NaN where the class was predicted nowhere.
        clean_distances: Distances of the maps of the clean images from the given ones, (n,).
    """

    adversarial: np.ndarray
    maps: np.ndarray
    distances: np.ndarray
    clean_distances: np.ndarray

    def columns(self) -> dict[str, list[Cell]]:
        """A row an image."""
        return {
            "image": cells_of(np.arange(len(self.distances))),
            "clean distance": cells_of(self.clean_distances),
            "distance": cells_of(self.distances),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplanationAttack:
    """Moves the map of each image's label as far as it goes in a ball, while the prediction stays.

    Gradient searches raise differentiable stand-ins for the measures: pairs in reversed order, minus correlation,
    strongest positions that lose their place, the centre of mass, minus the share at the strongest positions (Ghorbani
    et al. 2019), and the way to the mirrored map (Dombrowski et al. 2019). That of the first measure is raised from
    `restarts` random starts, the others from one. As many draws of noise, and a search without gradients, are compared
    with them. Of all points the worst is returned for each measure by itself, the clean image among them, so every
    image has an answer.

    Args:
        epsilon: Radius of the ball, for images in [0, 1]; in linf at most 1.
        norm: Norm of the ball, "linf" or "l2" (over all pixels and channels).
        explanation: Explanation method that a gradient can follow, by name or as an object, such as "cam", "gradient"
            or GradCAM(layer="conv").
        measures: How maps are compared, the most important first: names of interp.discrepancy.MEASURES, or objects such
            as TopKOverlap(k=0.1), each kind once.
        ranking: "signed" reads maps as they are, "magnitude" as the sums of their magnitudes over the channels.
        prediction: "kept" keeps the class that is given, by default the label; "free" lets it change.
        steps: Number of steps of each gradient search, at least 1.
        restarts: Number of random starts of the search for the first measure, and of draws of noise; at least 1.
        queries: Number of queries for each image in the search without gradients; 0 leaves it out.

    Raises:
        InputError: A setting is out of its range or unknown.

    Example:
        ```python
        found = ExplanationAttack(epsilon=0.1, explanation="grad_cam").run(model, images, labels)
        print(found.values["Kendall tau"].mean())
        ```
    """

    epsilon: float
    norm: str = "linf"
    explanation: str | Attribution = "cam"
    measures: Sequence[str | MapMeasure] = tuple(MEASURES)
    ranking: str = "signed"
    prediction: str = "kept"
    steps: int = 100
    restarts: int = 3
    queries: int = 200

    def __post_init__(self) -> None:
        find_ball(self.norm)
        check_radius("epsilon", self.epsilon, self.norm)
        attacked_method(self.explanation)
        check_choice("ranking", self.ranking, RANKINGS)
        check_choice("prediction", self.prediction, PREDICTIONS)
        check_number("steps", self.steps, minimum=1, whole=True, maximum=MOST_STEPS)
        check_number("restarts", self.restarts, minimum=1, whole=True)
        check_number("queries", self.queries, minimum=0, whole=True, maximum=MOST_STEPS)
        check_listed("measures", self.measures, "['kendall_tau', 'pearson']")
        object.__setattr__(self, "measures", tuple(self.measures))
        kinds = [type(measure).__name__ for measure in self.chosen]
        if len(set(kinds)) < len(kinds):
            raise InputError(f"measures came as {', '.join(kinds)}, expected each kind once")

    @property
    def chosen(self) -> list[MapMeasure]:
        """The measures as objects, in the order in which they were given."""
        return [find_measure(measure) for measure in self.measures]

    @property
    def searches(self) -> dict[str, int]:
        """The objectives of the gradient searches, and from how many random starts each is raised."""
        return dict(Counter(objective for objective, _ in plan(self)))

    def __call__(self, model: keras.Model, images: Any, labels: Any, *, seed: int = 0, batch_size: int = 250) -> Any:
        """Return the images that move the maps furthest by the first measure: those of `run`.

        Args:
            model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
            images: float32 (n, height, width, channels) in [0, 1].
            labels: Integers (n,), the classes whose maps are moved.
            seed: Seed of all random draws.
            batch_size: Number of images processed at a time; random draws do not depend on it.

        Returns:
            Adversarial images, float32 (n, height, width, channels) in [0, 1]: an array for an array, else a tensor.

        Raises:
            InputError: An argument cannot be used, or the model does not have such maps.
        """
        found = self.run(model, images, labels, seed=seed, batch_size=batch_size)
        return like(images, tf.constant(found.adversarial[self.chosen[0].title]))

    def run(
        self,
        model: keras.Model,
        images: Any,
        labels: Any,
        *,
        classes: Any = None,
        carried: ExplanationAttackResult | None = None,
        seed: int = 0,
        batch_size: int = 250,
        report: Callable[[], None] = lambda: None,
    ) -> ExplanationAttackResult:
        """Attack the maps of the labels.

        Args:
            model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
            images: float32 (n, height, width, channels) in [0, 1].
            labels: Integers (n,), the classes whose maps are moved.
            classes: Integers (n,), the classes that must be predicted at the points found (default: the labels).
            carried: What was found in a smaller ball of the same images, which counts here, too (default: nothing).
            seed: Seed of all random draws.
            batch_size: Number of images processed at a time; random draws do not depend on it.
            report: Called after each part of the searches; there are as many as `parts` says.

        Returns:
            An ExplanationAttackResult.

        Raises:
            InputError: An argument cannot be used, or the model does not have such maps.
        """
        state = self._state(model, images, labels, classes, seed, batch_size)
        state.take(CLEAN, state.images.numpy())
        for points in self._carried(carried, state.images):
            state.take(CARRIED, points)
        if self.epsilon:
            for name, points in candidates(self, state, seed):
                state.take(name, points)
                report()
        return state.result()

    @property
    def parts(self) -> int:
        """How often a run calls its `report`."""
        return 2 * len(plan(self)) + 2 * self.restarts + bool(self.queries) if self.epsilon else 0

    def manipulate(
        self, model: keras.Model, images: Any, labels: Any, target_maps: Any, *, seed: int = 0, batch_size: int = 250
    ) -> ManipulatedImages:
        """Make the explanations of the images show given maps, while the prediction stays as `prediction` says.

        The target-map attack of Dombrowski et al. 2019, from each of the random starts.

        Args:
            model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
            images: float32 (n, height, width, channels) in [0, 1].
            labels: Integers (n,), the classes whose maps are moved.
            target_maps: (n, height, width) or (n, height, width, channels), at the size of the explanation's own maps.
            seed: Seed of all random draws.
            batch_size: Number of images processed at a time; random draws do not depend on it.

        Returns:
            ManipulatedImages.

        Raises:
            InputError: An argument cannot be used, the model does not have such maps, or a target map has another shape
                than they or one value everywhere.
        """
        targets = check_finite("target maps", target_maps).astype(np.float32)
        targets = targets[..., None] if targets.ndim == 3 else targets
        state = self._state(model, images, labels, None, seed, batch_size)
        if targets.shape != state.clean.shape:
            raise InputError(
                f"target maps came with shape {targets.shape}, the maps of the images have {state.clean.shape}: resize them to that"
            )
        if (np.ptp(targets, (1, 2, 3)) == 0).any():
            raise InputError("a target map has one value everywhere, so no map is nearer to it than another")
        best, maps, clean = state.images.numpy().copy(), state.clean.copy(), _distances(targets, state.clean)
        least = np.where(state.maps_at(state.images)[1], clean, np.inf)
        for restart in range(self.restarts):
            for _, points in follow_gradients(self, state, [("target", restart)], seed, targets):
                moved, valid = state.maps_at(points)
                distances = np.where(valid, _distances(targets, moved), np.inf)
                nearer = distances < least
                best[nearer], maps[nearer], least[nearer] = points[nearer], moved[nearer], distances[nearer]
        return ManipulatedImages(best, maps, np.where(np.isfinite(least), least, np.nan), clean)

    def _state(
        self, model: keras.Model, images: Any, labels: Any, classes: Any, seed: int, batch_size: int
    ) -> MapComparison:
        check_number("seed", seed, minimum=0, whole=True)
        check_number("batch_size", batch_size, minimum=1, whole=True)
        batch = check_images(images)
        count = check_model_once(model, batch)
        method = attacked_method(self.explanation)
        keep_for(
            model, ("layer", method.graph_key(), tuple(batch.shape[1:])), lambda: method.find_layer(model, batch[:2])
        )
        truth = check_labels(labels, batch, count)
        if classes is not None and self.prediction == "free":
            raise InputError(
                'classes came with prediction="free", which lets any class be predicted: leave one of them out'
            )
        held = check_labels(truth if classes is None else classes, batch, count, what="class")
        if self.prediction == "free":
            held = tf.fill([len(batch)], tf.constant(FREE, tf.int64))
        state = MapComparison(
            model,
            method,
            [each.at_size(tuple(batch.shape[1:3])).take(np.arange(len(batch)), len(batch)) for each in self.chosen],
            batch,
            truth,
            held,
            magnitude=self.ranking == "magnitude",
            batch_size=batch_size,
        )
        for measure in state.measures:
            measure.check(state.clean.shape[1:])
        return state

    def _carried(self, carried: Any, images: tf.Tensor) -> list[np.ndarray]:
        """The points of what a smaller radius found. Raises InputError where they are of other images or outside of the ball."""
        if carried is None:
            return []
        check_instance("what is carried", carried, ExplanationAttackResult, "attack.run(model, images, labels)")
        found = list(carried.adversarial.values())
        other = next((points.shape for points in found if points.shape != images.shape), None)
        if other is not None:
            raise InputError(f"what is carried came of shape {other}, the images have {tuple(images.shape)}")
        farthest = max(float(tf.reduce_max(find_ball(self.norm).size(points - images))) for points in found)
        if farthest > self.epsilon + 1e-5:
            raise InputError(
                f"what is carried lies up to {farthest:.4g} from its images, epsilon is {self.epsilon:.4g}: carry from smaller radii of "
                "the same images"
            )
        return found


def _distances(targets: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Mean squared differences (n,) of maps at mean 0 and variance 1; 2 where one is constant."""
    one, other = (np.float64(each).reshape(len(each), -1) for each in (targets, maps))
    one, other = (each - each.mean(-1, keepdims=True) for each in (one, other))
    scale = np.sqrt((one**2).sum(-1) * (other**2).sum(-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return 2 - 2 * np.where(scale > 0, (one * other).sum(-1) / scale, 0.0)

"""An ensemble of attacks in the manner of AutoAttack (Croce and Hein 2020, arXiv 2003.01690), whose members hand on what they found."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks.attack import Attack
from interp.attacks.auto_pgd import AutoPGD
from interp.attacks.classification import correct, margin
from interp.attacks.fast_adaptive_boundary import FastAdaptiveBoundary
from interp.attacks.goals import Likeliest, likeliest
from interp.attacks.square import Square
from interp.attacks.square_moves import draw_keys
from interp.core.balls import find_ball
from interp.core.checks import check_images, check_labels, check_number, check_radius
from interp.core.compiled import like, run_in_batches
from interp.core.errors import InputError, check_choice
from interp.core.results import Tabular
from interp.core.seeds import derived_seed
from interp.core.tables import NOTHING, Cell, cells_of
from interp.models.model_check import check_model_once, run_for_logits

# Calls whose gradients are averaged for a model that draws numbers in inference.
DRAWS = 20
# Directions that a targeted attack follows side by side.
TOGETHER = 3
# The place of members among the uses of a seed.
MEMBERS = 2


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a version spends: random starts of APGD-CE, and rounds of a search by squares and of directions that start at what was found.

    In each round come `queries` of Square and the next three classes by APGD-T, then once `boundaries` classes by FAB-T.
    """

    restarts: int = 1
    rounds: int = 3
    queries: int = 1000
    boundaries: int = 3
    boundary_steps: int = 30


BUDGETS = {"standard": Budget(), "plus": Budget(restarts=5, rounds=6, queries=2000, boundaries=9, boundary_steps=100)}
VERSIONS = (*BUDGETS, "rand")
CARRIED = "carried"


@dataclasses.dataclass(frozen=True)
class AutoAttackResult(Tabular):
    """What an ensemble found of n images: the most harmful points of each, and what broke it first.

    Attributes:
        adversarial: The most harmful points, float32 (n, height, width, channels) in [0, 1].
        broken: Booleans (n,), which images are misclassified there.
        broken_by: Texts (n,), what broke each image first: the name of a member, "clean" where it was misclassified as
            it came, "carried" where a given start broke it, "" where nothing did.
        members: Names of the members, in the order in which they were first run.
        seconds: Seconds that each member took, by its name, compiling included.
    """

    adversarial: np.ndarray
    broken: np.ndarray
    broken_by: np.ndarray
    members: tuple[str, ...]
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict, compare=False)

    def columns(self) -> dict[str, list[Cell]]:
        """A row an image."""
        return {
            "image": cells_of(np.arange(len(self.broken))),
            "broken": cells_of(self.broken),
            "broken by": [name or NOTHING for name in self.broken_by],
        }

    def standing(self) -> Mapping[str, np.ndarray]:
        """Which images (n,) no member up to this one, by name, and nothing before them had broken."""
        left = ~np.isin(self.broken_by, ("clean", CARRIED))
        rows = {}
        for name in self.members:
            left = left & (self.broken_by != name)
            rows[name] = left
        return rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoAttack:
    """APGD-CE, Square, APGD-T and FAB-T on what the others left standing, after AutoAttack (Croce and Hein 2020).

    `attack(model, images, labels)` returns adversarial images as any attack does, `attack.run(...)` also what each
    member broke. Square and APGD-T take turns and start at the most harmful points so far: gradients lead on from where
    squares got to, where training had flattened them around the image, and the other way round.

    Args:
        epsilon: Radius of the ball, for images in [0, 1]; in linf at most 1.
        norm: Norm of the ball, "linf" or "l2" (over all pixels and channels).
        version: "standard" spends 3,000 queries of Square and follows 9 classes; "plus" takes more of everything;
            "rand" is for models that draw numbers in inference: APGD on two losses, each gradient the mean of 20 calls.

    Raises:
        InputError: A setting is out of its range or unknown.
    """

    epsilon: float
    norm: str = "linf"
    version: str = "standard"

    def __post_init__(self) -> None:
        find_ball(self.norm)
        check_radius("epsilon", self.epsilon, self.norm)
        check_choice("version", self.version, VERSIONS)

    def __call__(self, model: keras.Model, images: Any, labels: Any, *, seed: int = 0, batch_size: int = 250) -> Any:
        """Return adversarial images: those of `run`.

        Args:
            model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
            images: float32 (n, height, width, channels) in [0, 1].
            labels: Integers (n,), the true classes.
            seed: Seed of all random draws.
            batch_size: Number of images processed at a time; random draws do not depend on it.

        Returns:
            Adversarial images, float32 (n, height, width, channels) in [0, 1]: an array for an array, else a tensor.

        Raises:
            InputError: An argument cannot be used, or the model's gradient or logits are NaN or infinite under attack.
        """
        found = self.run(model, images, labels, seed=seed, batch_size=batch_size)
        return like(images, tf.constant(found.adversarial))

    def run(
        self,
        model: keras.Model,
        images: Any,
        labels: Any,
        *,
        starts: Any = None,
        seed: int = 0,
        batch_size: int = 250,
    ) -> AutoAttackResult:
        """Attack and say what broke each image.

        Args:
            model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
            images: float32 (n, height, width, channels) in [0, 1].
            labels: Integers (n,), the true classes.
            starts: Points in the ball that members may start at, shape of the images, such as the `adversarial` of a
                smaller radius (default: none).
            seed: Seed of all random draws.
            batch_size: Number of images processed at a time; random draws do not depend on it.

        Returns:
            An AutoAttackResult.

        Raises:
            InputError: An argument cannot be used, starts are outside of the ball, or the model's gradient or logits
                are NaN or infinite under attack.

        Example:
            ```python
            found = AutoAttack(epsilon=8 / 255).run(model, images, labels)
            robust_accuracy = 1 - found.broken.mean()
            ```
        """
        check_number("seed", seed, minimum=0, whole=True)
        check_number("batch_size", batch_size, minimum=1, whole=True)
        originals = check_images(images)
        count = check_model_once(model, originals)
        truth = check_labels(labels, originals, count)
        state = _State(model, originals, truth, batch_size)
        state.take("clean", np.arange(len(originals)), originals, state.harm_of(originals))
        if starts is not None:
            state.take(CARRIED, np.arange(len(originals)), *self._carried(state, starts))
        program = self._expected(state, seed) if self.version == "rand" else self._ensemble(state, seed)
        seconds = _timed(program)
        right = correct(model, state.worst, truth, batch_size=batch_size)
        # A model that draws numbers may hold in the search and fail now: then who reached the point has broken the image.
        broken_by = np.where(right, "", np.where(state.broken_by == "", state.reached_by, state.broken_by))
        return AutoAttackResult(state.worst, ~right, broken_by, tuple(seconds), seconds)

    def _ensemble(self, state: "_State", seed: int) -> Iterator[str]:
        """Run the members one after the other, and name each before it. Each draws for itself."""
        budget, seeds = BUDGETS[self.version], _seeds(seed)
        random = AutoPGD(epsilon=self.epsilon, norm=self.norm)
        square = Square(epsilon=self.epsilon, steps=budget.queries, norm=self.norm)
        towards = dataclasses.replace(random, loss="margin", goal=Likeliest(TOGETHER))
        boundary = FastAdaptiveBoundary(
            epsilon=self.epsilon,
            norm=self.norm,
            steps=budget.boundary_steps,
            targets=TOGETHER,
        )
        ranked = likeliest(state.logits, state.labels, state.logits.shape[-1])
        chunks = [ranked[:, first : first + TOGETHER] for first in range(0, ranked.shape[1], TOGETHER)]
        for _ in range(budget.restarts):
            yield "APGD-CE"
            (drawn,) = next(random._starts(state.images, next(seeds)))
            state.attack("APGD-CE", random, state.labels, (drawn,))
        for number in range(budget.rounds):
            yield "Square"
            drawn = next(seeds)
            keys = draw_keys(len(state.images), drawn)
            same = tf.fill(tf.shape(keys), tf.constant(drawn, tf.int64))
            state.attack("Square", square, state.labels, (state.points(), keys, same))
            yield "APGD-T"
            state.lead("APGD-T", towards, chunks[number % len(chunks)], state.points())
        for chunk in chunks[: -(-budget.boundaries // TOGETHER)]:
            yield "FAB-T"
            state.lead("FAB-T", boundary, chunk, state.images)

    def _expected(self, state: "_State", seed: int) -> Iterator[str]:
        seeds = _seeds(seed)
        for name, loss in (("APGD-CE", "ce"), ("APGD-DLR", "dlr" if state.logits.shape[-1] > 2 else "margin")):
            yield name
            attack = AutoPGD(epsilon=self.epsilon, norm=self.norm, loss=loss, expectation=DRAWS)
            state.attack(name, attack, state.labels, next(attack._starts(state.images, next(seeds))))

    def _carried(self, state: "_State", starts: Any) -> tuple[tf.Tensor, tf.Tensor]:
        points = check_images(starts)
        if points.shape != state.images.shape:
            raise InputError(f"starts came of shape {points.shape}, expected that of the images, {state.images.shape}")
        farthest = float(tf.reduce_max(find_ball(self.norm).size(points - state.images)))
        if farthest > self.epsilon + 1e-5:
            raise InputError(
                f"starts came up to {farthest:.4g} from their images, epsilon is {self.epsilon:.4g}: give points inside the ball"
            )
        return points, state.harm_of(points)


def _seeds(seed: int) -> Iterator[int]:
    return (derived_seed(seed, MEMBERS, place) for place in itertools.count(1))


def _timed(program: Iterator[str]) -> dict[str, float]:
    """Run a program that names each member before it runs it; return the seconds of each, in the order of their first runs."""
    seconds: dict[str, float] = {}
    name = next(program, None)
    while name is not None:
        began = perf_counter()
        following = next(program, None)
        seconds[name] = seconds.get(name, 0.0) + perf_counter() - began
        name = following
    return seconds


class _State:
    """The images of a call, the most harmful points of each so far, and which member reached them."""

    def __init__(self, model: keras.Model, images: tf.Tensor, labels: tf.Tensor, batch_size: int) -> None:
        self.model, self.images, self.labels, self._batch_size = model, images, labels, batch_size
        self.worst = images.numpy().copy()
        self.harm = np.full(len(images), -np.inf, np.float32)
        self.broken_by, self.reached_by = (np.full(len(images), name, object) for name in ("", "clean"))
        self.logits = self._logits(images)

    def _logits(self, points: tf.Tensor) -> tf.Tensor:
        return run_in_batches(lambda rows: (run_for_logits(self.model, rows),), (points,), self._batch_size)[0]

    def harm_of(self, points: tf.Tensor) -> tf.Tensor:
        return margin(self._logits(points), self.labels)

    def points(self) -> tf.Tensor:
        return tf.constant(self.worst)

    def take(self, name: str, rows: np.ndarray, found: Any, harm: Any) -> None:
        """Note what a member found of these rows, where it is more harmful."""
        found, harm = np.asarray(found), np.asarray(harm)
        grew = harm > self.harm[rows]
        # What broke an image first keeps its name.
        self.broken_by[rows[(self.harm[rows] < 0) & (harm >= 0)]] = name
        self.worst[rows[grew]], self.harm[rows[grew]], self.reached_by[rows[grew]] = found[grew], harm[grew], name

    def attack(self, name: str, attack: Attack, targets: tf.Tensor, draws: tuple[tf.Tensor, ...]) -> None:
        """Run a member on what stands, from what was drawn for all images."""
        rows = np.flatnonzero(self.harm < 0)
        if len(rows):
            arrays = tuple(tf.gather(array, rows) for array in (self.images, self.labels, targets, *draws))
            self.take(name, rows, *attack.search(self.model, arrays, self._batch_size, rows))

    def lead(self, name: str, attack: Attack, targets: tf.Tensor, points: tf.Tensor) -> None:
        """Run a member that leads each image to its `targets` (n, m), from the same points."""
        self.attack(name, attack, targets, (tf.repeat(points[:, None], targets.shape[1], axis=1),))

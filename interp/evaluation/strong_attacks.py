"""The attacks of the strong protocol on one block of images."""

from collections.abc import Callable, Sequence
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

from interp.attacks import correct
from interp.attacks.attack import Attack
from interp.attacks.classification import log_odds_against
from interp.core.compiled import compile_for, rows_like, run_in_batches
from interp.core.errors import InputError
from interp.core.seeds import derived_seed
from interp.evaluation.outcomes import Outcomes, RadiusOutcomes
from interp.evaluation.predictions import predict
from interp.evaluation.protocol import StrongProtocol
from interp.models.prepared import prepare

# The place of the protocol's attacks among the uses of a seed; blocks of images are at theirs.
ATTACKS = 1


def attack_block(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    radii: Sequence[float],
    protocol: StrongProtocol,
    *,
    seed: int,
    batch_size: int,
    report: Callable[[], None],
    change: float,
    draws: bool,
) -> Outcomes:
    """Attack checked `images` (n, height, width, channels) at `radii` in rising order; `report` is called after each.

    What `repeated_calls` found of the model holds for all its blocks, so that each has the same attacks. They share the graphs that are
    compiled for the model. Raises InputError.
    """
    logits = predict(model, images, batch_size=batch_size)
    clean = correct(model, images, labels, batch_size=batch_size)
    vanished = np.zeros(len(images), bool)
    vanished[clean] = _without_gradient(model, images[clean], labels[clean], batch_size)
    block = _Block(model, images, labels, clean, protocol, logits.shape[-1], draws, seed, batch_size)
    found = []
    for epsilon in radii:
        found.append(block.at(epsilon))
        report()
    return Outcomes(labels, logits, clean, vanished, change, draws, tuple(found))


class _Block:
    """The images of a block with what was found of them so far, from radius to radius."""

    def __init__(
        self,
        model: keras.Model,
        images: np.ndarray,
        labels: np.ndarray,
        clean: np.ndarray,
        protocol: StrongProtocol,
        classes: int,
        draws: bool,
        seed: int,
        batch_size: int,
    ) -> None:
        self._model, self._images, self._labels, self._clean = model, images, labels, clean
        self._protocol, self._classes = protocol, classes
        self._draws = draws
        self._seed, self._batch_size = seed, batch_size
        # What no gradient attack of those that compare, and what not the black box, has broken at any radius so far.
        self._gradient, self._black_box = clean.copy(), clean.copy()
        self._broken_by = np.where(clean, "", "clean").astype(object)
        self._points = images.copy()
        # Of the attacks at the present radius.
        self._seconds: dict[str, float] = {}

    def at(self, epsilon: float) -> RadiusOutcomes:
        """Attack in the ball of this radius."""
        self._seconds = {}
        right = {"PGD": self._clean} if epsilon == 0 else self._attacked(epsilon)
        return RadiusOutcomes(epsilon, right, self._seconds, self._broken_by.copy())

    def _attacked(self, epsilon: float) -> dict[str, np.ndarray]:
        attacks = self._protocol.attacks(epsilon, self._classes)

        # Each attack draws for itself: one that starts where another did is of no use.
        seeds = {name: derived_seed(self._seed, ATTACKS, place) for place, name in enumerate(attacks, 1)}

        def survivors(name: str, among: np.ndarray) -> np.ndarray:
            return self._survivors(name, attacks[name], among, seeds[name])

        # Flags compare like with like: the first success counts in all, and the two that are independent attack all images.
        right = {"PGD": survivors("PGD", self._clean)}
        right["any iterate"] = survivors("any iterate", right["PGD"])
        right["more steps"] = survivors("more steps", right["any iterate"])
        once = right["random start"] = survivors("random start", self._clean)
        right["random starts"] = survivors("random starts", once) if self._protocol.restarts > 1 else once
        self._gradient = self._gradient & right["more steps"] & right["random starts"]
        for name in attacks:
            if name.startswith("APGD"):
                right[f"then {name}"] = self._gradient = survivors(name, self._gradient)
        # What the black box broke at a smaller radius it breaks here, too.
        both = right["then Square"] = survivors("Square", self._gradient & self._black_box)
        self._black_box &= both | ~self._gradient
        return right | self._ensemble(epsilon, derived_seed(self._seed, ATTACKS, len(attacks) + 1))

    def _survivors(self, name: str, attack: Attack, among: np.ndarray, seed: int) -> np.ndarray:
        """Which of the images `among` still classify right after an attack; what it found is kept."""
        began = perf_counter()
        right, rows = among.copy(), np.flatnonzero(among)
        if len(rows):
            images, labels = self._images[rows], self._labels[rows]
            found = attack(self._model, images, labels, seed=seed, batch_size=self._batch_size)
            right[rows] = correct(self._model, found, labels, batch_size=self._batch_size)
            self._keep(rows, found, ~right[rows], name)
        self._seconds[name] = perf_counter() - began
        return right

    def _ensemble(self, epsilon: float, seed: int) -> dict[str, np.ndarray]:
        """Which images are right after each member of the ensemble, which starts at what was found last."""
        ensemble = self._protocol.ensemble(epsilon, draws=self._draws)
        rows = np.flatnonzero(self._broken_by == "")
        if ensemble is None or not len(rows):
            return {}
        found = ensemble.run(
            self._model,
            self._images[rows],
            self._labels[rows],
            starts=self._points[rows],
            seed=seed,
            batch_size=self._batch_size,
        )
        for name in found.members:
            self._keep(rows, found.adversarial, found.broken_by == name, f"ensemble {name}")
        self._keep(rows, found.adversarial, found.broken, "ensemble")
        self._seconds |= {f"ensemble {name}": value for name, value in found.seconds.items()}
        right = {}
        for name, left in found.standing().items():
            right[f"ensemble {name}"] = np.zeros(len(self._images), bool)
            right[f"ensemble {name}"][rows] = left
        return right

    def _keep(self, rows: np.ndarray, found: np.ndarray, broken: np.ndarray, name: str) -> None:
        standing = self._broken_by[rows] == ""
        self._points[rows[standing]] = found[standing]
        self._broken_by[rows[standing & broken]] = name


def _without_gradient(model: keras.Model, images: np.ndarray, labels: np.ndarray, batch_size: int) -> np.ndarray:
    """Whether the loss has no gradient at all, (n,)."""
    if not len(images):
        return np.zeros(0, bool)

    def largest(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            loss = log_odds_against(prepare(model, rearrange=False).classify(images), labels)
        gradient = tape.gradient(loss, images)
        if gradient is None:
            raise InputError("the model's logits do not depend on the images by any differentiable path")
        return (tf.reduce_max(tf.abs(gradient), (1, 2, 3)),)

    arrays = tf.constant(images), tf.constant(labels)
    function = compile_for(model, "largest gradient", largest, rows_like(arrays))
    return run_in_batches(function, arrays, batch_size)[0].numpy() == 0

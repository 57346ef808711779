"""Accuracy under the strongest of several attacks, and signs that a weaker figure cannot be believed.

A network whose gradients say nothing looks robust to attacks that follow them (Athalye et al. 2018, Carlini et al. 2019). So each radius
is attacked by PGD as in the paper, then with random starts, by APGD on two losses and by a black-box search (Croce and Hein 2020), and
at last by an ensemble from what they found. Where one of them gains what a sound network would not give away, the figure is flagged.
Where the steps of plain PGD are too short for the radius, the attack is named and not the network.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks import correct
from interp.attacks.attack import Attack
from interp.attacks.classification import log_odds_against
from interp.core.checks import are_probabilities, check_images, check_instance, check_labels
from interp.core.compiled import run_in_batches
from interp.core.errors import InputError
from interp.evaluation.accuracy_curve import check_epsilons
from interp.evaluation.flags import USUAL_REACH, Flag, chance_accuracy, reaches, unreached, weak_attack
from interp.evaluation.protocol import StrongProtocol
from interp.evaluation.validity_result import StrongAccuracy, Validity
from interp.models.model_check import check_model, find_facts, run_model
from interp.models.model_graph import LOGITS
from interp.models.prepared import prepare

# A gain is flagged above both: so many points of accuracy, and so many standard errors of the difference.
POINTS, STANDARD_ERRORS = 0.02, 2.0
VANISHED_SHARE = 0.02


def validity(
    model: keras.Model,
    images: Any,
    labels: Any,
    epsilons: Sequence[float],
    protocol: StrongProtocol | None = None,
    *,
    seed: int = 0,
    batch_size: int = 250,
    report: Callable[[], None] = lambda: None,
) -> Validity:
    """Attack `images` (n, height, width, channels) at each radius by the strong protocol and flag what cannot be believed.

    A network that returns probabilities which are no softmax of logits is flagged and not attacked. One whose clean accuracy is at
    chance is flagged before anything else. `report` is called after each radius. Raises InputError.
    """
    if protocol is None:
        protocol = StrongProtocol()
    check_instance("the protocol", protocol, StrongProtocol, "StrongProtocol(steps=100)")
    radii = check_epsilons(epsilons, protocol.norm)
    batch = check_images(images)
    outputs = run_model(model, batch[:batch_size])
    cut = find_facts(model).ends_in != LOGITS
    if not cut and tf.is_tensor(outputs) and outputs.shape.rank == 2 and are_probabilities(outputs):
        text = (
            "the network returns probabilities, not logits: their gradients vanish where it is sure; remove its softmax"
        )
        return Validity(protocol.describe(), (), (Flag("probabilities", text),), len(batch))
    classes = check_model(model, batch)
    truth = check_labels(labels, batch, classes).numpy()
    pixels = batch.numpy()
    clean = correct(model, pixels, truth, batch_size=batch_size)
    unstable = _unstable(model, batch[:batch_size])
    flags = [*chance_accuracy(clean, truth, classes), *unstable, *_vanishing(model, batch, truth, clean, batch_size)]
    attacked = _Attacked(model, pixels, truth, clean, protocol, classes, bool(unstable), seed, batch_size)
    rows = []
    for epsilon in radii:
        rows.append(attacked.at(epsilon))
        report()
    return Validity(protocol.describe(), tuple(rows), tuple(flags), len(pixels))


class _Attacked:
    """The images of a call with what was found of them so far, from radius to radius."""

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
        self._settings = {"seed": seed, "batch_size": batch_size}
        # What no gradient attack of those that compare, and what not the black box, has broken at any radius so far.
        self._gradient, self._black_box = clean.copy(), clean.copy()
        self._broken_by = np.where(clean, "", "clean").astype(object)
        self._points = images.copy()

    def at(self, epsilon: float) -> StrongAccuracy:
        """Attack in the ball of this radius."""
        if epsilon == 0:
            return self._result(0.0, {"PGD": float(self._clean.mean())}, [])
        attacks = self._protocol.attacks(epsilon, self._classes)

        def survivors(name: str, among: np.ndarray) -> np.ndarray:
            return self._survivors(name, attacks[name], among)

        # Flags compare like with like: the first success counts in all, and the two that are independent attack all images.
        right = {"PGD": survivors("PGD", self._clean)}
        right["any iterate"] = survivors("any iterate", right["PGD"])
        right["more steps"] = survivors("more steps", right["any iterate"])
        once = survivors("random start", self._clean)
        right["random starts"] = survivors("random starts", once) if self._protocol.restarts > 1 else once
        gains = [
            *_gain("random start", "random starts find", right["any iterate"], right["random starts"]),
            *_gain("restarts", f"{self._protocol.restarts} random starts find", once, right["random starts"], "one"),
            *_gain("more steps", "twice the steps find", right["any iterate"], right["more steps"]),
        ]
        flags = _blame(gains, epsilon, self._protocol)
        self._gradient &= right["more steps"] & right["random starts"]
        accuracies = {name: float(values.mean()) for name, values in right.items()}
        for name in attacks:
            if name.startswith("APGD"):
                self._gradient = survivors(name, self._gradient)
                accuracies[f"then {name}"] = float(self._gradient.mean())
        # What the black box broke at a smaller radius it breaks here, too.
        both = survivors("Square", self._gradient & self._black_box)
        self._black_box &= both | ~self._gradient
        flags += _gain("black box", "a black-box search finds", self._gradient, both, "the gradient attacks")
        accuracies["then Square"] = float(both.mean())
        accuracies |= self._ensemble(epsilon)
        return self._result(epsilon, accuracies, flags)

    def _survivors(self, name: str, attack: Attack, among: np.ndarray) -> np.ndarray:
        """Which of the images `among` still classify right after an attack; what it found is kept."""
        right, rows = among.copy(), np.flatnonzero(among)
        if len(rows):
            found = attack(self._model, self._images[rows], self._labels[rows], **self._settings)
            right[rows] = correct(self._model, found, self._labels[rows], batch_size=self._settings["batch_size"])
            self._keep(rows, found, ~right[rows], name)
        return right

    def _ensemble(self, epsilon: float) -> dict[str, float]:
        """Accuracies after each member of the ensemble, which starts at what was found last."""
        ensemble = self._protocol.ensemble(epsilon, draws=self._draws)
        rows = np.flatnonzero(self._broken_by == "")
        if ensemble is None or not len(rows):
            return {}
        starts = self._points[rows]
        found = ensemble.run(self._model, self._images[rows], self._labels[rows], starts=starts, **self._settings)
        for name in found.members:
            self._keep(rows, found.adversarial, found.broken_by == name, f"ensemble {name}")
        self._keep(rows, found.adversarial, found.broken, "ensemble")
        size = len(self._images)
        return {f"ensemble {name}": float(left.sum() / size) for name, left in found.standing().items()}

    def _keep(self, rows: np.ndarray, found: np.ndarray, broken: np.ndarray, name: str) -> None:
        standing = self._broken_by[rows] == ""
        self._points[rows[standing]] = found[standing]
        self._broken_by[rows[standing & broken]] = name

    def _result(self, epsilon: float, accuracies: dict[str, float], flags: list[Flag]) -> StrongAccuracy:
        worst = float((self._broken_by == "").mean())
        return StrongAccuracy(
            epsilon, len(self._images), accuracies, worst, tuple(flags), tuple(map(str, self._broken_by))
        )


def _gain(kind: str, finds: str, before: np.ndarray, after: np.ndarray, base: str = "plain PGD") -> list[Flag]:
    """A flag where accuracy fell from `before` to `after`, booleans (n,) of the same images, by more than chance explains."""
    difference = before.astype(float) - after
    gain, error = float(difference.mean()), float(difference.std() / np.sqrt(len(difference)))
    if gain <= POINTS or gain <= STANDARD_ERRORS * error:
        return []
    text = f"{finds} attacks on {100 * gain:.1f}% of the images more than {base} (standard error {100 * error:.1f}%)"
    return [Flag(kind, f"{text}: the gradients of this network mislead")]


def _blame(gains: list[Flag], epsilon: float, protocol: StrongProtocol) -> list[Flag]:
    """The gains over plain PGD as flags of the network, or one of the attack whose steps are too short for the radius."""
    settings = epsilon, protocol.step_size, protocol.steps
    if reaches(*settings, USUAL_REACH):
        return gains
    if gains:
        return [weak_attack(*settings, f", and {gains[0].text.partition(':')[0]}")]
    return list(unreached(*settings))


def _unstable(model: keras.Model, images: tf.Tensor) -> list[Flag]:
    first, second = (tf.cast(model(images, training=False), tf.float32) for _ in range(2))
    change, size = float(tf.reduce_max(tf.abs(first - second))), float(tf.reduce_max(tf.abs(first)))
    # Threads add in any order, so the last digits may differ.
    if change <= 1e-4 * max(size, 1.0):
        return []
    text = f"two identical calls differ by up to {change:.3g}: something random, such as dropout, is on in inference"
    return [Flag("random output", f"{text}; its accuracies are draws, not figures")]


def _vanishing(
    model: keras.Model, images: tf.Tensor, labels: np.ndarray, clean: np.ndarray, batch_size: int
) -> list[Flag]:
    rows = np.flatnonzero(clean)
    if not len(rows):
        return []

    @tf.function(autograph=False, reduce_retracing=True)
    def largest(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            loss = log_odds_against(prepare(model, rearrange=False).classify(images), labels)
        gradient = tape.gradient(loss, images)
        if gradient is None:
            raise InputError("the model's logits do not depend on the images by any differentiable path")
        return (tf.reduce_max(tf.abs(gradient), (1, 2, 3)),)

    arrays = tf.gather(images, rows), tf.constant(labels[rows])
    share = float((run_in_batches(largest, arrays, batch_size)[0].numpy() == 0).mean())
    if share <= VANISHED_SHARE:
        return []
    text = f"the logits have no gradient at all on {100 * share:.0f}% of the images"
    return [Flag("vanishing gradients", f"{text}, so attacks that follow it cannot move")]

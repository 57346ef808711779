"""Accuracy under the strongest of several attacks, and signs that a weaker figure cannot be believed.

A network whose gradients say nothing looks robust to attacks that follow them (Athalye et al. 2018, Carlini et al. 2019). So each radius
is attacked by PGD as in the paper, then with random starts, by APGD on two losses and by a black-box search (Croce and Hein 2020),
and where one of them gains what a sound network would not give away, the figure is flagged. Where the steps of plain PGD are too short
for the radius, the attack is named and not the network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.attacks import AutoPGD, ProjectedGradientDescent, Square, correct
from interp.attacks.attack import Attack
from interp.attacks.classification import log_odds_against
from interp.core.checks import (
    MOST_STEPS,
    are_probabilities,
    check_images,
    check_instance,
    check_labels,
    check_number,
    check_radius,
)
from interp.core.compiled import run_in_batches
from interp.core.errors import InputError
from interp.evaluation.accuracy_curve import check_epsilons
from interp.evaluation.flags import USUAL_REACH, Flag, chance_accuracy, reaches, unreached, weak_attack
from interp.evaluation.validity_result import StrongAccuracy, Validity
from interp.models.model_check import check_model, find_facts, run_model
from interp.models.model_graph import LOGITS
from interp.models.prepared import prepare

# A gain is flagged above both: so many points of accuracy, and so many standard errors of the difference.
POINTS, STANDARD_ERRORS = 0.02, 2.0
VANISHED_SHARE = 0.02


@dataclass(frozen=True, kw_only=True)
class StrongProtocol:
    """Attacks of the strong protocol: plain PGD of `steps` x `step_size`, random starts, APGD, Square of `queries`.

    Plain PGD starts at the image and counts its last iterate, as Boopathy et al. 2020 do; all others stop at the first success.
    Raises InputError.
    """

    steps: int = 200
    step_size: float = 0.01
    restarts: int = 5
    queries: int = 1000

    def __post_init__(self) -> None:
        check_number("steps", self.steps, minimum=1, whole=True, maximum=MOST_STEPS // 2)
        check_number("step_size", self.step_size, minimum=0, strict=True)
        check_radius("step_size", self.step_size)
        check_number("restarts", self.restarts, minimum=1, whole=True)
        check_number("queries", self.queries, minimum=1, whole=True)

    def describe(self) -> str:
        """The protocol in words, for the caption of a table."""
        return (
            f"strong: worst case per image over PGD-{self.steps} (step {self.step_size:g}) without random start, for {2 * self.steps} "
            f"steps, and from {self.restarts} random starts, APGD-CE and APGD-DLR (100 steps), and Square ({self.queries} queries); "
            "found attacks carried to larger eps"
        )

    def attacks(self, epsilon: float, classes: int) -> dict[str, Attack]:
        """The attacks by the names that tables give them, plain PGD first."""
        plain = ProjectedGradientDescent(epsilon=epsilon, step_size=self.step_size, steps=self.steps)
        return {
            "PGD": plain,
            "any iterate": replace(plain, iterate="first"),
            "more steps": replace(plain, steps=2 * self.steps, iterate="first"),
            "random starts": replace(plain, random_start=True, restarts=self.restarts, iterate="first"),
            "APGD-CE": AutoPGD(epsilon=epsilon),
            # The ratio needs a third class.
            **({"APGD-DLR": AutoPGD(epsilon=epsilon, loss="dlr")} if classes > 2 else {}),
            "Square": Square(epsilon=epsilon, steps=self.queries),
        }


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
    radii = check_epsilons(epsilons)
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
    flags = [
        *chance_accuracy(clean, truth, classes),
        *_unstable(model, batch[:batch_size]),
        *_vanishing(model, batch, truth, clean, batch_size),
    ]
    standing = _Standing(clean.copy(), clean.copy())
    rows = []
    for epsilon in radii:
        rows.append(_at_radius(model, pixels, truth, clean, standing, epsilon, classes, protocol, seed, batch_size))
        report()
    return Validity(protocol.describe(), tuple(rows), tuple(flags), len(pixels))


@dataclass
class _Standing:
    """Which images no gradient attack, and which not the black box, has broken at any radius so far."""

    gradient: np.ndarray
    black_box: np.ndarray


def _at_radius(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    clean: np.ndarray,
    standing: _Standing,
    epsilon: float,
    classes: int,
    protocol: StrongProtocol,
    seed: int,
    batch_size: int,
) -> StrongAccuracy:
    if epsilon == 0:
        share = float(clean.mean())
        return StrongAccuracy(0.0, len(images), {"PGD": share}, share, ())
    attacks = protocol.attacks(epsilon, classes)

    def survivors(name: str, among: np.ndarray) -> np.ndarray:
        """Which of the images `among` still classify right after the attack of this name."""
        right = among.copy()
        rows = np.flatnonzero(among)
        if len(rows):
            found = attacks[name](model, images[rows], labels[rows], seed=seed, batch_size=batch_size)
            right[rows] = correct(model, found, labels[rows], batch_size=batch_size)
        return right

    # Flags compare like with like: the first success counts in all three, and the two that are independent attack all images.
    right = {"PGD": survivors("PGD", clean)}
    right["any iterate"] = survivors("any iterate", right["PGD"])
    right["more steps"] = survivors("more steps", right["any iterate"])
    right["random starts"] = survivors("random starts", clean)
    gains = [
        *_gain("random start", "random starts find", right["any iterate"], right["random starts"]),
        *_gain("more steps", "twice the steps find", right["any iterate"], right["more steps"]),
    ]
    flags = _blame(gains, epsilon, protocol)
    standing.gradient &= right["more steps"] & right["random starts"]
    accuracies = {name: float(values.mean()) for name, values in right.items()}
    for name in attacks:
        if name.startswith("APGD"):
            standing.gradient = survivors(name, standing.gradient)
            accuracies[f"then {name}"] = float(standing.gradient.mean())
    # What the black box broke at a smaller radius it breaks here, too.
    both = survivors("Square", standing.gradient & standing.black_box)
    standing.black_box &= both | ~standing.gradient
    flags += _gain("black box", "a black-box search finds", standing.gradient, both, "the gradient attacks")
    accuracies["then Square"] = float(both.mean())
    return StrongAccuracy(epsilon, len(images), accuracies, float(both.mean()), tuple(flags))


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

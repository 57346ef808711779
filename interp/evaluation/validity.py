"""Accuracy under the strongest of several attacks, and signs that a weaker figure cannot be believed.

A network whose gradients say nothing looks robust to attacks that follow them (Athalye et al. 2018, Carlini et al. 2019). So each radius
is attacked by PGD as in the paper, then with random starts, by APGD on two losses and by a black-box search (Croce and Hein 2020), and
at last by an ensemble from what they found. Where one of them gains what a sound network would not give away, the figure is flagged.
Where the steps of plain PGD are too short for the radius, the attack is named and not the network.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from interp.core.batches import attack_blocks
from interp.core.checks import are_probabilities, check_images, check_instance, check_labels, check_number
from interp.core.files import check_writable
from interp.core.parallel import run_jobs
from interp.core.seeds import derived_seed
from interp.core.sent_once import SentOnce
from interp.core.workers import ThisProcess, Workers, check_workers
from interp.data.pixels import ScaledPixels
from interp.evaluation.accuracy_curve import check_epsilons
from interp.evaluation.flags import USUAL_REACH, Flag, chance_accuracy, random_output, reaches, unreached, weak_attack
from interp.evaluation.kept_blocks import KeptBlocks
from interp.evaluation.outcomes import Outcomes, RadiusOutcomes, joined
from interp.evaluation.predictions import repeated_calls
from interp.evaluation.protocol import StrongProtocol
from interp.evaluation.statistics import clear_gain
from interp.evaluation.strong_attacks import attack_block
from interp.evaluation.validity_result import StrongAccuracy, Validity
from interp.models.model_check import check_model, find_facts, run_model
from interp.models.model_graph import LOGITS

# A gain of accuracy up to this is not flagged.
POINTS = 0.02
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
    folder: Path | None = None,
    workers: Workers | None = None,
    report: Callable[[], None] = lambda: None,
) -> Validity:
    """Attack images at each radius by the strong protocol and flag figures that cannot be trusted.

    A network that returns probabilities whose softmax cannot be cut is flagged and not attacked. Images are attacked in blocks of 500, of
    large ones fewer (interp.core.batches.attack_blocks), so memory is bounded. The first block draws by `seed`, one that starts at image i
    by a seed that is derived from `seed` and i.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: float32 (n, height, width, channels) in [0, 1], or ScaledPixels, which are loaded block by block.
        labels: Integers (n,), the true classes.
        epsilons: Radii of the ball, for images in [0, 1], in any order.
        protocol: The attacks (default: those of StrongProtocol()).
        seed: Seed of all random draws.
        batch_size: Number of images processed at a time; random draws do not depend on it.
        folder: Directory where finished blocks are kept, if there are several, so that a stopped call can go on (default: nothing is kept).
        workers: Where blocks are attacked (interp.core.parallel.open_workers; default: this process).
        report: Called after each radius of each block.

    Returns:
        A Validity, its radii in rising order.

    Raises:
        InputError: The model, images, labels or radii cannot be used, or `folder` cannot be written.
    """
    if protocol is None:
        protocol = StrongProtocol()
    check_instance("the protocol", protocol, StrongProtocol, "StrongProtocol(steps=100)")
    if folder is not None:
        check_instance("folder", folder, Path, "pathlib.Path('blocks')")
    if workers is not None:
        check_workers(workers)
    check_number("seed", seed, minimum=0, whole=True)
    check_number("batch_size", batch_size, minimum=1, whole=True)
    radii = check_epsilons(epsilons, protocol.norm)
    pixels = images if isinstance(images, ScaledPixels) else check_images(images).numpy()
    batch = check_images(pixels[:batch_size])
    outputs = run_model(model, batch)
    cut = find_facts(model).ends_in != LOGITS
    if not cut and tf.is_tensor(outputs) and outputs.shape.rank == 2 and are_probabilities(outputs):
        text = (
            "the network returns probabilities, not logits: their gradients vanish where it is sure; remove its softmax"
        )
        return Validity(
            protocol.describe(outputs.shape[-1]), (), (Flag("probabilities", text),), len(pixels), protocol.norm
        )
    truth = check_labels(labels, pixels, check_model(model, batch)).numpy()
    blocks = attack_blocks(len(pixels), pixels.shape[1:])
    folder = folder if len(blocks) > 1 else None
    if folder is not None:
        check_writable(folder)
    kept = KeptBlocks(folder, model, radii, protocol, seed)
    places = {rows.start: rows for rows in blocks}

    # It is asked for before the attack and, to be kept, after it.
    @lru_cache(maxsize=1)
    def part(first: int) -> tuple[np.ndarray, np.ndarray]:
        """The block of images that starts at image `first`, and its labels."""
        return pixels[places[first]], truth[places[first]]

    # Asked of the images of each block and decided once: accuracies are of all images after the same attacks.
    repeated = [repeated_calls(model, check_images(pixels[rows][:batch_size])) for rows in blocks]
    change, draws = max(value for value, _ in repeated), any(drawn for _, drawn in repeated)
    found = {first: None if draws else kept.read(first, *part(first)) for first in places}
    for _ in radii * sum(outcomes is not None for outcomes in found.values()):
        report()
    attacked = _Attacked(model, radii, protocol, seed, batch_size, change, draws)
    jobs = (
        (first, partial(lambda first: (attacked, first, *part(first)), first))
        for first, outcomes in list(found.items())
        if outcomes is None
    )
    workers = workers or ThisProcess()
    here = isinstance(workers, ThisProcess)
    for first, outcomes in run_jobs(workers, partial(_attack, report=report) if here else _attack, jobs):
        kept.write(first, *part(first), outcomes)
        found[first] = outcomes
        for _ in () if here else radii:
            report()
    return judged(joined([outcomes for outcomes in found.values() if outcomes is not None]), protocol)


class _Attacked(SentOnce):
    """A model and how it is attacked; its graphs are kept with the model."""

    def __init__(
        self,
        model: keras.Model,
        radii: Sequence[float],
        protocol: StrongProtocol,
        seed: int,
        batch_size: int,
        change: float,
        draws: bool,
    ) -> None:
        super().__init__(model, radii, protocol, seed, batch_size, change, draws)


def _attack(
    attacked: _Attacked,
    first: int,
    images: np.ndarray,
    labels: np.ndarray,
    report: Callable[[], None] = lambda: None,
) -> Outcomes:
    """Attack the block of images that starts at image `first`."""
    model, radii, protocol, seed, batch_size, change, draws = attacked.parts
    return attack_block(
        model,
        images,
        labels,
        radii,
        protocol,
        seed=_block_seed(seed, first),
        batch_size=batch_size,
        report=report,
        change=change,
        draws=draws,
    )


def judged(found: Outcomes, protocol: StrongProtocol) -> Validity:
    """The accuracies and flags that follow from what was found of all images."""
    flags = (
        *chance_accuracy(found.clean, found.labels, found.logits.shape[-1]),
        *random_output(found.change, found.draws),
        *_vanishing(found),
    )
    rows = tuple(_row(each, protocol) for each in found.radii)
    predictions = found.logits.argmax(-1).tolist()
    told = protocol.norm, tuple(found.labels.tolist()), tuple(predictions)
    return Validity(protocol.describe(found.logits.shape[-1], draws=found.draws), rows, flags, len(found.labels), *told)


def _row(found: RadiusOutcomes, protocol: StrongProtocol) -> StrongAccuracy:
    right = found.right
    flags: list[Flag] = []
    if found.epsilon > 0:
        gradient = [right[name] for name in right if name.startswith("then APGD")][-1]
        gains = [
            *_gain("random start", "random starts find", right["any iterate"], right["random starts"]),
            *_gain(
                "restarts",
                f"{protocol.restarts} random starts find",
                right["random start"],
                right["random starts"],
                "one",
            ),
            *_gain("more steps", "twice the steps find", right["any iterate"], right["more steps"]),
        ]
        flags += _blame(gains, found.epsilon, protocol)
        flags += _gain("black box", "a black-box search finds", gradient, right["then Square"], "the gradient attacks")
    return StrongAccuracy(
        found.epsilon,
        len(found.broken_by),
        {name: float(values.mean()) for name, values in right.items() if name != "random start"},
        float((found.broken_by == "").mean()),
        tuple(flags),
        tuple(map(str, found.broken_by)),
        found.seconds,
    )


def _block_seed(seed: int, first: int) -> int:
    """The seed of a block of images: that of the call for the first, another one for every other."""
    return seed if first == 0 else derived_seed(seed, first)


def _gain(kind: str, finds: str, before: np.ndarray, after: np.ndarray, base: str = "plain PGD") -> list[Flag]:
    """A flag where accuracy fell from `before` to `after`, booleans (n,) of the same images, by more than chance explains."""
    gain = clear_gain(before.astype(float) - after, POINTS)
    if gain is None:
        return []
    share, error = (f"{100 * value:.1f}%" for value in gain)
    text = f"{finds} attacks on {share} of the images more than {base} (standard error {error})"
    return [Flag(kind, f"{text}: the gradients of this network mislead")]


def _blame(gains: list[Flag], epsilon: float, protocol: StrongProtocol) -> list[Flag]:
    """The gains over plain PGD as flags of the network, or one of the attack whose steps are too short for the radius."""
    settings = epsilon, protocol.step_size, protocol.steps
    if reaches(*settings, USUAL_REACH):
        return gains
    if gains:
        return [weak_attack(*settings, f", and {gains[0].text.partition(':')[0]}")]
    return list(unreached(*settings))


def _vanishing(found: Outcomes) -> list[Flag]:
    share = float(found.vanished[found.clean].mean()) if found.clean.any() else 0.0
    if share <= VANISHED_SHARE:
        return []
    text = f"the logits have no gradient at all on {100 * share:.0f}% of the images"
    return [Flag("vanishing gradients", f"{text}, so attacks that follow it cannot move")]

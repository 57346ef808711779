"""How much of an interpretation survives an attack on it (AAI in Boopathy et al. 2020), and how much two networks share."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from interp.attacks import TopKInterpretation
from interp.core.checks import check_images, check_instance, check_labels
from interp.core.errors import InputError
from interp.discrepancy import InterpretationMaps, kendall_tau, pearson_r, top_k_overlap
from interp.evaluation.flags import Flag, unreached
from interp.evaluation.predictions import predict
from interp.evaluation.statistics import Mean, mean_of


@dataclass(frozen=True)
class Agreement:
    """Agreement of clean and attacked maps of the true class, over the `unchanged` images of `count` that kept their prediction.

    `kendall_tau_of_all` is over all images, also where the prediction changed: an attack may leave none that did not. Each mean is over
    those images on which it is defined: a constant map has no rank correlation. `flags` say where the attack was too weak.
    """

    count: int
    unchanged: int
    kendall_tau: Mean
    pearson_r: Mean
    top_k_overlap: Mean
    kendall_tau_of_all: Mean
    flags: tuple[Flag, ...] = ()


def agreement_under_attack(
    model: keras.Model,
    images: Any,
    labels: Any,
    attack: TopKInterpretation,
    *,
    seed: int = 0,
    batch_size: int = 250,
) -> Agreement:
    """Attack the maps of `images` (n, height, width, channels) and compare them with the clean ones. Raises InputError."""
    check_instance("the attack", attack, TopKInterpretation, "TopKInterpretation(epsilon=8/255)")
    batch = check_images(images)
    images, labels = batch.numpy(), check_labels(labels, batch).numpy()
    attacked = attack(model, images, labels, seed=seed, batch_size=batch_size)
    predictions = [np.argmax(predict(model, batch, batch_size=batch_size), -1) for batch in (images, attacked)]
    kept = predictions[0] == predictions[1]
    maps = InterpretationMaps(name=attack.interpretation)
    clean, moved = (maps.flat(model, batch, labels[:, None])[:, 0] for batch in (images, attacked))
    tau = kendall_tau(clean, moved)
    return Agreement(
        len(images),
        int(kept.sum()),
        mean_of(tau[kept]),
        mean_of(pearson_r(clean, moved)[kept]),
        mean_of(top_k_overlap(clean, moved, attack.k)[kept]),
        mean_of(tau),
        unreached(attack.epsilon, attack.step_size, attack.steps),
    )


def overlap_of_networks(
    first: keras.Model, second: keras.Model, images: Any, labels: Any, *, interpretation: str = "cam", k: int = 8
) -> Mean:
    """Mean share of the k strongest positions that two models' maps of the true class have in common. Raises InputError."""
    batch = check_images(images)
    images, labels = batch.numpy(), check_labels(labels, batch).numpy()
    maps = InterpretationMaps(name=interpretation)
    one, other = (maps.flat(model, images, labels[:, None])[:, 0] for model in (first, second))
    if one.shape != other.shape:
        raise InputError(
            f"the networks' maps have {one.shape[-1]} and {other.shape[-1]} positions: compare networks of one architecture"
        )
    return mean_of(top_k_overlap(one, other, k))

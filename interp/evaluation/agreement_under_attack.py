"""How much of an interpretation survives an attack on it (AAI in Boopathy et al. 2020), and how much two networks share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from interp.attacks import TopKInterpretation
from interp.attributions import Attribution, InterpretationMaps
from interp.attributions.registry import shown_name
from interp.core.checks import check_images, check_instance, check_labels, check_listed
from interp.core.errors import InputError
from interp.core.json_fields import Count, Number
from interp.core.results import Result
from interp.core.tables import Cell, counted
from interp.discrepancy import kendall_tau, pearson_r, top_k_overlap
from interp.evaluation.flags import Flag, at_radius, unreached
from interp.evaluation.older_records import completed_agreement, completed_overlap
from interp.evaluation.predictions import predict
from interp.evaluation.statistics import EPS, IMAGES, Mean, mean_of


@dataclass(frozen=True)
class Agreement:
    """Agreement of the clean and the attacked maps of the true class at one radius.

    Means are over the images whose prediction did not change, unless said otherwise, and over those on which the measure is defined: a
    constant map has no order, no correlation and no strongest positions.

    Attributes:
        epsilon: Radius of the ball, for images in [0, 1].
        count: Number of images.
        unchanged: Number of images whose prediction did not change.
        kendall_tau: Mean Kendall tau, from -1 to 1.
        pearson_r: Mean Pearson correlation, from -1 to 1.
        top_k_overlap: Mean share of the k strongest positions that both maps have in common.
        kendall_tau_of_all: Mean Kendall tau of all images, also of those whose prediction changed.
        flags: Reasons not to trust the figures: steps too short for the radius.
    """

    epsilon: float = field(metadata=EPS)
    count: Count = field(metadata=IMAGES)
    unchanged: Number
    kendall_tau: Mean
    pearson_r: Mean
    top_k_overlap: Mean
    kendall_tau_of_all: Mean
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class AgreementCurve(Result):
    """Agreement of clean and attacked maps against the radius of the attack.

    Attributes:
        rows: An Agreement for each radius.
        protocol: How the maps were attacked, in words.
    """

    rows: tuple[Agreement, ...] = field(metadata={"json": "by_radius"})
    protocol: str = ""

    @property
    def flags(self) -> tuple[Flag, ...]:
        """The flags of all radii."""
        return tuple(flag for row in self.rows for flag in at_radius(row.flags, row.epsilon))

    def columns(self) -> dict[str, list[Cell]]:
        """A radius a row; figures are over images whose prediction did not change, the last two over all."""
        return {
            "eps": [row.epsilon for row in self.rows],
            "images": [row.count for row in self.rows],
            "unchanged": [row.unchanged for row in self.rows],
            "Kendall tau": [row.kendall_tau.cells[0] for row in self.rows],
            "standard error": [row.kendall_tau.cells[1] for row in self.rows],
            "Pearson r": [row.pearson_r.value for row in self.rows],
            "top-k overlap": [row.top_k_overlap.value for row in self.rows],
            "tau of all": [row.kendall_tau_of_all.cells[0] for row in self.rows],
            "its standard error": [row.kendall_tau_of_all.cells[1] for row in self.rows],
        }

    @property
    def caption(self) -> str:
        """The protocol."""
        return self.protocol

    def _derived(self) -> dict[str, Any]:
        return {"flags": self.flags}

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return completed_agreement(values)


@dataclass(frozen=True)
class NetworkOverlap(Result):
    """How many of their strongest positions the maps of two networks have in common.

    Attributes:
        against: Name of the network that this one is compared with.
        k: Number of strongest positions that are compared.
        overlap: Mean share of these that both maps have in common, as `overlap_of_networks` returns it.
        count: Number of images.
        interpretation: Name of the explanation method.
    """

    against: str
    k: Count
    overlap: Mean
    count: Count = field(metadata=IMAGES)
    interpretation: str

    def columns(self) -> dict[str, list[Cell]]:
        """One row."""
        value, error = self.overlap.cells
        return {
            "against": [self.against],
            "k": [self.k],
            "images": [self.overlap.count],
            "top-k overlap": [value],
            "standard error": [error],
        }

    @property
    def caption(self) -> str:
        """Which positions of which maps are compared."""
        return f"{counted(self.count, 'image')}; strongest positions of the true class's {self.interpretation} on clean images"

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return completed_overlap(values)


def agreement_curve(
    model: keras.Model,
    images: Any,
    labels: Any,
    attack: TopKInterpretation,
    epsilons: Sequence[float],
    *,
    seed: int = 0,
    batch_size: int = 250,
    report: Callable[[], None] = lambda: None,
) -> AgreementCurve:
    """Attack the maps of the true class at each of several radii, and compare them with the clean ones (AAI in Boopathy et al. 2020).

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: Integers (n,), the true classes.
        attack: The attack; its own radius is not used.
        epsilons: Radii of the ball, for images in [0, 1], in any order.
        seed: Seed of all random draws.
        batch_size: Number of images processed at a time; random draws do not depend on it.
        report: Called after each radius.

    Returns:
        An AgreementCurve, its radii in the order of `epsilons`.

    Raises:
        InputError: The model, images, labels or radii cannot be used, or the model does not have the maps that the attack looks at.
    """
    check_instance("the attack", attack, TopKInterpretation, "TopKInterpretation(epsilon=8/255)")
    check_listed("epsilons", epsilons, "[0.05, 0.1]")
    attacks = [replace(attack, epsilon=epsilon) for epsilon in epsilons]
    rows = []
    for each in attacks:
        rows.append(agreement_under_attack(model, images, labels, each, seed=seed, batch_size=batch_size))
        report()
    ball = "" if attack.norm == "linf" else f" in {attack.norm}"
    maps = ("magnitudes of " if attack.ranking == "magnitude" else "") + shown_name(attack.interpretation)
    protocol = (
        f"{counted(rows[0].count, 'image')}; top-{attack.k} attack{ball} on {maps} from a random start, {counted(attack.steps, 'step')} of "
        f"{attack.step_size:g}; means over images whose prediction did not change, tau also over all"
    )
    return AgreementCurve(tuple(rows), protocol)


def agreement_under_attack(
    model: keras.Model,
    images: Any,
    labels: Any,
    attack: TopKInterpretation,
    *,
    seed: int = 0,
    batch_size: int = 250,
) -> Agreement:
    """Attack the maps of the true class at one radius, and compare them with the clean ones (AAI in Boopathy et al. 2020).

    Maps are compared as the attack reads them, signed or as the sums of their magnitudes over the channels.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: Integers (n,), the true classes.
        attack: The attack, with its radius.
        seed: Seed of all random draws.
        batch_size: Number of images processed at a time; random draws do not depend on it.

    Returns:
        An Agreement.

    Raises:
        InputError: The model, images or labels cannot be used, or the model does not have the maps that the attack looks at.
    """
    check_instance("the attack", attack, TopKInterpretation, "TopKInterpretation(epsilon=8/255)")
    batch = check_images(images)
    images, labels = batch.numpy(), check_labels(labels, batch).numpy()
    attacked = attack(model, images, labels, seed=seed, batch_size=batch_size)
    predictions = [np.argmax(predict(model, points, batch_size=batch_size), -1) for points in (images, attacked)]
    kept = predictions[0] == predictions[1]
    maps = InterpretationMaps(name=attack.interpretation)
    clean, moved = (
        flat_as_ranked(maps(model, points, labels[:, None])[:, 0], attack.ranking) for points in (images, attacked)
    )
    tau = kendall_tau(clean, moved)
    return Agreement(
        float(attack.epsilon),
        len(images),
        int(kept.sum()),
        mean_of(tau[kept]),
        mean_of(pearson_r(clean, moved)[kept]),
        mean_of(top_k_overlap(clean, moved, attack.k)[kept]),
        mean_of(tau),
        unreached(attack.epsilon, attack.step_size, attack.steps),
    )


def flat_as_ranked(maps: np.ndarray, ranking: str) -> np.ndarray:
    """Maps (n, height, width) or with channels, flat: as they are, or with "magnitude" their magnitudes summed over channels."""
    if ranking == "magnitude":
        maps = np.abs(maps) if maps.ndim == 3 else np.abs(maps).sum(-1)
    return maps.reshape(len(maps), -1)


def overlap_of_networks(
    first: keras.Model,
    second: keras.Model,
    images: Any,
    labels: Any,
    *,
    interpretation: str | Attribution = "cam",
    k: int = 8,
) -> Mean:
    """Compare the strongest positions of the maps that two models give of the true class.

    Args:
        first: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        second: Another one, whose maps have as many positions.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: Integers (n,), the true classes.
        interpretation: Explanation method, by name or as an object.
        k: Number of strongest positions that are compared.

    Returns:
        A Mean over the images of which no map is constant: the share of the k strongest positions that both maps have in common.

    Raises:
        InputError: A model, the images or the labels cannot be used, a model does not have such maps, or their sizes differ.
    """
    batch = check_images(images)
    images, labels = batch.numpy(), check_labels(labels, batch).numpy()
    maps = InterpretationMaps(name=interpretation)
    one, other = (maps.flat(model, images, labels[:, None])[:, 0] for model in (first, second))
    if one.shape != other.shape:
        raise InputError(
            f"the networks' maps have {one.shape[-1]} and {other.shape[-1]} positions: compare networks of one architecture"
        )
    return mean_of(top_k_overlap(one, other, k))

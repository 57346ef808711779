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
from interp.core.tables import Cell
from interp.discrepancy import kendall_tau, pearson_r, top_k_overlap
from interp.evaluation.flags import Flag, at_radius, unreached
from interp.evaluation.older_records import completed_agreement, completed_overlap
from interp.evaluation.predictions import predict
from interp.evaluation.statistics import EPS, IMAGES, Mean, mean_of


@dataclass(frozen=True)
class Agreement:
    """Agreement of clean and attacked maps of the true class, over the `unchanged` images of `count` that kept their prediction.

    `epsilon` is the radius of the attack. `kendall_tau_of_all` is over all images, also where the prediction changed: an attack may
    leave none that did not. Each mean is over those images on which it is defined: a constant map has no rank correlation. `flags` say
    where the attack was too weak.
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
    """Agreement at several radii, a row each; `protocol` says on how many images and how the maps were attacked."""

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
    """Share of the `k` strongest positions that a network's maps of `count` images have in common with those of another one.

    `against` names that one, `interpretation` the method of the maps; what overlap_of_networks returns is the `overlap`.
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
        return f"{self.count} images; strongest positions of the true class's {self.interpretation} on clean images"

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
    """Attack the maps of the images at each radius and compare them with the clean ones.

    Args:
        model: a Keras model that returns logits.
        images: float32 (n, height, width, channels) in [0, 1].
        labels: integers (n,), whose maps are attacked.
        attack: the attack, whose own radius does not matter.
        epsilons: the radii.
        seed: of the random starts.
        batch_size: how many images are in memory at a time.
        report: is called after each radius.

    Returns:
        The agreement at each radius, in the order of `epsilons`.

    Raises:
        InputError: for input that cannot be used, and for an attack that the model's maps do not allow.
    """
    check_instance("the attack", attack, TopKInterpretation, "TopKInterpretation(epsilon=8/255)")
    check_listed("epsilons", epsilons, "[0.05, 0.1]")
    attacks = [replace(attack, epsilon=epsilon) for epsilon in epsilons]
    rows = []
    for each in attacks:
        rows.append(agreement_under_attack(model, images, labels, each, seed=seed, batch_size=batch_size))
        report()
    ball = "" if attack.norm == "linf" else f" in {attack.norm}"
    protocol = (
        f"{rows[0].count} images; top-{attack.k} attack{ball} on {shown_name(attack.interpretation)} from a random start, {attack.steps} "
        f"steps of {attack.step_size:g}; means over images whose prediction did not change, tau also over all"
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
        float(attack.epsilon),
        len(images),
        int(kept.sum()),
        mean_of(tau[kept]),
        mean_of(pearson_r(clean, moved)[kept]),
        mean_of(top_k_overlap(clean, moved, attack.k)[kept]),
        mean_of(tau),
        unreached(attack.epsilon, attack.step_size, attack.steps),
    )


def overlap_of_networks(
    first: keras.Model,
    second: keras.Model,
    images: Any,
    labels: Any,
    *,
    interpretation: str | Attribution = "cam",
    k: int = 8,
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

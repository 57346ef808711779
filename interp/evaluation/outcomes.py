"""What the strong protocol found image by image, in blocks that are joined to all images."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# The fields of Outcomes that are arrays of n rows.
IMAGE_FACTS = ("labels", "logits", "clean", "vanished")


@dataclass(frozen=True, eq=False)
class RadiusOutcomes:
    """Of n images at one radius: which are right after each attack, by name, the seconds of each attack, and what broke each image.

    `right` holds booleans (n,), `broken_by` texts (n,): "" where nothing did, "clean" where the network was wrong without an attack.
    """

    epsilon: float
    right: Mapping[str, np.ndarray]
    seconds: Mapping[str, float]
    broken_by: np.ndarray


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Of n images: labels, logits (n, K), which are right without an attack, which have no gradient at all, and the outcomes by radius.

    `change` is the largest difference of two identical calls, and `draws` says whether it is more than rounding.
    """

    labels: np.ndarray
    logits: np.ndarray
    clean: np.ndarray
    vanished: np.ndarray
    change: float
    draws: bool
    radii: tuple[RadiusOutcomes, ...]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All of it as arrays by name, of which no array is an object."""
        facts = {
            "change": self.change,
            "draws": self.draws,
            "radii": [
                {"epsilon": each.epsilon, "attacks": list(each.right), "seconds": dict(each.seconds)}
                for each in self.radii
            ],
        }
        return {
            "facts": np.array(json.dumps(facts)),
            **{name: getattr(self, name) for name in IMAGE_FACTS},
            **{f"right {place}": np.array(list(each.right.values())) for place, each in enumerate(self.radii)},
            **{f"broken by {place}": each.broken_by.astype(str) for place, each in enumerate(self.radii)},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Outcomes":
        """The outcomes whose to_arrays() gave `arrays`."""
        facts: dict[str, Any] = json.loads(str(arrays["facts"]))
        radii = [
            RadiusOutcomes(
                each["epsilon"],
                dict(zip(each["attacks"], arrays[f"right {place}"], strict=True)),
                each["seconds"],
                arrays[f"broken by {place}"],
            )
            for place, each in enumerate(facts["radii"])
        ]
        images = {name: arrays[name] for name in IMAGE_FACTS}
        return cls(**images, change=facts["change"], draws=facts["draws"], radii=tuple(radii))


def joined(blocks: Sequence[Outcomes]) -> Outcomes:
    """The outcomes of the images of all blocks, one after the other; seconds are added up."""
    return Outcomes(
        labels=np.concatenate([each.labels for each in blocks]),
        logits=np.concatenate([each.logits for each in blocks]),
        clean=np.concatenate([each.clean for each in blocks]),
        vanished=np.concatenate([each.vanished for each in blocks]),
        change=max(each.change for each in blocks),
        draws=any(each.draws for each in blocks),
        radii=tuple(_joined_at(parts) for parts in zip(*(each.radii for each in blocks), strict=True)),
    )


def _joined_at(parts: Sequence[RadiusOutcomes]) -> RadiusOutcomes:
    attacks = dict.fromkeys(name for part in parts for name in part.right)
    seconds: dict[str, float] = {}
    for part in parts:
        for name, value in part.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + value
    return RadiusOutcomes(
        parts[0].epsilon,
        {name: np.concatenate([_right_after(name, part) for part in parts]) for name in attacks},
        seconds,
        np.concatenate([part.broken_by for part in parts]),
    )


def _right_after(name: str, part: RadiusOutcomes) -> np.ndarray:
    """Which images of a block are right after an attack; one that did not run there found no image left to attack."""
    return part.right.get(name, np.zeros(len(part.broken_by), bool))

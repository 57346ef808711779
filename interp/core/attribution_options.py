"""The options of command lines that say which attribution methods are meant, and their settings."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from interp.core.argument_types import nonnegative, whole_number, words
from interp.core.errors import check_choice
from interp.core.names import ENSEMBLES, METHODS, RANKINGS, USUAL_METHODS
from interp.core.options import Options, option
from interp.core.tables import counted


def check_method(name: str, known: Iterable[str]) -> None:
    """Raise InputError, with the nearest name, unless this is one of the `known` methods, an ensemble, or ensemble:method."""
    ensemble, colon, base = name.partition(":")
    if colon:
        check_choice("ensemble", ensemble, ENSEMBLES)
    check_choice("method", base if colon else name, {**dict.fromkeys(known), **({} if colon else ENSEMBLES)})


@dataclass(frozen=True, kw_only=True)
class AttributionOptions(Options):
    """Attribution methods and their settings."""

    title: ClassVar[str] = "attributions"
    usual_samples: ClassVar[int] = 50

    methods: list[str] | None = option(
        None,
        f"{', '.join(METHODS)}; ensembles over the gradient: {', '.join(ENSEMBLES)}, over another smooth_grad:METHOD",
        parse=words,
        usual=f"all that the network allows of {', '.join(USUAL_METHODS)} and the ensembles",
    )
    layer: str | None = option(None, "layer of Grad-CAM and related methods", usual="the last with a spatial output")
    points: int = option(32, "points of integrated gradients", parse=whole_number(1))
    samples: int | None = option(
        None, "samples of ensembles and expected gradients", parse=whole_number(1), usual="{task.usual_samples}"
    )
    noise_level: float = option(0.15, "noise of ensembles, as a share of the image's range", parse=nonnegative)

    @property
    def sample_count(self) -> int:
        """Samples of ensembles."""
        return self.samples or self.usual_samples

    @property
    def method_settings(self) -> str:
        """The settings of the methods that are looked at, in words."""
        parts = {part for name in self.methods or (*USUAL_METHODS, *ENSEMBLES) for part in name.split(":")}
        told = [f"{counted(self.points, 'point')} of integrated gradients"] if "integrated_gradients" in parts else []
        if parts & {*ENSEMBLES, "expected_gradients"}:
            noise = f" of noise level {self.noise_level:g}" if parts & ENSEMBLES.keys() else ""
            told.append(f"{counted(self.sample_count, 'sample')}{noise}")
        return ", ".join(told)

    def check(self, given: frozenset[str]) -> None:
        super().check(given)
        for name in self.methods or ():
            check_method(name, METHODS)


@dataclass(frozen=True, kw_only=True)
class RankingOptions(AttributionOptions):
    """How methods are ranked."""

    ranking: str = option("signed", "how pixels are ranked", choices=RANKINGS)

    @property
    def settings(self) -> str:
        """The same, and how pixels are ranked."""
        return ", ".join(filter(None, (self.method_settings, f"{self.ranking} ranking")))

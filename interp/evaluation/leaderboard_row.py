"""A row of the leaderboard: how well predictions and explanations of one network hold up at one radius."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from interp.attacks import ExplanationAttack
from interp.core.errors import InputError
from interp.core.json_fields import Count
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell, counted
from interp.discrepancy import KendallTau
from interp.evaluation.explanation_validity_result import ExplanationValidity
from interp.evaluation.flags import Flag
from interp.evaluation.network_facts import NetworkFacts
from interp.evaluation.protocol import StrongProtocol
from interp.evaluation.statistics import EPS, Mean, binomial_error
from interp.evaluation.validity_result import THREAT_MODELS, Validity

# How maps are compared.
MEASURE = "kendall_tau"
# The columns of the leaderboard; between them stand those of the explanations.
FIRST = (
    *("network", "method", "architecture", "dataset", "trained by", "norm", "eps", "images"),
    *("clean", "clean error", "strong", "strong error"),
)
LAST = ("flags", "minutes", "record", "weights")


@dataclass(frozen=True)
class MovedExplanation:
    """Kendall tau of clean and attacked maps of one explanation, in a row of the leaderboard.

    Attributes:
        explanation: Name of the explanation method.
        worst_case: Mean of the worst case of each image, over the images that are classified right.
        noise: Mean of the worst of several draws of noise from the ball.
        corner_noise: The same of noise at the corners of the ball, in l2 on its surface.
        sampled: Number of images that were given, also those that are not classified right.
    """

    explanation: str
    worst_case: Mean
    noise: Mean
    corner_noise: Mean
    sampled: Count

    @property
    def cells(self) -> dict[str, Cell]:
        """Its part of the leaderboard."""
        tau, error = self.worst_case.cells
        return {
            self.explanation: tau,
            f"{self.explanation} error": error,
            f"{self.explanation} noise": self.noise.value,
            f"{self.explanation} corner noise": self.corner_noise.value,
            f"{self.explanation} images": self.worst_case.count,
        }


@dataclass(frozen=True)
class LeaderboardRow(Result):
    """A row of the leaderboard: how well predictions and explanations of one network hold up at one radius.

    Attributes:
        facts: Which network it is.
        epsilon: Radius of the ball, for images in [0, 1].
        norm: Norm of the ball, "linf" or "l2".
        clean: Accuracy without an attack.
        strong: Accuracy in the worst case of the strong protocol.
        explanations: A MovedExplanation for each explanation method.
        protocol: How the predictions were attacked, in words.
        explanation_protocol: How the explanations were attacked, in words.
        flags: Reasons not to trust the figures.
        source: Which images were attacked.
        record: File that the row was read from; None for a row that was just measured.
        weights: Digest of the weights of the network, as the record has it; None for a row that was just measured.

    Raises:
        InputError: The fields do not fit each other, or a figure is out of its range.
    """

    facts: NetworkFacts
    epsilon: float = field(metadata=EPS)
    norm: str
    clean: Mean
    strong: Mean
    explanations: tuple[MovedExplanation, ...]
    protocol: str
    explanation_protocol: str
    flags: tuple[Flag, ...]
    source: str = ""
    record: str | None = None
    weights: str | None = None

    def __post_init__(self) -> None:
        self._expect(self.norm in THREAT_MODELS, "a norm of linf or l2")
        shares = [mean.value for mean in (self.clean, self.strong)]
        self._expect(all(value is not None and 0 <= value <= 1 for value in shares), "accuracies from 0 to 1")
        moved = [(each.worst_case, each.noise, each.corner_noise) for each in self.explanations]
        taus = [mean.value for means in moved for mean in means]
        self._expect(all(value is None or -1 <= value <= 1 for value in taus), "each Kendall tau from -1 to 1")

    @classmethod
    def of(
        cls,
        facts: NetworkFacts,
        predictions: Validity,
        explanations: Sequence[ExplanationValidity],
        *,
        source: str = "",
        flags: Sequence[Flag] = (),
    ) -> Self:
        """Make the row of a network whose predictions and explanations were measured at one radius.

        Args:
            facts: Which network it is.
            predictions: The result of the strong protocol.
            explanations: Results of the strong protocol for explanations, each by Kendall tau first.
            source: Which images were attacked.
            flags: Further flags of the network.

        Returns:
            A LeaderboardRow.

        Raises:
            InputError: The predictions were not attacked, the results are of several radii or in two norms, those of predictions have no
                clean accuracy, maps are compared by another measure, or two explanations have one name.
        """
        if not predictions.rows:
            told = ["the predictions were not attacked", *(flag.text for flag in predictions.flags)]
            raise InputError(f"a row of the leaderboard is of one radius, and there is none: {'; '.join(told)}")
        radii = {each.epsilon for each in predictions.rows}
        radii |= {each.epsilon for found in explanations for each in found.rows}
        if len(radii) != 1:
            raise InputError(f"a row of the leaderboard is of one radius, the results are of {len(radii)}: measure one")
        clean, count = predictions.clean_accuracy, predictions.count
        if clean is None:
            raise InputError(
                "the results of predictions do not say which images are right without an attack: measure them again"
            )
        names = [found.explanation for found in explanations]
        for found in explanations:
            _check_explanation(found, predictions.norm)
            if names.count(found.explanation) > 1:
                raise InputError(
                    f"explanations came with {found.explanation} more than once, and figures stand under their names: give each its own, "
                    "dataclasses.replace(found, explanation='mine')"
                )
        [row] = predictions.rows
        # What was seen of the network by several attacks is said once.
        of_network = {flag.kind: flag for flag in (*flags, *predictions.flags)}
        of_maps = [
            Flag(f"{found.explanation}: {flag.kind}", f"{found.explanation}: {flag.text}")
            for found in explanations
            for flag in (*found.flags, *found.rows[0].flags)
            if flag.kind not in of_network
        ]
        return cls(
            facts,
            row.epsilon,
            predictions.norm,
            Mean(clean, binomial_error(clean, count), count),
            Mean(row.worst_case, row.standard_error, count),
            tuple(_moved(found) for found in explanations),
            predictions.protocol,
            explanations[0].protocol if explanations else "",
            (*of_network.values(), *row.flags, *of_maps),
            source,
        )

    @property
    def cells(self) -> dict[str, Cell]:
        """The row as the leaderboard has it, by column."""
        facts = self.facts
        who = (facts.name, facts.method, facts.architecture, facts.dataset, facts.trained_by)
        values = (*who, self.norm, self.epsilon, self.strong.count, *self.clean.cells, *self.strong.cells)
        row: dict[str, Cell] = dict(zip(FIRST, values, strict=True))
        for moved in self.explanations:
            row |= moved.cells
        kinds = ", ".join(dict.fromkeys(flag.kind for flag in self.flags)) or NOTHING
        minutes = NOTHING if facts.minutes is None else facts.minutes
        named = (self.record or NOTHING, self.weights or NOTHING)
        return row | dict(zip(LAST, (kinds, minutes, *named), strict=True))

    def columns(self) -> dict[str, list[Cell]]:
        """A figure a row: both accuracies, and Kendall tau of each explanation with that under noise."""
        means = [self.clean, self.strong, *(moved.worst_case for moved in self.explanations)]
        spared: list[Cell] = [NOTHING, NOTHING]
        return {
            "figure": [
                "clean accuracy",
                "strong accuracy",
                *(f"{moved.explanation} tau" for moved in self.explanations),
            ],
            "value": [mean.value for mean in means],
            "standard error": [mean.cells[1] for mean in means],
            "images": [mean.count for mean in means],
            "noise": [*spared, *(moved.noise.value for moved in self.explanations)],
            "corner noise": [*spared, *(moved.corner_noise.value for moved in self.explanations)],
        }

    @property
    def measured(self) -> str:
        """How accuracies and explanations were measured, and on which images."""
        parts = [
            f"{self.norm} eps {self.epsilon:.4g}; accuracies of {counted(self.strong.count, 'image')}, {self.protocol}"
        ]
        if self.explanations:
            sampled = max(moved.sampled for moved in self.explanations)
            are = "that is" if sampled == 1 else "that are"
            right = f"Kendall tau of those of {counted(sampled, 'image')} {are} classified right"
            parts.append(f"{right}, {self.explanation_protocol}")
        return "; ".join([*parts, *([self.source] if self.source else [])])

    @property
    def caption(self) -> str:
        """Which network that is, and how it was measured."""
        facts = self.facts
        return f"{facts.method}, {facts.architecture}, trained by: {facts.trained_by}; {self.measured}"


def _check_explanation(found: ExplanationValidity, norm: str) -> None:
    """Raise InputError for a result by another measure than MEASURE, or in another norm than that of the predictions."""
    title = found.rows[0].measures[0].measure
    if title != KendallTau.title:
        raise InputError(
            f"a row of the leaderboard compares maps by {KendallTau.title}, those of {found.explanation} came by {title} first: measure "
            f"them with measures=['{MEASURE}']"
        )
    if found.norm != norm:
        raise InputError(
            f"a row of the leaderboard is of one norm, predictions were attacked in {norm} and {found.explanation} in {found.norm}: "
            f"measure both in one, with norm='{norm}'"
        )


def _moved(found: ExplanationValidity) -> MovedExplanation:
    measured = found.rows[0].measures[0]
    means = measured.worst_case, measured.noise, measured.corner_noise
    return MovedExplanation(found.explanation, *means, found.sampled)


def other_settings(protocol: StrongProtocol, attack: ExplanationAttack) -> tuple[Flag, ...]:
    """The flag of a row whose attacks have other settings than those of the leaderboard, which are the defaults of both protocols."""
    usual = StrongProtocol(norm=protocol.norm, step_size=protocol.step_size)
    same = ExplanationAttack(epsilon=attack.epsilon, norm=attack.norm, measures=attack.measures)
    if (protocol, attack) == (usual, same):
        return ()
    told = "the attacks have other settings than the defaults, so the row compares with rows of the same settings alone"
    return (Flag("other settings", told),)

"""Accuracy under unforeseen attacks, and the UAR score (Kang et al. 2019)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras

from interp.attacks import accuracy
from interp.attacks.unforeseen import GOALS, UNFORESEEN, make_unforeseen
from interp.core.checks import check_instance, check_listed, kind_of
from interp.core.errors import InputError, check_choice
from interp.core.json_fields import Count, Share
from interp.core.json_values import parse_json
from interp.core.results import Result
from interp.core.tables import NOTHING, Cell, counted
from interp.evaluation.older_records import completed_unforeseen
from interp.evaluation.statistics import ALL_COUNT, EPS, IMAGES, binomial_error

Calibration = Mapping[tuple[str, float], float]


@dataclass(frozen=True)
class UnforeseenAccuracy:
    """Accuracy under one unforeseen attack at one budget.

    Attributes:
        attack: Name of the attack, such as "fog".
        epsilon: Budget, in the unit of the attack.
        goal: "random_target" or "untargeted".
        accuracy: Share of the images that are classified right.
        count: Number of images.
    """

    attack: str
    epsilon: float = field(metadata=EPS)
    goal: str
    accuracy: Share
    count: Count = field(metadata=IMAGES)

    @property
    def standard_error(self) -> float:
        """One standard error of the accuracy."""
        return binomial_error(self.accuracy, self.count)


@dataclass(frozen=True)
class UnforeseenAccuracies(Result, Sequence[UnforeseenAccuracy]):
    """Accuracies under unforeseen attacks, and a sequence of them (Kang et al. 2019).

    Attributes:
        rows: An UnforeseenAccuracy for each attack, goal and budget.
        scores: UAR by attack and goal; empty without a calibration.
        settings: How the images were attacked, in words.

    Raises:
        InputError: There are no rows.
    """

    rows: tuple[UnforeseenAccuracy, ...] = field(metadata={"json": "by_budget"})
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    settings: str = ""

    def __post_init__(self) -> None:
        self._expect(bool(self.rows), "an accuracy at least")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> Any:
        return self.rows[place]

    def scored(self, calibration: Calibration) -> "UnforeseenAccuracies":
        """Add the UAR scores that a calibration gives.

        Args:
            calibration: Accuracies of adversarially trained networks by (attack, budget), as `read_calibration` returns them.

        Returns:
            The same accuracies with their scores.

        Raises:
            InputError: The calibration has no row for a budget.
        """
        scores: dict[str, dict[str, float]] = {}
        for (attack, goal), score in uar_scores(self.rows, calibration).items():
            scores.setdefault(attack, {})[goal] = score
        return replace(self, scores=scores)

    def columns(self) -> dict[str, list[Cell]]:
        """An attack, goal and budget a row."""
        return {
            "attack": [row.attack for row in self.rows],
            "goal": [row.goal for row in self.rows],
            "budget": [row.epsilon for row in self.rows],
            "accuracy": [row.accuracy for row in self.rows],
            "standard error": [row.standard_error for row in self.rows],
            "UAR": [self.scores.get(row.attack, {}).get(row.goal, NOTHING) for row in self.rows],
        }

    @property
    def caption(self) -> str:
        """How many images there were, and the settings."""
        told = ", ".join(filter(None, (counted(self.rows[0].count, "image"), self.settings)))
        return f"{told}; random_target takes the last latents, untargeted the worst"

    @classmethod
    def _completed(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return completed_unforeseen(values)


def unforeseen_accuracy(
    model: keras.Model,
    images: Any,
    labels: Any,
    budgets: Mapping[str, Sequence[float]],
    *,
    goals: Sequence[str] = ("random_target",),
    steps: int = 200,
    restarts: int = 1,
    seed: int = 0,
    batch_size: int = 250,
    report: Callable[[], None] = lambda: None,
) -> UnforeseenAccuracies:
    """Measure the accuracy of a model under unforeseen attacks (Kang et al. 2019).

    All images are attacked, as there: one that is wrong without an attack counts where the attack happens to make it right.

    Args:
        model: Any Keras model that returns logits, or ends in a softmax or sigmoid.
        images: float32 (n, height, width, channels) in [0, 1], with 1 or 3 channels.
        labels: Integers (n,), the true classes.
        budgets: Budgets of each attack, in its own unit, by its name: {"fog": [128, 256]}. One that comes twice counts once.
        goals: "random_target" leads to a class that is drawn for each image, "untargeted" to any wrong class.
        steps: Number of steps.
        restarts: Number of random starts.
        seed: Seed of all random draws.
        batch_size: Number of images processed at a time; random draws do not depend on it.
        report: Called after each attack at each budget and goal.

    Returns:
        An UnforeseenAccuracies, without scores.

    Raises:
        InputError: The model, images or labels cannot be used, or an attack, budget or goal is unknown or out of its range.
    """
    if not isinstance(budgets, Mapping) or not budgets:
        raise InputError(f"budgets came as {kind_of(budgets)}, expected radii by attack such as {{'fog': [128, 256]}}")
    for name, radii in budgets.items():
        check_choice("unforeseen attack", name, UNFORESEEN)
        check_listed(f"the budgets of {name}", radii, "[128, 256]")
    check_listed("goals", goals, "['untargeted']")
    for goal in goals:
        check_choice("goal", goal, GOALS)
    found = []
    for name, radii in budgets.items():
        for goal in dict.fromkeys(goals):
            for epsilon in dict.fromkeys(map(float, radii)):
                attack = make_unforeseen(name, epsilon, steps=steps, restarts=restarts, goal=goal)
                pictures = attack(model, images, labels, seed=seed, batch_size=batch_size)
                right = accuracy(model, pictures, labels, batch_size=batch_size)
                found.append(UnforeseenAccuracy(name, epsilon, goal, right, len(labels)))
                report()
    settings = (
        f"{counted(steps, 'step')} of budget / sqrt(steps), worst of {restarts} start(s), seed {seed}; {ALL_COUNT}"
    )
    return UnforeseenAccuracies(tuple(found), settings=settings)


def read_calibration(path: str | Path) -> dict[tuple[str, float], float]:
    """Read the accuracies of adversarially trained networks (ATA) that UAR scores are divided by.

    Args:
        path: JSON file with a list of rows {"attack": "fog", "eps": 128, "ata": 0.86}, accuracies in (0, 1].

    Returns:
        Accuracies by (attack, budget).

    Raises:
        InputError: The file cannot be read, a row is not as described, or a budget of an attack came twice.
    """
    example = 'expected a list of rows such as {"attack": "fog", "eps": 128, "ata": 0.86}'
    check_instance("the calibration", path, (str, Path), "'calibration.json'")
    try:
        rows = parse_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"the calibration {path} cannot be read: {error}; {example}") from error
    if not isinstance(rows, list) or not rows:
        raise InputError(f"the calibration {path} holds no rows: {example}")
    found: dict[tuple[str, float], float] = {}
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or {"attack", "eps", "ata"} - set(row):
            raise InputError(f"row {number} of the calibration {path} is {repr(row)[:60]}: {example}")
        name = check_choice(f"attack in row {number} of the calibration", row["attack"], UNFORESEEN)
        numbers = row["eps"], row["ata"]
        if not all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in numbers):
            raise InputError(
                f"row {number} of the calibration {path} has eps {repr(row['eps'])[:40]} and ata {repr(row['ata'])[:40]}: {example}"
            )
        if not numbers[0] > 0 or not 0 < numbers[1] <= 1:
            raise InputError(
                f"row {number} of the calibration {path} has eps {numbers[0]:.6g} and ata {numbers[1]:.6g}: {example}"
            )
        key = name, float(numbers[0])
        if key in found:
            raise InputError(
                f"row {number} of the calibration {path} is of {name} at eps {numbers[0]:.6g}, as one before it: give each budget once"
            )
        found[key] = float(numbers[1])
    return found


def calibrated_budgets(calibration: Calibration, names: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Find the budgets that a calibration has of each attack.

    Args:
        calibration: Accuracies of adversarially trained networks by (attack, budget), as `read_calibration` returns them.
        names: Names of the attacks.

    Returns:
        Budgets of each attack in rising order, by its name.

    Raises:
        InputError: The calibration has no row of an attack.
    """
    check_instance("the calibration", calibration, Mapping, "read_calibration('calibration.json')")
    budgets = {name: tuple(sorted(epsilon for other, epsilon in calibration if other == name)) for name in names}
    missing = [name for name, found in budgets.items() if not found]
    if missing:
        raise InputError(f"the calibration has no rows of {', '.join(missing)}: add them, or leave those attacks out")
    return budgets


def usual_budgets(
    names: Sequence[str], image_shape: tuple[int, int, int], *, all_six: bool = False
) -> dict[str, tuple[float, ...]]:
    """The default budget of each attack for images of this shape, or all six of each."""
    side = max(image_shape[:2])
    return {name: tuple(UNFORESEEN[name].budgets) if all_six else (UNFORESEEN[name].default(side),) for name in names}


def margin_notes(image_shape: tuple[int, int, int]) -> list[str]:
    """A note where the attacks work on larger images than these."""
    if not any(length % 16 for length in image_shape[:2]):
        return []
    return ["sides are no multiples of 16: the attacks work on images with black margins, which are cut off"]


def uar_scores(found: Sequence[UnforeseenAccuracy], calibration: Calibration) -> dict[tuple[str, str], float]:
    """Compute UAR: 100 times the sum of the accuracies over the budgets, divided by that of the calibration (Kang et al. 2019).

    Args:
        found: What `unforeseen_accuracy` returned.
        calibration: Accuracies of adversarially trained networks by (attack, budget), as `read_calibration` returns them.

    Returns:
        Scores by (attack, goal).

    Raises:
        InputError: The calibration has no row for a budget, an attack came twice with one goal and budget, or an argument is not as
            described.
    """
    check_listed("the accuracies", found, "what unforeseen_accuracy(...) returns")
    for row in found:
        check_instance("an accuracy", row, UnforeseenAccuracy, "those that unforeseen_accuracy(...) returns")
    check_instance("the calibration", calibration, Mapping, "read_calibration('calibration.json')")
    missing = sorted({(row.attack, row.epsilon) for row in found} - set(calibration))
    if missing:
        told = ", ".join(f"{name} at eps {epsilon:g}" for name, epsilon in missing)
        raise InputError(f"the calibration has no row for {told}: add it, or evaluate at the budgets it has")
    keys = [(row.attack, row.goal, row.epsilon) for row in found]
    for name, goal, epsilon in keys:
        if keys.count((name, goal, epsilon)) > 1:
            raise InputError(f"{name} at eps {epsilon:g} with goal {goal} came twice: give each budget once")
    scores = {}
    for key in dict.fromkeys((row.attack, row.goal) for row in found):
        rows = [row for row in found if (row.attack, row.goal) == key]
        scores[key] = (
            100 * sum(row.accuracy for row in rows) / sum(calibration[row.attack, row.epsilon] for row in rows)
        )
    return scores

"""uar_attack: accuracy under unforeseen attacks, and the UAR score."""

from dataclasses import dataclass
from pathlib import Path

from interp.commands.tasks.shared_options import BatchOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.argument_types import whole_number, words
from interp.core.errors import InputError
from interp.core.names import GOALS, SCORED, UNFORESEEN
from interp.core.options import option


@dataclass(frozen=True, kw_only=True)
class UnforeseenOptions(BatchOptions):
    """Options of uar_attack."""

    attacks: list[str] | None = option(None, "", parse=words, choices=UNFORESEEN, usual="all but elastic")
    budgets: str = option("default", "one of each attack, or all six", choices=("default", "all"))
    goal: str = option("random_target", "goal; random_target is the published one", choices=(*GOALS, "both"))
    steps: int = option(200, "steps of the attack", parse=whole_number(1))
    restarts: int = option(1, "random starts", parse=whole_number(1))
    calibration: Path | None = option(
        None, "JSON file of rows with attack, eps and ata: its budgets are evaluated, UAR is reported", parse=Path
    )

    def check(self, given: frozenset[str]) -> None:
        super().check(given)
        if self.calibration and "budgets" in given:
            raise InputError("--calibration says at which budgets to evaluate: leave --budgets out")


def uar_attack(run: Run[UnforeseenOptions]) -> TaskResult:
    """Accuracies, an attack, goal and budget a row, scores where there is a calibration, curves and the gallery."""
    from interp.evaluation import calibrated_budgets, read_calibration, unforeseen_accuracy
    from interp.evaluation.unforeseen_accuracy import margin_notes, usual_budgets
    from interp.report import attacks_gallery, unforeseen_figure

    options = run.options
    names = options.attacks or SCORED
    goals = tuple(GOALS) if options.goal == "both" else (options.goal,)
    calibration = None if options.calibration is None else read_calibration(run.files.add(options.calibration))
    if calibration is not None:
        budgets = calibrated_budgets(calibration, names)
    else:
        budgets = usual_budgets(names, run.sample.image_shape, all_six=options.budgets == "all")
    with run.progress(len(goals) * sum(map(len, budgets.values()))) as tick:
        found = unforeseen_accuracy(
            *run.attacked,
            budgets,
            goals=goals,
            steps=options.steps,
            restarts=options.restarts,
            report=tick,
            **run.attack_settings,
        )
    found = found if calibration is None else found.scored(calibration)
    shown = run.sample.take(run.one_of_each_class)
    pictures = {"gallery": attacks_gallery(run.model, shown, names, seed=options.seed)}
    if any(len(radii) > 1 for radii in budgets.values()):
        pictures["budgets"] = unforeseen_figure(found)
    return TaskResult(found, margin_notes(run.sample.image_shape), pictures=pictures)

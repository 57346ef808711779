"""min_pgd_attack: the smallest radius of each image, and the bound of the paper's proposition 1 there."""

from dataclasses import dataclass, replace
from typing import ClassVar

from interp.commands.tasks.chosen_methods import gap_notes
from interp.commands.tasks.shared_options import ClassOptions
from interp.commands.tasks.task import Run, TaskResult


@dataclass(frozen=True, kw_only=True)
class MinimumOptions(ClassOptions):
    """Options of min_pgd_attack."""

    images: ClassVar[int] = 100


def min_pgd_attack(run: Run[MinimumOptions]) -> TaskResult:
    """The smallest radii with margin and discrepancy, one row."""
    from interp.attacks import MinimumEpsilon
    from interp.evaluation import bound_check
    from interp.report import bound_figure

    options = run.options
    found = bound_check(
        run.model,
        run.images,
        run.labels,
        run.targets,
        MinimumEpsilon(direction=options.direction, steps=options.rounds),
        interpretation=options.method,
        classes=options.num_class,
        norm=options.norm,
        **run.attack_settings,
    )
    found = replace(found, protocol=f"{options.method}, {options.num_class}, {options.protocol}")
    pictures = {"bound": bound_figure({run.name: found})} if len(found.broken) else {}
    return TaskResult(found, gap_notes(run), pictures=pictures)

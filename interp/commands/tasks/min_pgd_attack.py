"""min_pgd_attack: the smallest radius of each image, in linf or l2, and the bound of the paper's proposition 1 there."""

from dataclasses import dataclass
from typing import ClassVar

from interp.commands.tasks.shared_options import ClassOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.errors import InputError, check_choice
from interp.core.names import THREAT_NORMS
from interp.core.options import option


@dataclass(frozen=True, kw_only=True)
class MinimumOptions(ClassOptions):
    """Options of min_pgd_attack."""

    images: ClassVar[int] = 100

    norm: str | None = option(None, f"norm of the radii: {', '.join(THREAT_NORMS)}", usual="linf", names_file=True)

    def check(self, given: frozenset[str]) -> None:
        super().check(given)
        if self.norm == "l1" and "discrepancy_norm" not in given:
            # Before there was a norm of the radii, which cannot be l1, the other option was called so.
            object.__setattr__(self, "norm", None)
        elif self.norm == "l2" and "discrepancy_norm" not in given:
            raise InputError(
                "--norm l2 was the norm of the discrepancy and is that of the radii now: give --discrepancy-norm l2 for the former, "
                "--norm l2 --discrepancy-norm l1 for the latter"
            )
        check_choice("--norm", self.norm or "linf", THREAT_NORMS)


def min_pgd_attack(run: Run[MinimumOptions]) -> TaskResult:
    """The smallest radii with margin and discrepancy, one row."""
    from interp.attacks import MinimumEpsilon
    from interp.evaluation import bound_check
    from interp.report import bound_figure

    options = run.options
    found = bound_check(
        *run.attacked,
        run.targets,
        MinimumEpsilon(direction=options.direction, steps=options.rounds, norm=options.norm or "linf"),
        interpretation=options.method,
        classes=options.num_class,
        discrepancy_norm=options.discrepancy_norm,
        **run.attack_settings,
    )
    pictures = {"bound": bound_figure({run.name: found})} if len(found.broken) else {}
    return TaskResult(found, pictures=pictures)

"""The training methods, a row each: the loss that is minimised and what the inner attack maximises."""

from dataclasses import dataclass

from interp.core.errors import check_choice
from interp.training.terms import Term, adversarial_cross_entropy, cam_discrepancy, clean_cross_entropy, penalised


@dataclass(frozen=True)
class Objective:
    """A training method. `attack` is None where there is no inner attack; `tag` is its name in files and on command lines."""

    tag: str
    title: str
    loss: Term
    attack: Term | None
    citation: str


BOOPATHY = "Boopathy et al. 2020, arXiv 2006.14748"

OBJECTIVES = {
    objective.tag: objective
    for objective in (
        Objective("normal", "Normal", clean_cross_entropy, None, "empirical risk minimisation"),
        Objective(
            "adv", "Adv", adversarial_cross_entropy, adversarial_cross_entropy, "Madry et al. 2018, arXiv 1706.06083"
        ),
        Objective("int", "Int", penalised(clean_cross_entropy, cam_discrepancy), cam_discrepancy, BOOPATHY),
    )
}


def find_objective(tag: str) -> Objective:
    """Return the objective called `tag`, raising InputError with a suggestion for an unknown one."""
    return OBJECTIVES[check_choice("training method", tag, OBJECTIVES)]

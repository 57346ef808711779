"""The attacks of the strong protocol, and its short form."""

from dataclasses import dataclass, replace
from typing import Any

from interp.attacks import AutoAttack, AutoPGD, ProjectedGradientDescent, Square
from interp.attacks.attack import Attack
from interp.core.balls import find_ball
from interp.core.checks import MOST_STEPS, check_number, check_radius
from interp.core.errors import check_choice
from interp.core.names import STRENGTHS


@dataclass(frozen=True, kw_only=True)
class StrongProtocol:
    """Attacks of the strong protocol, in the `norm` linf or l2: those that compare, and then the ensemble AutoAttack on what is left.

    Those that compare: plain PGD of `steps` x `step_size`, with more steps, from `restarts` random starts, APGD, and Square of
    `queries`; `strength="quick"` takes them alone. Plain PGD starts at the image and counts its last iterate, as Boopathy et al. 2020
    do; all others stop at the first success. Raises InputError.
    """

    steps: int = 200
    step_size: float = 0.01
    restarts: int = 5
    queries: int = 1000
    norm: str = "linf"
    strength: str = "strong"

    def __post_init__(self) -> None:
        find_ball(self.norm)
        check_number("steps", self.steps, minimum=1, whole=True, maximum=MOST_STEPS // 2)
        check_number("step_size", self.step_size, minimum=0, strict=True)
        check_radius("step_size", self.step_size, self.norm)
        check_number("restarts", self.restarts, minimum=1, whole=True)
        check_number("queries", self.queries, minimum=1, whole=True)
        check_choice("strength", self.strength, STRENGTHS)

    def describe(self) -> str:
        """The protocol in words, for the caption of a table."""
        ensemble = ", then AutoAttack from what they found" if self.strength == "strong" else ""
        norm = "" if self.norm == "linf" else f" in {self.norm}"
        return (
            f"{self.strength}: worst case per image{norm} over PGD-{self.steps} (step {self.step_size:g}) without random start, for "
            f"{2 * self.steps} steps, and from {self.restarts} random starts, APGD-CE and APGD-DLR (100 steps), and Square ({self.queries} "
            f"queries){ensemble}; found attacks carried to larger eps"
        )

    def attacks(self, epsilon: float, classes: int) -> dict[str, Attack]:
        """The attacks that compare, by the names that tables give them, plain PGD first."""
        shared: dict[str, Any] = {"epsilon": epsilon, "norm": self.norm}
        plain = ProjectedGradientDescent(step_size=self.step_size, steps=self.steps, **shared)
        start = replace(plain, random_start=True, iterate="first")
        return {
            "PGD": plain,
            "any iterate": replace(plain, iterate="first"),
            "more steps": replace(plain, steps=2 * self.steps, iterate="first"),
            "random start": start,
            "random starts": replace(start, restarts=self.restarts),
            "APGD-CE": AutoPGD(**shared),
            # The ratio needs a third class.
            **({"APGD-DLR": AutoPGD(loss="dlr", **shared)} if classes > 2 else {}),
            "Square": Square(steps=self.queries, **shared),
        }

    def ensemble(self, epsilon: float, *, draws: bool) -> AutoAttack | None:
        """What attacks the rest: none in the quick protocol, the version for models that draw in inference where this one `draws`."""
        if self.strength == "quick":
            return None
        version = "rand" if draws else "standard"
        return AutoAttack(epsilon=epsilon, norm=self.norm, version=version)

"""The attacks of the strong protocol, and its short form."""

from dataclasses import dataclass, replace
from typing import Any

from interp.attacks import AutoAttack, AutoPGD, ProjectedGradientDescent, Square
from interp.attacks.attack import Attack
from interp.core.balls import find_ball
from interp.core.checks import MOST_STEPS, check_number, check_radius
from interp.core.errors import check_choice
from interp.core.names import STRENGTHS
from interp.core.tables import counted


@dataclass(frozen=True, kw_only=True)
class StrongProtocol:
    """The attacks of the strong protocol: several that are compared, and then the ensemble AutoAttack on the images that are left.

    Those that are compared: plain PGD, PGD that counts every iterate, PGD of twice the steps, PGD from one and from several random starts,
    APGD on two losses, and Square. Plain PGD starts at the image and counts its last iterate, as in Boopathy et al. 2020; all others stop
    at the first success.

    Args:
        steps: Number of steps of PGD.
        step_size: Size of a step of PGD, for images in [0, 1].
        restarts: Number of random starts of PGD.
        queries: Number of queries of Square.
        norm: Norm of the ball, "linf" or "l2".
        strength: "strong" for all attacks, "quick" for those that are compared alone.

    Raises:
        InputError: A setting is out of its range or unknown.
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

    def describe(self, classes: int | None = None, *, draws: bool = False) -> str:
        """Return the protocol in words, for the caption of a table.

        Args:
            classes: Number of classes of the network, where it is known: with two of them APGD-DLR is not run.
            draws: Whether the network draws random numbers in inference, which takes another version of AutoAttack.

        Returns:
            One line.
        """
        searches = "APGD-CE" if classes is not None and classes <= 2 else "APGD-CE and APGD-DLR"
        version = " (version rand)" if draws else ""
        ensemble = f", then AutoAttack{version} from what they found" if self.strength == "strong" else ""
        norm = "" if self.norm == "linf" else f" in {self.norm}"
        return (
            f"{self.strength}: worst case per image{norm} over PGD-{self.steps} (step {self.step_size:g}) without random start, for "
            f"{2 * self.steps} steps, and from {counted(self.restarts, 'random start')}, {searches} (100 steps), and Square "
            f"({counted(self.queries, 'query', 'queries')}){ensemble}; found attacks carried to larger eps"
        )

    def attacks(self, epsilon: float, classes: int) -> dict[str, Attack]:
        """Return the attacks that are compared.

        Args:
            epsilon: Radius of the ball, for images in [0, 1].
            classes: Number of classes; APGD on the difference of logits ratio needs three.

        Returns:
            Attacks by the names that tables give them, plain PGD first. "random starts" goes on from "random start", and is not run where
            one start is asked for.
        """
        shared: dict[str, Any] = {"epsilon": epsilon, "norm": self.norm}
        plain = ProjectedGradientDescent(step_size=self.step_size, steps=self.steps, **shared)
        start = replace(plain, random_start=True, iterate="first")
        return {
            "PGD": plain,
            "any iterate": replace(plain, iterate="first"),
            "more steps": replace(plain, steps=2 * self.steps, iterate="first"),
            "random start": start,
            # The others, from which it goes on.
            "random starts": replace(start, restarts=max(1, self.restarts - 1)),
            "APGD-CE": AutoPGD(**shared),
            # The ratio needs a third class.
            **({"APGD-DLR": AutoPGD(loss="dlr", **shared)} if classes > 2 else {}),
            "Square": Square(steps=self.queries, **shared),
        }

    def ensemble(self, epsilon: float, *, draws: bool) -> AutoAttack | None:
        """Return the ensemble that attacks the images that are left.

        Args:
            epsilon: Radius of the ball, for images in [0, 1].
            draws: Whether the model draws random numbers in inference, which takes another version of AutoAttack.

        Returns:
            An AutoAttack; None for the strength "quick".
        """
        if self.strength == "quick":
            return None
        version = "rand" if draws else "standard"
        return AutoAttack(epsilon=epsilon, norm=self.norm, version=version)

"""isa_cam and isa_ig: what interpretability sneaking attacks leave of the maps' discrepancy."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from interp.commands.tasks.shared_options import NOT_IG, ClassOptions, PenaltyOptions, seed_option
from interp.commands.tasks.task import Run, TaskResult

if TYPE_CHECKING:
    from interp.attacks import MinimumEpsilonResult
    from interp.evaluation import Sneaking


@dataclass(frozen=True, kw_only=True)
class SneakingCamOptions(ClassOptions, PenaltyOptions):
    """Options of isa_cam, whose images the paper drew by another seed."""

    images: ClassVar[int] = 50
    methods: ClassVar[tuple[str, ...]] = NOT_IG

    seed: int = seed_option(123)


@dataclass(frozen=True, kw_only=True)
class SneakingGradientOptions(ClassOptions, PenaltyOptions):
    """Options of isa_ig."""

    images: ClassVar[int] = 50
    methods: ClassVar[tuple[str, ...]] = ("ig",)


def isa(run: Run[SneakingCamOptions | SneakingGradientOptions]) -> TaskResult:
    """Normalised discrepancy and agreement of maps, a penalty a row and one over all."""
    from interp.report import sneaking_figure

    found = sneak(run, run.options.num_class)
    pictures = {"discrepancy": sneaking_figure({run.name: found})} if len(found.qualified) else {}
    return TaskResult(found, pictures=pictures)


def smallest_radii(run: Run[Any]) -> "MinimumEpsilonResult":
    """The smallest radii that reach the targets."""
    from interp.attacks import MinimumEpsilon

    attack = MinimumEpsilon(direction=run.options.direction, steps=run.options.rounds)
    return attack(run.model, run.images, run.targets, **run.attack_settings)


def sneak(
    run: Run[Any], classes: str, smallest: "MinimumEpsilonResult | None" = None, *, layer: int = -1
) -> "Sneaking":
    """Attack at the penalties times the smallest radii, which are searched where they are not given."""
    from interp.attacks import InterpretabilitySneaking, MinimumEpsilon
    from interp.evaluation import sneaking

    options = run.options
    attack = InterpretabilitySneaking(
        interpretation=options.method,
        classes=classes,
        discrepancy_norm=options.discrepancy_norm,
        steps=options.rounds,
        direction=options.direction,
        layer=layer,
        protocol=options.protocol or "reference",
    )
    minimum = MinimumEpsilon(direction=options.direction, steps=options.rounds)
    attacked = *run.attacked, run.targets
    return sneaking(*attacked, attack, minimum, options.penalties, smallest=smallest, **run.attack_settings)

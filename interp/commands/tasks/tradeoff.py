"""tradeoff_cam, tradeoff_ig and tradeoff_repr: discrepancy against the radius, image by image."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from interp.commands.tasks.isa import smallest_radii, sneak
from interp.commands.tasks.shared_options import NOT_IG, PenaltyOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.options import option

if TYPE_CHECKING:
    from interp.evaluation import Sneaking


@dataclass(frozen=True, kw_only=True)
class TradeoffCamOptions(PenaltyOptions):
    """Options of tradeoff_cam."""

    images: ClassVar[int] = 4
    methods: ClassVar[tuple[str, ...]] = NOT_IG


@dataclass(frozen=True, kw_only=True)
class TradeoffGradientOptions(TradeoffCamOptions):
    """Options of tradeoff_ig."""

    methods: ClassVar[tuple[str, ...]] = ("ig",)


@dataclass(frozen=True, kw_only=True)
class TradeoffRepresentationOptions(TradeoffCamOptions):
    """Options of tradeoff_repr."""

    methods: ClassVar[tuple[str, ...]] = ("representation",)

    rep_l: int = option(-1, "layer whose outputs are compared, from 0; -1 is the last feature maps", parse=int)


def tradeoff(run: Run[TradeoffCamOptions]) -> TaskResult:
    """Discrepancy against the radius for each image, one curve for each class selection."""
    from interp.evaluation import Tradeoff
    from interp.evaluation.tradeoff import selections_of
    from interp.report import tradeoff_figure

    options = run.options
    layer = options.rep_l if isinstance(options, TradeoffRepresentationOptions) else -1
    names, left_out = selections_of(options.method, run.sample.classes, run.sample.image_shape)
    curves: dict[str, Sneaking] = {}
    smallest = smallest_radii(run)
    with run.progress(len(names)) as tick:
        for name, selection in names.items():
            curves[name] = sneak(run, selection, smallest, layer=layer)
            tick()
    found = Tradeoff(curves, len(run.labels), f"{options.method}, {options.settings}")
    if not any(len(curve.qualified) for curve in curves.values()):
        return TaskResult(found, left_out)
    return TaskResult(found, left_out, pictures={"tradeoff": tradeoff_figure(run.sample, run.targets, curves)})

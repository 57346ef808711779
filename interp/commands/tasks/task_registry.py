"""The tasks of `--task`, as data free of TensorFlow: a new task is a file beside this one and a line here."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from interp.core.options import spellings

if TYPE_CHECKING:
    from interp.commands.tasks.shared_options import TaskOptions
    from interp.commands.tasks.task import Run, TaskResult


@dataclass(frozen=True)
class TaskSpec:
    """A task: its name, its `module:function:options` below interp.commands.tasks, and what it finds."""

    name: str
    place: str
    help: str

    def _find(self, part: int) -> Any:
        module, *names = self.place.split(":")
        return getattr(importlib.import_module(f"interp.commands.tasks.{module}"), names[part])

    @cached_property
    def options(self) -> "type[TaskOptions]":
        """The class of its options."""
        return self._find(1)

    @property
    def function(self) -> "Callable[[Run[Any]], TaskResult]":
        """What runs it."""
        return self._find(0)

    @property
    def flags(self) -> list[str]:
        """Its options as a command line spells them, or did before."""
        return [name for names in spellings(self.options).values() for name in names]


TASKS = {
    spec.name: spec
    for spec in (
        TaskSpec("pgd_attack", "pgd_attack:pgd_attack:AccuracyOptions", "accuracy under PGD, or the strong protocol"),
        TaskSpec("min_pgd_attack", "min_pgd_attack:min_pgd_attack:MinimumOptions", "smallest radii and the bound"),
        TaskSpec("isa_cam", "isa:isa:SneakingCamOptions", "sneaking attack (ISA) on class activation maps"),
        TaskSpec("isa_ig", "isa:isa:SneakingGradientOptions", "sneaking attack (ISA) on integrated gradients"),
        TaskSpec("tradeoff_cam", "tradeoff:tradeoff:TradeoffCamOptions", "discrepancy of CAM against the radius"),
        TaskSpec("tradeoff_ig", "tradeoff:tradeoff:TradeoffGradientOptions", "the same of integrated gradients"),
        TaskSpec("tradeoff_repr", "tradeoff:tradeoff:TradeoffRepresentationOptions", "the same of feature maps"),
        TaskSpec("attack_and_display", "attacked_maps:attack_and_display:DisplayOptions", "maps that are attacked"),
        TaskSpec("vis_cam", "attacked_maps:vis_cam:MapsOptions", "maps of clean and attacked images, drawn"),
        TaskSpec("intr_topk", "topk:intr_topk:OverlapOptions", "strongest positions shared with another network"),
        TaskSpec("aai_topk", "topk:aai_topk:AgreementOptions", "agreement of maps under the top-k attack (AAI)"),
        TaskSpec(
            "explanation_attack",
            "explanation_attack:explanation_attack:ExplanationOptions",
            "how far explanations can be moved, strong protocol",
        ),
        TaskSpec("leaderboard", "leaderboard:leaderboard:LeaderboardOptions", "a row of the leaderboard"),
        TaskSpec("uar_attack", "uar_attack:uar_attack:UnforeseenOptions", "accuracy under unforeseen attacks, UAR"),
        TaskSpec("saliency", "saliency:saliency:SaliencyOptions", "attribution maps of every method, drawn"),
        TaskSpec("coherence", "coherence:coherence:CoherenceOptions", "attributions on objects, agreement"),
        TaskSpec("selectivity", "selectivity:selectivity:SelectivityOptions", "erasing the strongest patches"),
        TaskSpec(
            "faithfulness", "faithfulness:faithfulness:FaithfulnessOptions", "maps by measures that ask the model"
        ),
        TaskSpec("roar", "roar_kar:retrain:RetrainingOptions", "retraining without the strongest pixels"),
        TaskSpec("kar", "roar_kar:retrain:RetrainingOptions", "retraining without the weakest pixels"),
        TaskSpec("sanity_check", "sanity_check:sanity_check:SanityCheckOptions", "do maps depend on the weights"),
    )
}


def foreign_options(spec: TaskSpec) -> dict[str, str]:
    """Options that only other tasks take, each with the names of those."""
    found: dict[str, list[str]] = {}
    for other in TASKS.values():
        for name in set(other.flags) - set(spec.flags):
            found.setdefault(name, []).append(other.name)
    return {name: " and ".join(filter(None, (", ".join(tasks[:-1]), tasks[-1]))) for name, tasks in found.items()}

"""sanity_check: what is left of the maps when weights are random, beside what is known of each method."""

from dataclasses import dataclass, replace
from typing import ClassVar

from interp.commands.tasks.chosen_methods import chosen_methods
from interp.commands.tasks.shared_options import TaskOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.attribution_options import AttributionOptions

STAGES = 10


@dataclass(frozen=True, kw_only=True)
class SanityCheckOptions(AttributionOptions, TaskOptions):
    """Options of sanity_check."""

    images: ClassVar[int] = 50
    usual_samples: ClassVar[int] = 16


def sanity_check(run: Run[SanityCheckOptions]) -> TaskResult:
    """Correlations with the maps of the trained network, layer by layer."""
    from interp.evaluation import sanity_check as measure
    from interp.report import correlations_figure

    methods, notes = chosen_methods(run)
    with run.progress(STAGES + 1) as tick:
        found = measure(run.model, methods, run.images, run.labels, stages=STAGES, seed=run.options.seed, report=tick)
    found = replace(found, settings=run.options.method_settings)
    return TaskResult(found, notes, pictures={"correlations": correlations_figure(found)})

"""saliency: attribution maps of every method, in a picture."""

from dataclasses import dataclass
from typing import ClassVar

from interp.commands.tasks.chosen_methods import chosen_methods
from interp.commands.tasks.shared_options import TaskOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.attribution_options import AttributionOptions


@dataclass(frozen=True, kw_only=True)
class SaliencyOptions(AttributionOptions, TaskOptions):
    """Options of saliency."""

    images: ClassVar[int] = 8


def saliency(run: Run[SaliencyOptions]) -> TaskResult:
    """A picture, a row an image and a column a method; the table names the layers and the completeness gap."""
    from interp.evaluation import MapSummary
    from interp.report import attributions_figure

    methods, notes = chosen_methods(run)
    found = {}
    with run.progress(len(methods)) as tick:
        for name, factory in methods.items():
            found[name] = factory(run.model).explain(run.images, run.labels)
            tick()
    maps = {name: each.maps for name, each in found.items()}
    summary = MapSummary.of(found, settings=run.options.method_settings)
    return TaskResult(summary, notes, pictures={"maps": attributions_figure(run.images, maps, run.titles)})

"""faithfulness: attribution methods by several measures that ask the model, beside noise and the edges of the image."""

from dataclasses import dataclass, replace
from typing import ClassVar

from interp.commands.tasks.chosen_methods import chosen_methods
from interp.commands.tasks.shared_options import TaskOptions, WorkersOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.argument_types import words
from interp.core.attribution_options import AttributionOptions
from interp.core.command_line import stage_bars
from interp.core.names import FAITHFULNESS
from interp.core.options import option
from interp.data import find_dataset


@dataclass(frozen=True, kw_only=True)
class FaithfulnessOptions(WorkersOptions, AttributionOptions, TaskOptions):
    """Options of faithfulness."""

    images: ClassVar[int] = 100
    usual_samples: ClassVar[int] = 16
    has_all_workers: ClassVar[bool] = True
    title: ClassVar[str] = "measures"

    measures: list[str] | None = option(
        None, "", parse=words, choices=FAITHFULNESS, usual="all; pointing_game where images are drawn on black"
    )


def faithfulness(run: Run[FaithfulnessOptions]) -> TaskResult:
    """Each method under each measure, curves, and how far the measures agree."""
    from interp.core.parallel import open_workers
    from interp.evaluation import faithfulness as measure
    from interp.evaluation import ink
    from interp.report import agreement_figure, faithfulness_curves_figure, faithfulness_figure

    options = run.options
    methods, notes = chosen_methods(run)
    with open_workers(options.workers or 1, options.ray) as runners, stage_bars(f"{run.task} {run.name}") as report:
        found = measure(
            *run.attacked,
            {name: factory(run.model) for name, factory in methods.items()},
            options.measures,
            masks=ink(run.images) if find_dataset(options.dataset).drawn_on_black else None,
            seed=options.seed,
            folder=options.output_dir / "faithfulness_kept" / run.name,
            workers=runners,
            report=report,
        )
    found = replace(found, settings=options.method_settings)
    pictures = {
        "means": faithfulness_figure(found),
        **({"curves": faithfulness_curves_figure(found)} if found.curves else {}),
        "agreement": agreement_figure(tuple(found.measures), found.agreement),
    }
    return TaskResult(found, notes, pictures=pictures)

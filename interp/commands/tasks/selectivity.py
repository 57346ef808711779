"""selectivity: the probability of the class while the strongest patches are erased."""

from dataclasses import dataclass
from typing import ClassVar

from interp.commands.tasks.chosen_methods import chosen_methods
from interp.commands.tasks.shared_options import TaskOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.argument_types import whole_number
from interp.core.attribution_options import RankingOptions
from interp.core.options import option

SHOWN_IMAGES = 8


@dataclass(frozen=True, kw_only=True)
class SelectivityOptions(RankingOptions, TaskOptions):
    """Options of selectivity."""

    images: ClassVar[int] = 50
    usual_samples: ClassVar[int] = 16

    steps: int = option(50, "patches that are erased one after the other", parse=whole_number(1))
    patch: int | None = option(
        None, "side in pixels of the patch erased at each step", parse=whole_number(1), usual="about 1% of the image"
    )


def selectivity(run: Run[SelectivityOptions]) -> TaskResult:
    """Area under the curve of each method, and the curves."""
    from interp.core.checks import check_number
    from interp.evaluation import SelectivityCurves
    from interp.evaluation import selectivity as measure
    from interp.evaluation.selectivity import patch_side
    from interp.report import erased_images_figure, selectivity_figure

    options = run.options
    height, width, _ = run.sample.image_shape
    patch = patch_side(height, width, options.patch)
    most = -(-height // patch) * -(-width // patch)
    check_number("--steps", options.steps, minimum=1, whole=True, maximum=most)
    methods, notes = chosen_methods(run)
    found = {}
    with run.progress(len(methods) * options.steps) as tick:
        for name, factory in methods.items():
            found[name] = measure(
                factory(run.model),
                run.images,
                run.labels,
                steps=options.steps,
                patch=patch,
                ranking=options.ranking,
                seed=options.seed,
                report=tick,
            )
    shown = slice(0, SHOWN_IMAGES)
    erased = {name: each.erased[shown] for name, each in found.items()}
    pictures = {
        "curves": selectivity_figure(found),
        "erased": erased_images_figure(run.images[shown], erased, run.titles[shown]),
    }
    return TaskResult(SelectivityCurves.of(found, settings=options.settings), notes, pictures=pictures)

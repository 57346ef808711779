"""coherence: are attributions on the object, and do methods agree; the WhiteBox grid of all methods."""

from dataclasses import dataclass, replace
from typing import ClassVar

from interp.commands.tasks.chosen_methods import chosen_methods, make
from interp.commands.tasks.shared_options import TaskOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.attribution_options import RankingOptions
from interp.core.names import ENSEMBLES, MANY_PASSES, METHODS
from interp.data import find_dataset


@dataclass(frozen=True, kw_only=True)
class CoherenceOptions(RankingOptions, TaskOptions):
    """Options of coherence."""

    images: ClassVar[int] = 100


def coherence(run: Run[CoherenceOptions]) -> TaskResult:
    """Share of attributions on the object and agreement of methods; the grid, plain and with each ensemble."""
    from interp.evaluation import coherence as measure
    from interp.evaluation import ink
    from interp.report import agreement_figure, attributions_figure

    options = run.options
    methods, notes = chosen_methods(run)
    shown = run.one_of_each_class
    images, labels, titles = run.images[shown], run.labels[shown], [run.titles[row] for row in shown]
    plain = [name for name in methods if name in METHODS and name != "random"]
    smoothed = [name for name in plain if name not in MANY_PASSES]
    with run.progress(len(methods) + len(ENSEMBLES) * len(smoothed)) as tick:
        maps = {}
        for name, factory in methods.items():
            maps[name] = factory(run.model)(run.images, run.labels)
            tick()
        grid = {name: maps[name][shown] for name in plain or methods}
        pictures = {"grid_plain": attributions_figure(images, grid, titles)}
        for ensemble in ENSEMBLES if smoothed else ():
            grid = {}
            for name in smoothed:
                grid[name] = make(f"{ensemble}:{name}", options, run.model)(images, labels)
                tick()
            pictures[f"grid_{ensemble}"] = attributions_figure(images, grid, titles)
    # On black, the object is what is not black.
    objects = ink(run.images) if find_dataset(options.dataset).drawn_on_black else None
    found = replace(measure(maps, objects, ranking=options.ranking), settings=options.settings)
    pictures["agreement"] = agreement_figure(found.methods, found.agreement)
    return TaskResult(found, notes, pictures=pictures)

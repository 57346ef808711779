"""aai_topk and intr_topk: do maps agree after an attack, and with those of another network?"""

from dataclasses import dataclass

from interp.commands.networks import check_dataset, open_network
from interp.commands.tasks.chosen_methods import gap_notes
from interp.commands.tasks.shared_options import MapOptions, RadiusOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.argument_types import whole_number
from interp.core.network_files import locate_network, network_stem, normal_counterpart
from interp.core.options import option


def k_option() -> int:
    return option(8, "strongest positions", parse=whole_number(1))


@dataclass(frozen=True, kw_only=True)
class AgreementOptions(MapOptions, RadiusOptions):
    """Options of aai_topk."""

    k: int = k_option()


@dataclass(frozen=True, kw_only=True)
class OverlapOptions(MapOptions):
    """Options of intr_topk."""

    k: int = k_option()
    against: str | None = option(None, "the other network", usual="its Normal counterpart")


def aai_topk(run: Run[AgreementOptions]) -> TaskResult:
    """Agreement of clean and attacked maps, a radius a row."""
    from interp.attacks import TopKInterpretation
    from interp.evaluation import agreement_curve

    options = run.options
    attack = TopKInterpretation(
        epsilon=0.0, step_size=options.step_size, steps=options.steps, k=options.k, interpretation=options.method
    )
    with run.progress(len(options.map_radii)) as tick:
        found = agreement_curve(
            run.model, run.images, run.labels, attack, options.map_radii, report=tick, **run.attack_settings
        )
    return TaskResult(found, gap_notes(run))


def intr_topk(run: Run[OverlapOptions]) -> TaskResult:
    """Overlap of the strongest positions of this network's maps with the other's, one row."""
    from interp.evaluation import NetworkOverlap, overlap_of_networks

    options = run.options
    named, folder = options.against, options.networks_dir
    other = run.files.add(locate_network(named, folder) if named else normal_counterpart(run.path, folder))
    network = open_network(other, run.sample)
    flags = check_dataset(other, network, options.dataset, any_dataset=options.any_dataset)
    mean = overlap_of_networks(run.model, network, run.images, run.labels, interpretation=options.method, k=options.k)
    found = NetworkOverlap(network_stem(other.name), options.k, mean, len(run.labels), options.method)
    return TaskResult(found, gap_notes(run), flags=flags, record={"against": other.name})

"""aai_topk and intr_topk: do maps agree after an attack, and with those of another network?"""

from dataclasses import dataclass, replace

from interp.commands.tasks.explanation_attack import judge_explanations
from interp.commands.tasks.shared_options import MapOptions, RadiusOptions
from interp.commands.tasks.task import Run, TaskResult
from interp.core.argument_types import whole_number
from interp.core.errors import InputError
from interp.core.names import AUTO, MAP_PROTOCOLS
from interp.core.network_files import NetworkFile, find_file, network_stem, normal_counterpart
from interp.core.options import option


def k_option() -> int:
    return option(8, "strongest positions", parse=whole_number(1))


@dataclass(frozen=True, kw_only=True)
class AgreementOptions(MapOptions, RadiusOptions):
    """Options of aai_topk."""

    protocol: str | None = option(
        None,
        "reference is the paper's; strong is that of explanation_attack; rar that of Chen et al. 2019, of integrated gradients",
        choices=MAP_PROTOCOLS,
        usual="reference",
        names_file=True,
    )
    k: int = k_option()

    def check(self, given: frozenset[str]) -> None:
        super().check(given)
        refused = {"strong": {"steps", "step_size"}, "rar": {"steps", "step_size", "k", "inp_method"}}
        for name in sorted(refused.get(self.protocol or "", set()) & given):
            raise InputError(
                f"--protocol {self.protocol} has settings of its own: leave --{name.replace('_', '-')} out"
            )


@dataclass(frozen=True, kw_only=True)
class OverlapOptions(MapOptions):
    """Options of intr_topk."""

    k: int = k_option()
    against: str | None = option(None, "the other network", usual="its Normal counterpart")


def aai_topk(run: Run[AgreementOptions]) -> TaskResult:
    """Agreement of clean and attacked maps, a radius a row."""
    from interp.attacks import ExplanationAttack, TopKInterpretation
    from interp.discrepancy import MEASURES, TopKOverlap
    from interp.evaluation import agreement_curve, robust_attribution_protocol

    options = run.options
    if options.protocol == "strong":
        measures = [TopKOverlap(k=options.k) if name == "top_k_overlap" else name for name in MEASURES]
        return judge_explanations(run, ExplanationAttack(epsilon=0.0, norm=options.ball, measures=measures))
    if options.protocol == "rar":
        with run.progress(len(options.map_radii)) as tick:
            found = robust_attribution_protocol(
                *run.attacked, options.map_radii, report=tick, norm=options.ball, **run.attack_settings
            )
        return TaskResult(found)
    attack = TopKInterpretation(
        epsilon=0.0,
        step_size=options.step_size,
        steps=options.steps,
        norm=options.ball,
        k=options.k,
        interpretation=options.method,
    )
    with run.progress(len(options.map_radii)) as tick:
        return TaskResult(agreement_curve(*run.attacked, attack, options.map_radii, report=tick, **run.attack_settings))


def intr_topk(run: Run[OverlapOptions]) -> TaskResult:
    """Overlap of the strongest positions of this network's maps with the other's, one row."""
    from interp.evaluation import NetworkOverlap, overlap_of_networks
    from interp.evaluation.opened_network import check_dataset, open_network

    options = run.options
    named, folder = options.against, options.networks_dir
    if named:
        other = find_file(named, folder)
    else:
        path = normal_counterpart(run.file.path, folder)
        other = NetworkFile(path, network_stem(path.name))
    run.files.add(other.path)
    # The user's options on images apply to another model of the user, and to no network of this package.
    told = replace(options, input_scale=AUTO, output=None) if other.is_of_this_package else options
    opened = open_network(other, run.sample, told)
    found = check_dataset(other, opened.model, options.dataset, any_dataset=options.any_dataset)
    found += [{**flag, "text": f"{other.name}: {flag['text']}"} for flag in opened.flags]
    # Of another kind than this network's, which would be taken for the same.
    flags = [{**flag, "kind": f"{flag['kind']} of the other network"} for flag in found]
    mean = overlap_of_networks(
        run.model, opened.model, run.images, run.labels, interpretation=options.method, k=options.k
    )
    overlap = NetworkOverlap(other.name, options.k, mean, len(run.labels), options.method)
    return TaskResult(overlap, flags=flags, record={"other": opened.record})

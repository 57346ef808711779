"""aai_topk and intr_topk: do maps agree after an attack, and with those of another network?"""

from dataclasses import replace
from pathlib import Path

from interp.attacks import TopKInterpretation
from interp.commands.network_name import parse_name
from interp.commands.networks import check_dataset, locate_network, network_stem, open_network
from interp.commands.tasks.accuracy import flag_records
from interp.commands.tasks.attributions import shown_gaps
from interp.commands.tasks.setting import Outcome, Setting
from interp.core.errors import InputError
from interp.core.files import visible_files
from interp.evaluation import Agreement, Mean, agreement_under_attack, overlap_of_networks
from interp.models.loading import SUFFIXES
from interp.report import NOTHING, Cell, Table

AAI_HEADER = (
    "eps",
    "images",
    "unchanged",
    "Kendall tau",
    "standard error",
    "Pearson r",
    "top-k overlap",
    "tau of all",
    "its standard error",
)


def aai_topk(setting: Setting) -> Outcome:
    """Agreement of clean and attacked maps, a radius a row."""
    arguments = setting.arguments
    attack = TopKInterpretation(
        epsilon=0.0,
        step_size=arguments.step_size,
        steps=arguments.steps or 200,
        k=arguments.k,
        interpretation=setting.method,
    )
    rows, flags = [], []
    with setting.progress(len(setting.map_epsilons)) as tick:
        for epsilon in setting.map_epsilons:
            found = agreement_under_attack(
                setting.model,
                setting.images,
                setting.labels,
                replace(attack, epsilon=epsilon),
                seed=arguments.seed,
                batch_size=setting.batch_size(),
            )
            rows.append(aai_row(epsilon, found))
            flags += flag_records(found.flags, epsilon)
            tick()
    caption = (
        f"{len(setting.labels)} images; top-{attack.k} attack on {setting.method} from a random start, {attack.steps} steps of "
        f"{attack.step_size:g}; means over images whose prediction did not change, tau also over all"
    )
    return Outcome(
        Table(AAI_HEADER, tuple(rows), caption), {"protocol": caption, "flags": flags, "notes": shown_gaps(setting)}
    )


def aai_row(epsilon: float, found: Agreement) -> tuple[Cell, ...]:
    """A radius's row under AAI_HEADER."""
    means = (found.pearson_r.value, found.top_k_overlap.value)
    return (
        epsilon,
        found.count,
        found.unchanged,
        *_spread(found.kendall_tau),
        *means,
        *_spread(found.kendall_tau_of_all),
    )


def _spread(mean: Mean) -> tuple[Cell, Cell]:
    return mean.value, NOTHING if mean.standard_error is None else mean.standard_error


def intr_topk(setting: Setting) -> Outcome:
    """Share of strongest positions that this network and another have in common, one row."""
    arguments = setting.arguments
    other = setting.files.add(_other(setting))
    second = open_network(other, setting.sample, arguments.network_type)
    flags = check_dataset(other, second, arguments.dataset, any_dataset=arguments.any_dataset)
    mean = overlap_of_networks(
        setting.model, second, setting.images, setting.labels, interpretation=setting.method, k=arguments.k
    )
    header = ("against", "k", "images", "top-k overlap", "standard error")
    error = NOTHING if mean.standard_error is None else mean.standard_error
    row = (network_stem(other.name), arguments.k, mean.count, mean.value, error)
    caption = f"{len(setting.labels)} images; strongest positions of the true class's {setting.method} on clean images"
    record = {"against": other.name, "notes": shown_gaps(setting), **({"flags": flags} if flags else {})}
    return Outcome(Table(header, (row,), caption), record)


def normal_counterpart(path: Path, networks_dir: Path | None = None) -> Path:
    """The Normal network to compare a network of the paper's naming with.

    It has as many epochs and is in the same folder or in the network folders; else it is the only one of other epochs in the same
    folder. Raises InputError.
    """
    stem = network_stem(path.name)
    name = parse_name(stem)
    if name is None:
        raise InputError(f"--against is needed: the name {stem} does not say which Normal network to compare with")
    normal = str(replace(name, tag="normal"))
    prefix = f"{name.family}_normal_"
    files = [file for suffix in SUFFIXES for file in visible_files(path.parent, suffix)]
    others = [file for file in files if file.name.startswith(prefix)]
    same = [file for file in others if file.stem == normal]
    if same or len(others) != 1:
        return same[0] if same else locate_network(normal, networks_dir)
    return others[0]


def _other(setting: Setting) -> Path:
    arguments = setting.arguments
    if arguments.against:
        return locate_network(arguments.against, arguments.networks_dir)
    return normal_counterpart(setting.path, arguments.networks_dir)

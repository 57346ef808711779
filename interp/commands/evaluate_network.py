"""Evaluate one network: accuracy under attack, and how well its interpretations hold up."""

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from interp.commands.command_line import run
from interp.commands.task_arguments import check_arguments, parser
from interp.commands.tasks.listing import LISTING

if TYPE_CHECKING:
    from interp.commands.tasks.setting import Outcome, Setting


def tasks() -> dict[str, "Callable[[Setting], Outcome]"]:
    """The functions behind the names of the listing."""
    from interp.commands.tasks import accuracy, agreement, pictures, retraining, saliency, sneaking, unforeseen

    return {
        "pgd_attack": accuracy.pgd_attack,
        "min_pgd_attack": sneaking.min_pgd_attack,
        "isa_cam": sneaking.isa,
        "isa_ig": sneaking.isa,
        "tradeoff_cam": sneaking.tradeoff,
        "tradeoff_ig": sneaking.tradeoff,
        "tradeoff_repr": sneaking.tradeoff,
        "attack_and_display": sneaking.attack_and_display,
        "vis_cam": pictures.vis_cam,
        "intr_topk": agreement.intr_topk,
        "aai_topk": agreement.aai_topk,
        "uar_attack": unforeseen.uar_attack,
        "saliency": saliency.saliency,
        "coherence": saliency.coherence,
        "selectivity": saliency.selectivity,
        "sanity_check": saliency.sanity_check,
        "roar": retraining.retrain,
        "kar": retraining.retrain,
    }


def evaluate(arguments: argparse.Namespace) -> int:
    """Load, run the task, print its table, keep its record and pictures; return the exit code."""
    from interp.commands.networks import check_dataset, locate_network, network_stem, open_network
    from interp.commands.records import check_record, keep_outcome, with_flags
    from interp.commands.tasks.setting import Setting
    from interp.commands.used_data import UsedData
    from interp.commands.used_files import UsedFiles
    from interp.core.files import check_writable
    from interp.evaluation import sample_images

    method = check_arguments(arguments)
    task = LISTING[arguments.task]
    arguments.seed = task.seed if arguments.seed is None else arguments.seed
    data, files = UsedData(arguments.data_dir), UsedFiles()
    test = data.test(arguments.dataset)
    sample, targets = sample_images(test, arguments.num_image or min(task.images, len(test)), seed=arguments.seed)
    path = files.add(locate_network(arguments.network, arguments.networks_dir))
    model = open_network(path, sample, arguments.network_type)
    flags = check_dataset(path, model, arguments.dataset, any_dataset=arguments.any_dataset)
    check_writable(arguments.output_dir)
    check_writable(arguments.picture_dir)
    setting = Setting(
        network_stem(path.name), path, model, sample, targets, method, arguments, files=files, flags=flags
    )
    check_record(setting)
    splits = data.identities(arguments.dataset, arguments.task)
    outcome = tasks()[arguments.task](setting)
    # What took long is kept before anything is said of it.
    written, others = keep_outcome(setting, outcome, splits)
    print(f"{arguments.task}: {setting.name}, {sample.source}")
    print(outcome.table.text())
    for flag in with_flags(outcome.record, flags).get("flags", []):
        at = f" at eps {flag['eps']:.4g}" if "eps" in flag else ""
        print(f"flagged{at}: {flag['text']}")
    for note in outcome.record.get("notes", []):
        print(note)
    for path in written:
        print(f"wrote {path}")
    if others:
        print(f"not in the table, evaluated by other options or on other images: {', '.join(others)}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `eval_cmd.py` from the command line."""
    return run(parser(), evaluate, arguments)

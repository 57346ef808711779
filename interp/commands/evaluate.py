"""Evaluate the networks of a numbered experiment: 1 the main one, 2 the additional one, 3 the saliency suite."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.commands.evaluate_network import parser as task_parser
from interp.commands.experiments import DESCRIPTIONS, SECTIONS, Section
from interp.commands.networks import NetworkOnDataset, is_left_out, named_networks, networks_of
from interp.commands.tasks.task_registry import TASKS, foreign_options
from interp.core.argument_types import whole_number
from interp.core.command_line import Parser, progress_bar, run
from interp.core.errors import ArgumentError, ComputationError, InputError, check_choice
from interp.core.model_options import MODEL_OPTIONS, NETWORKS, ModelOptions
from interp.core.network_files import find_used
from interp.core.options import add_options, flag, given_options, make, option
from interp.core.tables import FORMATS
from interp.data import find_dataset
from interp.data.image_options import CHOICES, OWN_IMAGES, ImageOptions

if TYPE_CHECKING:
    from interp.data.loaded import LoadedDatasets
    from interp.report.records import RecordStore, Settings

SCRIPT = "eval.py"
_SECTIONS = "; ".join(
    f"{name} ({number}): {section.help}" for number, group in SECTIONS.items() for name, section in group.items()
)
EXAMPLES = (
    "1 --only pgd aai --networks mnist_smallgap_normal_20 mnist_smallgap_int_20",
    "1 --only validity --dataset mnist --num-image 1000 --out gen_images/validity",
    "3 --dataset digits --networks gen_images/demo/digits_smallgap_int_40.safetensors",
    "3 --only roar kar --dataset mnist --task-options '--ratios 0.5,0.9 --seeds 2'",
)
# Options of tasks that this command takes itself, for all sections, and those that it does not pass on.
SHARED = ("num_image", "seed", "any_dataset", "networks_dir", "data_dir", "workers", "ray", *MODEL_OPTIONS)
OWN = (*SHARED, *OWN_IMAGES, "task", "dataset", "network", "output_dir", "picture_dir", "format")


@dataclass(frozen=True, kw_only=True)
class ExperimentOptions(ImageOptions, ModelOptions):
    """Options of eval.py."""

    number: int = option(
        MISSING, ", ".join(f"{key}: {text}" for key, text in DESCRIPTIONS.items()), parse=int, positional=True
    )
    only: list[str] | None = option(None, _SECTIONS, many=True, usual="all")
    networks: list[str] | None = option(
        None, f"each {NETWORKS}", many=True, usual="all networks of the training scripts"
    )
    any_dataset: bool = option(
        False,
        "also evaluate networks that say they were trained on another dataset; the results are flagged",
        parse=bool,
    )
    dataset: str | None = option(None, f"only networks on this one: {CHOICES}")
    num_image: int | None = option(None, "test images for each", parse=whole_number(1), usual="by the task")
    seed: int = option(99, "of the sample and of random starts", parse=whole_number(0))
    workers: int | None = option(
        None, "processes that retrain in roar and kar", parse=whole_number(1), usual="one a core"
    )
    ray: str | None = option(None, "address of a Ray cluster that retrains; local starts one here")
    task_options: str = option("", "further options of the tasks, as eval_cmd.py takes them, in quotes")
    networks_dir: Path | None = option(
        None, "directory of networks", parse=Path, usual="INTERP_NETWORKS_DIR, then networks/"
    )
    out: Path | None = option(None, "directory of results", parse=Path, usual="gen_images/eval_NUMBER")
    format: str = option("tsv", "of the tables", choices=FORMATS)

    def check(self, given: frozenset[str]) -> None:
        if self.number not in SECTIONS:
            known = ", ".join(f"{key} = {text}" for key, text in DESCRIPTIONS.items())
            raise InputError(f"no experiment {self.number}: {known}")
        for name in self.only or ():
            check_choice("section", name, SECTIONS[self.number])
        if self.dataset is not None:
            self.find(self.dataset)
        for name, folder in (("--networks-dir", self.networks_dir), ("--data-dir", self.data_dir)):
            if folder is not None and not folder.is_dir():
                raise InputError(f"{name} came as {folder}, which is no directory: correct it")


@dataclass(frozen=True)
class Asked:
    """The sections of an experiment with the options given to their tasks, and the networks that were named."""

    options: ExperimentOptions
    sections: dict[str, Section]
    given: dict[str, dict[str, Any]]
    named: list[NetworkOnDataset] | None
    folder: Path
    # What was said of networks.
    said: set[str] = field(default_factory=set)


def parser(prog: str = SCRIPT) -> Parser:
    """The command line of `eval.py`."""
    made = Parser(prog, __doc__, EXAMPLES)
    add_options(made, ExperimentOptions)
    return made


def parse(words: Sequence[str] | None = None, prog: str = SCRIPT) -> Asked:
    """What the words ask for, checked. Raises InputError."""
    options = make(ExperimentOptions, given_options(parser(prog), words))
    listed = SECTIONS[options.number]
    sections = {name: with_options(listed[name], options.task_options) for name in options.only or listed}
    given = {name: section_options(section) for name, section in sections.items()}
    taken = {name for section in sections.values() for name in TASKS[section.task].flags}
    for name in ("workers", "ray"):
        if getattr(options, name) is not None and flag(name) not in taken:
            raise InputError(f"{flag(name)} is for roar and kar: leave it out for {', '.join(sections)}")
    named = named_networks(options.networks or [], options.dataset, options.networks_dir, options.weights)
    return Asked(options, sections, given, named or None, options.out or Path(f"gen_images/eval_{options.number}"))


def with_options(section: Section, text: str) -> Section:
    """The section with further options of its task. Raises InputError for those that this command gives to it itself."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(
            f"--task-options came as {text!r}, {str(error).lower()}: give a quotation mark its other half, and write a backslash twice"
        ) from error
    own = [flag(name) for name in (*OWN, section.option) if name is not None]
    for word in words:
        if word.partition("=")[0].replace("_", "-") in own:
            raise InputError(f"--task-options came with {word}, which eval.py gives to {section.task} itself")
    return replace(section, arguments=(*section.arguments, *words))


def section_options(section: Section) -> dict[str, Any]:
    """The options that a section gives to its task. Raises InputError."""
    task = TASKS[section.task]
    line = [f"--task={task.name}", "--dataset=digits", "--network=any", *section.arguments]
    given = given_options(task_parser(task), line, foreign_options(task))
    make(task.options, {name: value for name, value in given.items() if name != "task"})
    return {name: value for name, value in given.items() if name not in OWN}


def evaluate(asked: Asked) -> int:
    """Evaluate what is there and not yet evaluated; return 0, or 1 if a network was missing or failed."""
    from interp.core.files import check_writable, locked
    from interp.data.loaded import LoadedDatasets
    from interp.report.experiment_page import show_section, write_page
    from interp.report.records import RecordStore, Settings

    options = asked.options
    check_writable(asked.folder)
    missing: dict[str, None] = {}
    failed: dict[str, str] = {}
    data = LoadedDatasets(options.data_dir)
    with locked(asked.folder / ".lock"):
        shared = {"number": options.number, "num_image": options.num_image, "seed": options.seed}
        store, settings = RecordStore(asked.folder), Settings(asked.folder, shared)
        for name, section in asked.sections.items():
            if asked.named is None:
                chosen, absent = networks_of(section, options.dataset, options.networks_dir)
                missing |= dict.fromkeys(absent)
            else:
                chosen = [network for network in asked.named if not is_left_out(network.name, section)]
            print(f"\n{name}: {section.help}")
            with progress_bar(name, len(chosen)) as tick:
                for network in chosen:
                    reason = _evaluate_network(asked, name, network, store, settings, data)
                    if reason is not None:
                        failed[f"{name} of {network.name}"] = reason
                    tick()
            show_section(name, store, options.format)
        sections = {name: section.help for name, section in SECTIONS[options.number].items()}
        page = write_page(asked.folder / "report.html", f"interp: {DESCRIPTIONS[options.number]}", sections, store)
    print(f"\nwrote {page}")
    for what, reason in failed.items():
        print(f"failed: {what}: {reason}", file=sys.stderr)
    if missing:
        print(f"missing, train.py makes them: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing or failed else 0


def _evaluate_network(
    asked: Asked,
    name: str,
    network: NetworkOnDataset,
    store: "RecordStore",
    settings: "Settings",
    data: "LoadedDatasets",
) -> str | None:
    """Run a section on a network, or take what was kept; return why it failed, if it did."""
    from interp.commands.runner import keep_section, open_run
    from interp.report.records import OtherResults

    shared, section = asked.options, asked.sections[name]
    try:
        splits = data.identities(network.dataset, TASKS[section.task].options.splits)
        settings.check_data(find_dataset(network.dataset).name, splits)
        told = {"dataset": network.dataset, "file": network.file.path.name, "section": asdict(section), "data": splits}
        if not network.file.is_of_this_package:
            told["model"] = {each: getattr(shared, each) for each in MODEL_OPTIONS} | {"name": network.file.application}
        # As JSON has it: with lists only.
        made_of = json.loads(json.dumps(told, default=str))
        find = partial(find_used, network.file.path, section.arguments, networks_dir=shared.networks_dir)
        if store.current(name, network.name, made_of, find) is not None:
            return None
        kind = TASKS[section.task].options
        same = {each.name: getattr(shared, each.name) for each in fields(kind) if each.name in SHARED}
        # Where nothing was asked for, the task's own default counts.
        same = {option: value for option, value in same.items() if value is not None}
        # What takes long is kept beside the results, shared by sections that need the same.
        own = {"dataset": network.dataset, "network": str(network.file.path), "output_dir": store.folder}
        options = make(kind, {**asked.given[name], **same, **own})
        run = open_run(section.task, options, network.file, data, quiet=True)
        for line in run.opened.said:
            # Sections of as many images would say the same.
            if line not in asked.said:
                print(line, flush=True)
            asked.said.add(line)
        keep_section(store, name, run, section, made_of, asdict(shared))
    except OtherResults:
        raise
    except ArgumentError as error:
        return str(error.with_options({"interpretation": "--task-options=--inp-method="}))
    except (InputError, ComputationError) as error:
        return str(error)
    return None


def main(arguments: Sequence[str] | None = None, prog: str = SCRIPT) -> int:
    """Run `eval.py` from the command line."""
    return run(lambda words: parse(words, prog), evaluate, arguments)

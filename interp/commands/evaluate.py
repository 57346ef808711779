"""Evaluate the networks of a numbered experiment: 1 the main one, 2 the additional one, 3 the saliency suite, 4 the paper's tables."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from interp.commands.evaluate_network import parser
from interp.commands.experiments import DESCRIPTIONS, SECTIONS, Section
from interp.commands.networks import NetworkOnDataset, is_left_out, named_networks, networks_of
from interp.commands.section_jobs import SHARED, SectionJob, SectionResult, evaluate_section
from interp.commands.tasks.shared_options import EvaluationOptions, WorkersOptions, seed_option
from interp.commands.tasks.task_registry import TASKS, foreign_options
from interp.core.command_line import progress_bar, run
from interp.core.errors import InputError, check_choice
from interp.core.model_options import NETWORKS
from interp.core.options import flag, given_options, make, option, read_options
from interp.core.workers import ThisProcess, Workers
from interp.data import find_dataset
from interp.data.image_options import CHOICES, OWN_IMAGES

if TYPE_CHECKING:
    from interp.data.loaded import LoadedDatasets
    from interp.report.records import Settings

SCRIPT = "eval.py"
_HELP = {name: section.help for group in SECTIONS.values() for name, section in group.items()}
_SECTIONS = "; ".join(
    f"{name} ({', '.join(str(number) for number, group in SECTIONS.items() if name in group)}): {text}"
    for name, text in _HELP.items()
)
EXAMPLES = (
    "1 --only pgd aai --networks mnist_smallgap_normal_20 mnist_smallgap_int_20",
    "1 --only validity --dataset mnist --num-image 1000 --out gen_images/validity",
    "3 --dataset digits --networks gen_images/demo/digits_smallgap_int_40.safetensors",
    "3 --only roar kar --dataset mnist --task-options '--ratios 0.5,0.9 --seeds 2'",
)
# Options of tasks that this command takes itself, for all sections, or does not pass on.
OWN = (*SHARED, *OWN_IMAGES, "task", "dataset", "network", "output_dir", "picture_dir", "format")


@dataclass(frozen=True, kw_only=True)
class ExperimentOptions(WorkersOptions, EvaluationOptions):
    """Options of eval.py."""

    title: ClassVar[str] = "what and where"
    images: ClassVar[str] = "by the task"
    usual_workers: ClassVar[str] = "1; one a core in roar and kar"

    number: int = option(
        MISSING, ", ".join(f"{key}: {text}" for key, text in DESCRIPTIONS.items()), parse=int, positional=True
    )
    seed: int | None = seed_option(None)
    only: list[str] | None = option(None, _SECTIONS, many=True, usual="all")
    networks: list[str] | None = option(
        None, f"each {NETWORKS}", many=True, usual="all networks of the training scripts"
    )
    dataset: str | None = option(None, f"only networks of this dataset: {CHOICES}")
    task_options: str = option("", "further options of the tasks, as eval_cmd.py takes them, in quotes")
    out: Path | None = option(None, "directory of results", parse=Path, usual="gen_images/eval_NUMBER")

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
    """The sections of an experiment with the options given to their tasks, the networks that were named, and what the page says.

    Without `needs_all` networks of the training scripts that are missing are no failure.
    """

    options: ExperimentOptions
    sections: Mapping[str, Section]
    given: Mapping[str, dict[str, Any]]
    named: list[NetworkOnDataset] | None
    folder: Path
    title: str
    listed: Mapping[str, Section]
    introduction: Sequence[str] = ()
    needs_all: bool = True


def parse(words: Sequence[str] | None = None, prog: str = SCRIPT) -> Asked:
    """What the words ask for, checked. Raises InputError."""
    return asked_for(read_options(ExperimentOptions, words, prog, __doc__, EXAMPLES))


def asked_for(options: ExperimentOptions, *, needs_all: bool = True) -> Asked:
    """What the options ask for, checked. Raises InputError."""
    listed = SECTIONS[options.number]
    sections = {name: with_options(listed[name], options.task_options) for name in options.only or listed}
    given = {name: section_options(section) for name, section in sections.items()}
    named = named_networks(options.networks or [], options.dataset, options.networks_dir, options.weights)
    folder, title = options.out or Path(f"gen_images/eval_{options.number}"), DESCRIPTIONS[options.number]
    return Asked(options, sections, given, named or None, folder, title, listed, needs_all=needs_all)


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
    given = given_options(parser(task), line, foreign_options(task))
    make(task.options, {name: value for name, value in given.items() if name != "task"})
    return {name: value for name, value in given.items() if name not in OWN}


def evaluate(asked: Asked, data: "LoadedDatasets | None" = None) -> int:
    """Evaluate what is there and not yet evaluated; return 0, or 1 if a network was missing or failed."""
    from interp.core.files import check_writable, locked
    from interp.core.parallel import open_workers
    from interp.data.loaded import LoadedDatasets
    from interp.report.experiment_page import write_page
    from interp.report.records import RecordStore, Settings

    options = asked.options
    check_writable(asked.folder)
    data = data or LoadedDatasets(options.data_dir)
    with locked(asked.folder / ".lock"):
        shared = {"number": options.number, "num_image": options.num_image, "seed": options.seed}
        store, settings = RecordStore(asked.folder), Settings(asked.folder, shared)
        # A directory goes on with the seed that it was begun with.
        options = replace(options, seed=settings.seed)
        asked = replace(asked, options=options)
        failed: dict[str, str] = {}
        jobs, missing = _jobs(asked, data, settings, failed)
        with open_workers(options.workers or 1, options.ray) as workers:
            # Tasks that share their work among workers themselves run here, the others side by side.
            for has_all, names in groupby(
                asked.sections, lambda name: TASKS[asked.sections[name].task].options.has_all_workers
            ):
                here = has_all or isinstance(workers, ThisProcess)
                group = {name: jobs[name] for name in names}
                _evaluate_group(asked, group, ThisProcess() if here else workers, data if here else None, failed)
        shown = {name: section.help for name, section in asked.listed.items()}
        told = {name: asdict(section) for name, section in asked.sections.items()}
        page = write_page(
            asked.folder / "report.html", f"interp: {asked.title}", shown, store, asked.introduction, told
        )
    print(f"\nwrote {page}")
    for what, reason in failed.items():
        print(f"failed: {what}: {reason}", file=sys.stderr)
    if missing and asked.needs_all:
        print(f"missing, train.py makes them: {', '.join(missing)}", file=sys.stderr)
    return 1 if failed or (missing and asked.needs_all) else 0


def _jobs(
    asked: Asked, data: "LoadedDatasets", settings: "Settings", failed: dict[str, str]
) -> tuple[dict[str, list[SectionJob]], list[str]]:
    """What is to be evaluated, by section, without what is kept; and the networks that are missing. Raises OtherResults."""
    from interp.report.records import OtherResults

    options = asked.options
    jobs: dict[str, list[SectionJob]] = {}
    missing: dict[str, None] = {}
    for name, section in asked.sections.items():
        if asked.named is None:
            chosen, absent = networks_of(section, options.dataset, options.networks_dir)
            missing |= dict.fromkeys(absent)
        else:
            chosen = [network for network in asked.named if not is_left_out(network.name, section)]
        jobs[name] = []
        for network in chosen:
            job = SectionJob(name, section, asked.given[name], network, options, asked.folder)
            try:
                settings.check_data(find_dataset(network.dataset).name, job.splits(data))
                if not job.is_kept(data):
                    jobs[name].append(job)
            except OtherResults:
                raise
            except InputError as error:
                failed[f"{name} of {network.name}"] = str(error)
    return jobs, list(missing)


def _evaluate_group(
    asked: Asked,
    jobs: Mapping[str, Sequence[SectionJob]],
    workers: Workers,
    data: "LoadedDatasets | None",
    failed: dict[str, str],
) -> None:
    """Run the jobs of some sections, and show each section once all of it is there."""
    from interp.core.parallel import run_jobs
    from interp.report.experiment_page import show_section
    from interp.report.records import RecordStore

    left = {name: len(of_section) for name, of_section in jobs.items()}
    known = () if data is None else (data,)
    pending = (
        ((name, job.network.name), partial(lambda job: (job, *known), job))
        for name, of_section in jobs.items()
        for job in of_section
    )
    said: set[str] = set()

    def show() -> None:
        """Show the sections that are finished, in their order."""
        while left and not next(iter(left.values())):
            name = next(iter(left))
            del left[name]
            print(f"\n{name}: {asked.sections[name].help}")
            show_section(name, RecordStore(asked.folder), asked.options.format, asdict(asked.sections[name]))

    with progress_bar("evaluations", sum(left.values())) as tick:
        show()
        for (name, network), outcome in run_jobs(
            workers, evaluate_section, pending, failed=lambda _, error: SectionResult(str(error))
        ):
            for line in outcome.said:
                # Sections of as many images would say the same.
                if line not in said:
                    print(line, flush=True)
                said.add(line)
            if outcome.failed is not None:
                failed[f"{name} of {network}"] = outcome.failed
            left[name] -= 1
            tick()
            show()


def main(arguments: Sequence[str] | None = None, prog: str = SCRIPT) -> int:
    """Run `eval.py` from the command line."""
    return run(lambda words: parse(words, prog), evaluate, arguments)

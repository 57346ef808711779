"""Evaluate one network: accuracy under attack, and how well its interpretations hold up."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from interp.commands.tasks.shared_options import TaskOptions
from interp.commands.tasks.task_registry import TASKS, TaskSpec, foreign_options
from interp.core.command_line import Parser, alike, run
from interp.core.errors import ArgumentError, InputError, check_choice
from interp.core.json_values import json_values
from interp.core.model_options import MODEL_OPTIONS, OPTION_NAMES
from interp.core.network_files import NetworkFile, find_file
from interp.core.options import add_options, given_options, make
from interp.data.user_sets import whole_path

SCRIPT = "eval_cmd.py"
EXAMPLES = (
    "pgd_attack --dataset mnist --network mnist_smallgap_int_20 --protocol strong",
    "isa_cam --dataset mnist --network mnist_smallgap_adv_20 --num-class two_class --penalties 1.2,1.4",
    "saliency --dataset photos --image-size 64 --network my_model.keras --input-scale 0..255 --methods gradient,grad_cam",
)
# What may differ between networks of one table.
OWN = (
    *("network", "networks_dir", "against", "output_dir", "picture_dir", "data_dir", "batch_size", "any_dataset"),
    *("workers", "ray", "format", "trained_by", *MODEL_OPTIONS),
)


@dataclass(frozen=True)
class Asked:
    """A task with its options, and the file of the network."""

    task: TaskSpec
    options: TaskOptions
    file: NetworkFile

    @property
    def table(self) -> str:
        """The table that networks of these options share, for the names of files."""
        names = [each.name for each in fields(self.options) if each.metadata["names_file"]]
        # The norm of the radii comes last, where it is given.
        names.sort(key="norm".__eq__)
        values = [self.options.in_files("method" if name == "inp_method" else name) for name in names]
        return "_".join([self.task.name, *(value for value in values if value != "None")])


def parser(task: TaskSpec | None = None, prog: str = SCRIPT) -> Parser:
    """The command line of a task, or without one what all tasks share."""
    # The console command takes the name alone.
    told = "" if prog.startswith("interp ") else "--task "
    if task is not None:
        made = Parser(f"{prog} {told}{task.name}", f"{task.name}: {task.help}.", what=task.name)
        add_options(made, task.options)
    else:
        made = Parser(prog, __doc__, [f"{told}{example}" for example in EXAMPLES])
        add_options(made, TaskOptions)
    width = max(map(len, TASKS))
    tasks = "\n".join(f"  {name:{width}s}  {spec.help}" for name, spec in TASKS.items())
    if task is None:
        made.epilog = f"tasks ({told}TASK --help shows the options of one):\n{tasks}\n\n{made.epilog}"
    made.add_argument(
        "--task",
        metavar="TASK",
        required=True,
        default=argparse.SUPPRESS,
        help="task to run; interp task takes its name alone",
    )
    return made


def parse(arguments: Sequence[str] | None = None, prog: str = SCRIPT) -> Asked:
    """The task and the checked options that the words ask for. Raises InputError."""
    words = alike(arguments)
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--task")
    try:
        name = first.parse_known_args(words)[0].task
    except argparse.ArgumentError:
        name = None
    if name is None:
        parser(prog=prog).parse_args(words)
    task = TASKS[check_choice("--task", name, TASKS)]
    given = given_options(parser(task, prog), words, foreign_options(task))
    del given["task"]
    options = make(task.options, given)
    return Asked(task, options, find_file(options.network, options.networks_dir, options.weights))


def evaluate(asked: Asked) -> int:
    """Run the task, keep its record and pictures, print its table; return the exit code."""
    from interp.commands.runner import draw, make_record, open_run, run_variants
    from interp.core.files import check_writable, locked
    from interp.core.tables import Table
    from interp.data.loaded import LoadedDatasets
    from interp.evaluation.older_records import earlier_tables, with_present_names
    from interp.report.records import RecordStore, made_alike, remarks
    from interp.report.validity_files import write_leaderboard

    options, store = asked.options, RecordStore(asked.options.output_dir)
    earlier = earlier_tables(asked.table, asked.task.name, options)
    data = LoadedDatasets(options.data_dir)
    opened = open_run(asked.task.name, options, asked.file, data)
    for folder in (options.output_dir, options.picture_dir):
        check_writable(folder)
    splits = data.identities(options.dataset, options.splits)
    _check_kept(asked, store, earlier, splits)
    for line in opened.opened.said:
        print(line, flush=True)
    try:
        variants = run_variants(opened, None, ())
    except ArgumentError as error:
        raise error.with_options(OPTION_NAMES) from error
    # What took long is kept before anything is said of it.
    record = make_record(opened, None, variants, {"task": asked.task.name, **asdict(options)})
    opened.files.check()
    shown = draw(opened, None, variants, lambda name: options.picture_dir / f"{asked.table}_{name}")
    with locked(options.output_dir / ".lock", wait=True):
        _check_kept(asked, store, earlier, splits)
        own = {"file": str(asked.file.path.resolve()), "splits": splits, **shown}
        record = store.keep(asked.table, opened.name, {**record, **own}, opened.files)
        # Networks evaluated by other options, or on other images, keep to their records.
        records = with_present_names(store.all(asked.table, earlier), vars(options))
        alike = {name: other for name, other in records.items() if made_alike(other, record, OWN)}
        tables = [store.write_table(asked.table, alike, options.format)]
        tables += write_leaderboard(store, asked.table, opened.name, alike)
    print(f"{asked.task.name}: {opened.name}, {record['data']}")
    print(Table(tuple(record["header"]), tuple(map(tuple, record["rows"])), record["caption"]).text())
    for line in remarks(record):
        print(line)
    written = [
        *tables,
        store.path(asked.table, opened.name),
        *(options.picture_dir / name for name in shown["pictures"]),
    ]
    for path in written:
        print(f"wrote {path}")
    others = [name for name in records if name not in alike]
    if others:
        print(f"not in the table, evaluated by other options or on other images: {', '.join(others)}")
    return 0


def _check_kept(asked: Asked, store: Any, earlier: list[str], splits: Mapping[str, str]) -> None:
    """Raise InputError if the record could not be kept: asked before long work rather than after it."""
    name, file = asked.file.name, json_values(str(asked.file.path.resolve()))
    kept = store.all(asked.table, earlier).get(name, {})
    if kept.get("file", file) != file:
        raise InputError(
            f"{store.path(asked.table, name)} is of another network named {name} ({kept['file']}): choose another --output-dir"
        )
    now = json_values(asked.options.dataset)
    told = kept.get("arguments", {}).get("dataset", now)
    if kept.get("splits", splits) != splits and whole_path(str(told)) != whole_path(now):
        raise InputError(
            f"{store.path(asked.table, name)} is the result on the images of {told}: choose another --output-dir"
        )


def main(arguments: Sequence[str] | None = None, prog: str = SCRIPT) -> int:
    """Run `eval_cmd.py` from the command line."""
    return run(lambda words: parse(words, prog), evaluate, arguments)

"""Results of `eval_cmd.py` on disk: networks with the same task and options share a table and a record."""

from pathlib import Path
from typing import Any

from interp.commands.record_format import read_network_results
from interp.commands.tasks.listing import PREDICTIONS, SALIENCY
from interp.commands.tasks.setting import Outcome, Setting
from interp.core.errors import InputError
from interp.core.files import locked, replacing, write_json, write_text
from interp.core.json_values import json_values
from interp.core.provenance import describe_run
from interp.report import note_source, tab_separated

# What may differ between networks of one table.
OWN = (
    "network",
    "networks_dir",
    "network_type",
    "against",
    "output_dir",
    "picture_dir",
    "data_dir",
    "batch_size",
    "workers",
    "ray",
)


def check_record(setting: Setting) -> None:
    """Raise InputError if the outcome of a setting could not be kept: asked before long work rather than after it."""
    kept = read_network_results(_record_path(setting)).get(setting.name)
    if kept is not None and kept.get("file") != _file(setting):
        raise InputError(
            f"{_record_path(setting)} holds another network named {setting.name} ({kept.get('file')}): choose another --output_dir"
        )


def keep_outcome(setting: Setting, outcome: Outcome) -> list[Path]:
    """Write table, record and pictures; return the files. Raises InputError, and then the table and record are as they were."""
    arguments, record_path = setting.arguments, _record_path(setting)
    pictures = [arguments.picture_dir / f"{record_path.stem}_{setting.name}_{shown}.png" for shown in outcome.pictures]
    for path, figure in zip(pictures, outcome.pictures.values(), strict=True):
        with replacing(path) as temporary:
            note_source(figure, setting.sample.source).savefig(temporary, dpi=130)
    with locked(arguments.output_dir / ".lock", wait=True):
        check_record(setting)
        records = read_network_results(record_path)
        record = {
            **describe_run(vars(arguments)),
            "file": _file(setting),
            "data": setting.sample.source,
            "network": setting.metadata(),
            "caption": outcome.table.caption,
            "header": list(outcome.table.header),
            "rows": [list(row) for row in outcome.table.rows],
            **outcome.record,
            "pictures": [str(path) for path in pictures],
        }
        records[setting.name] = record = json_values(record)
        write_json(record_path, records)
        # Networks evaluated by other options keep to the record.
        alike = {name: other for name, other in records.items() if _options(other) == _options(record)}
        rows = [[name, *row] for name, other in alike.items() for row in other["rows"]]
        table_path = record_path.with_suffix(".tsv")
        write_text(table_path, tab_separated(["network", *outcome.table.header], rows))
    return [table_path, record_path, *pictures]


def _record_path(setting: Setting) -> Path:
    arguments = setting.arguments
    task = arguments.task + ("_strong" if arguments.protocol == "strong" and arguments.task == "pgd_attack" else "")
    if setting.method in (*SALIENCY, *PREDICTIONS):
        protocol = f"_{arguments.protocol}" if arguments.task in ("roar", "kar") else ""
        return Path(arguments.output_dir) / f"{task}_{arguments.dataset}{protocol}.json"
    stem = f"{arguments.norm}_{arguments.num_class}_{task}_{arguments.dataset}_{setting.method}"
    return Path(arguments.output_dir) / f"{stem}.json"


def _file(setting: Setting) -> str:
    return str(setting.path.resolve())


def _options(record: dict[str, Any]) -> tuple[Any, ...]:
    """What networks of one table share."""
    return record["header"], {name: value for name, value in record["arguments"].items() if name not in OWN}
